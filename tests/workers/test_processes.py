"""Which process is which: identity, trees, markers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.workers.rig import until
from workers import journal, processes

Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **options: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def pid_from(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_process_is_alive_until_it_is_a_zombie(spawn: Spawn) -> None:
    process = spawn("sleep", "60")
    identity = processes.identify(process.pid)
    assert identity is not None
    assert processes.is_alive(identity)

    process.kill()
    until(lambda: os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG))

    os.kill(process.pid, 0)  # the zombie can still be signalled
    assert not processes.is_alive(identity)
    assert processes.identify(process.pid) is None
    process.wait()
    assert not processes.is_alive(identity)


def test_another_process_with_the_same_pid_is_not_it(spawn: Spawn) -> None:
    identity = processes.identify(spawn("sleep", "60").pid)
    assert identity is not None

    assert not processes.is_alive(identity._replace(start=identity.start - 1))
    assert not processes.is_alive(identity._replace(boot_id="another boot"))
    assert not processes.is_alive(identity._replace(pid=0))


def test_a_name_may_hold_anything(spawn: Spawn, tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 1"
    program.symlink_to("/bin/sleep")

    identity = processes.identify(spawn(str(program), "60").pid)

    assert identity is not None
    assert processes.is_alive(identity)


def test_start_times_tell_processes_apart(spawn: Spawn) -> None:
    own = processes.identify(os.getpid())
    child = processes.identify(spawn("sleep", "60").pid)

    assert own is not None
    assert child is not None
    assert own.start < child.start
    assert own.boot_id == child.boot_id == processes.boot_id()


def test_a_process_grows_older_by_the_second(spawn: Spawn) -> None:
    began = time.monotonic()
    process = spawn("sleep", "60")

    until(lambda: processes.age(process.pid) >= 0.5)

    assert 0.4 < time.monotonic() - began < processes.age(os.getpid())
    process.kill()
    until(lambda: processes.age(process.pid) == 0.0)


def test_descendants_are_all_live_processes_below(spawn: Spawn) -> None:
    line = "sh -c 'setsid sleep 60 & echo $!; wait' & wait"
    process = spawn("sh", "-c", line, start_new_session=True)
    grandchild = pid_from(process)

    below = processes.descendants(process.pid)
    assert grandchild in below
    assert len(below) == 2
    assert process.pid not in below
    os.kill(grandchild, signal.SIGKILL)
    until(lambda: processes.descendants(process.pid) == [])
    assert processes.descendants(grandchild) == []


def test_a_session_outlives_its_leader(spawn: Spawn) -> None:
    line = "sleep 60 & echo $!; setsid -w sleep 60"
    leader = spawn("sh", "-c", line, start_new_session=True)
    member = pid_from(leader)
    identity = processes.identify(leader.pid)
    assert identity is not None
    (escaped,) = until(lambda: [p for p in processes.descendants(leader.pid) if os.getsid(p) == p])

    def found() -> set[int]:
        return set(processes.of_session(leader.pid, identity.start))

    assert found() == {leader.pid, member}
    assert processes.of_session(leader.pid, identity.start - 1) == []
    assert identity.start <= processes.start_clock()
    leader.kill()
    leader.wait()
    assert found() == {member}
    os.kill(member, signal.SIGKILL)
    until(lambda: not found())
    os.kill(escaped, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_who_prints_into_a_file_is_found_wherever_it_goes(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file, (tmp_path / "file").open("rb") as other:
        writer = subprocess.Popen(["sleep", "60"], stderr=file)
        reader = subprocess.Popen(["sleep", "60"], stdin=other)
        (tmp_path / "file").rename(tmp_path / "moved")
        try:
            assert processes.printing_into([file.fileno()]) == [writer.pid]
        finally:
            for process in (writer, reader):
                process.kill()
                process.wait()


def test_marked_finds_by_the_whole_marker(spawn: Spawn) -> None:
    marker = f"{os.getpid()}-{os.urandom(4).hex()}/1"
    inside = {**os.environ, processes.MARKER: marker}
    other = {**os.environ, processes.MARKER: f"{marker}2", "NAMED": f"{processes.MARKER}={marker}"}
    found = spawn("sleep", "60", env=inside)
    spawn("sleep", "60", env=other)
    until(lambda: processes.marked([marker]))

    assert processes.marked([marker]) == [found.pid]
    assert processes.marked([]) == []
    found.kill()
    until(lambda: processes.marked([marker]) == [])


def test_a_signal_reaches_the_group_and_those_who_left_it(spawn: Spawn) -> None:
    line = "setsid sleep 60 & echo $!; sleep 60 & setsid -w sleep 60; echo 'the next line'"
    process = spawn("sh", "-c", line, start_new_session=True)
    escaped = pid_from(process)
    until(lambda: len(processes.descendants(process.pid)) >= 3)
    until(lambda: os.getpgid(escaped) == escaped)
    tree = processes.descendants(process.pid)

    # Children first, and so often that the shell would run on, were it not signalled before them.
    processes.signal_tree([*tree * 3000, process.pid], process.pid, signal.SIGTERM)

    assert process.stdout is not None
    assert process.stdout.read() == b""
    assert process.wait() == -signal.SIGTERM
    until(lambda: not [pid for pid in tree if processes.identify(pid) is not None])


def test_signalling_what_is_gone_is_no_error(spawn: Spawn) -> None:
    process = spawn("true")
    process.wait()

    processes.signal_tree([process.pid], process.pid, signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a child subreaper")
def test_a_subreaper_gets_what_escapes(spawn: Spawn) -> None:
    code = (
        "import os, subprocess\n"
        "from workers import processes\n"
        "processes.become_subreaper()\n"
        "subprocess.run(['sh', '-c', '(setsid sleep 60 &)'])\n"
        "found = []\n"
        "while not found: found = processes.descendants(os.getpid())\n"
        "os.kill(found[0], 9)\n"
        "print(os.waitpid(-1, 0)[0] == found[0])\n"
    )

    process = spawn(sys.executable, "-c", code, cwd=str(Path(__file__).parents[2]))

    assert process.communicate(timeout=60)[0] == b"True\n"


def test_usage_is_told_per_tree(spawn: Spawn) -> None:
    busy = spawn("sh", "-c", "while :; do :; done & wait", start_new_session=True)
    idle = spawn("sleep", "60")
    sampler = processes.UsageSampler()

    first = sampler.sample([busy.pid, idle.pid], at=10.0)
    assert [percent for percent, _ in first.values()] == [0.0, 0.0]
    clock = count(20)
    until(lambda: sampler.sample([busy.pid], at=next(clock))[busy.pid][0] > 0)
    assert first[idle.pid][1] > 0
    assert sampler.sample([idle.pid], at=next(clock))[idle.pid][0] == 0.0


def test_the_journal_tells_the_last_step(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written = journal.Journal(path)
    assert journal.read(path) is None

    written.starting(12)
    assert journal.read(path) == journal.Entry(12, None, 0, None)
    written.started(12, 3456, 789)
    assert journal.read(path) == journal.Entry(12, 3456, 789, None)
    written.ended(12, 0x0300)
    assert journal.read(path) == journal.Entry(12, 3456, 789, 0x0300)
    written.starting(13)
    assert journal.read(path) == journal.Entry(13, None, 0, None)
    written.started(13, 3457, 790)
    assert journal.read(path) == journal.Entry(13, 3457, 790, None)

    written.close()
    assert not path.exists()


def test_a_journal_that_makes_no_sense_does_not_say_that_nothing_was_started(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    with pytest.raises(FileNotFoundError):
        journal.read(path)
    for text in ("1 2", "a b c d", "1 2 3 4 5", "\0" * 80):
        path.write_text(text)
        with pytest.raises(OSError, match="damaged"):
            journal.read(path)
    path.write_text("")
    assert journal.read(path) is None
