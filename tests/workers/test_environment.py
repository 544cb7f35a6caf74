"""What a command finds when it starts: variables, folder, descriptors, session."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from store import JobState, Stream
from tests.workers.rig import Rig, python
from workers import processes


def test_the_jobs_own_variables_go_over_the_captured_ones_over_the_workers(rig: Rig) -> None:
    names = ("LAYER_WORKER", "LAYER_CAPTURED", "LAYER_JOB")
    rig.foreground(environ=dict.fromkeys(names, "worker"))

    job = rig.run(
        'echo "$LAYER_WORKER $LAYER_CAPTURED $LAYER_JOB"',
        captured_env=dict.fromkeys(names[1:], "captured"),
        env={"LAYER_JOB": "job"},
    )

    assert rig.output(job.id) == b"worker captured job\n"


def test_a_captured_path_finds_programs_and_virtual_env_is_seen(house: Rig) -> None:
    programs = house.folder / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "greet").write_text('#!/bin/sh\necho "from $VIRTUAL_ENV"\n')
    (programs / "greet").chmod(0o755)
    captured = {"PATH": f"{programs}:{os.environ['PATH']}", "VIRTUAL_ENV": str(programs.parent)}

    by_shell = house.run("greet", captured_env=captured)
    by_argv = house.run(argv=("greet",), captured_env=captured)

    expected = f"from {programs.parent}\n".encode()
    assert house.output(by_shell.id) == house.output(by_argv.id) == expected


def test_a_commands_timers_are_what_the_supervisor_was_given(house: Rig) -> None:
    job = house.run("cat /proc/self/timerslack_ns || true")

    slack = Path("/proc/self/timerslack_ns")
    assert house.output(job.id) == (slack.read_bytes() if slack.exists() else b"")


def test_a_command_knows_its_job(house: Rig) -> None:
    names = ("JOB_ID", "ATTEMPT", "QUEUE", "WORKER", "DB")
    line = "; ".join(f'echo "$QUEUECTL_{name}"' for name in names)

    job = house.run(line, id="known", env={"QUEUECTL_JOB_ID": "a lie"})

    (worker,) = house.crew()
    assert house.output(job.id).decode().splitlines() == [
        "known",
        "1",
        "default",
        worker.id,
        str(house.queue.path),
    ]


def test_the_marker_names_store_and_attempt(house: Rig) -> None:
    job = house.run(f'echo "${processes.MARKER}"')

    (attempt,) = house.history(job.id)
    assert house.output(job.id) == f"{house.queue.store_id}/{attempt.id}\n".encode()


def test_python_writes_unbuffered_unless_told_otherwise(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    rig.start()
    line = 'echo "<$PYTHONUNBUFFERED>"'

    plain = rig.run(line)
    told = rig.run(line, env={"PYTHONUNBUFFERED": ""})

    assert rig.output(plain.id) == b"<1>\n"
    assert rig.output(told.id) == b"<>\n"


def test_a_command_runs_in_its_folder(house: Rig) -> None:
    folder = house.folder / "with blanks and ü"
    folder.mkdir()

    job = house.run("pwd -P", cwd=str(folder))

    assert house.output(job.id).decode() == f"{folder.resolve()}\n"


def test_a_missing_folder_fails_the_attempt_with_its_name(house: Rig) -> None:
    folder = house.folder / "nowhere"

    job = house.run("echo never", cwd=str(folder), max_retries=0)

    assert job.state is JobState.DEAD
    assert job.last_error == f"working folder {folder} is missing"
    assert house.output(job.id) == b""


def test_a_missing_folder_is_retried_like_any_failure(house: Rig) -> None:
    folder = house.folder / "later"
    job_id = house.add("echo there", cwd=str(folder), max_retries=1, backoff_base=1)
    house.reached(job_id, JobState.FAILED)

    folder.mkdir()

    assert house.ended(job_id).state is JobState.COMPLETED


def test_an_argument_vector_meets_no_shell(house: Rig) -> None:
    words = ("$HOME", "*", "a  b", "; exit 1", "")

    job = house.run(argv=("printf", "[%s]", *words))

    assert house.output(job.id).decode() == "".join(f"[{word}]" for word in words)


@pytest.mark.parametrize(
    "job",
    [{"argv": ("no-such-program-anywhere", "x")}, {"command": "no-such-program-anywhere"}],
    ids=["argv", "shell"],
)
def test_a_missing_program_is_127(house: Rig, job: dict[str, Any]) -> None:
    ended = house.run(max_retries=0, **job)

    assert (ended.state, ended.exit_code) == (JobState.DEAD, 127)
    assert "no-such-program-anywhere" in (ended.last_error or "")


def test_a_missing_program_is_named(house: Rig) -> None:
    ended = house.run(argv=("no-such-program-anywhere", "x"), max_retries=0)

    assert ended.last_error == "no such program: no-such-program-anywhere"


@pytest.mark.parametrize("way", ["argv", "shell"])
def test_a_file_that_cannot_be_executed_is_126(house: Rig, way: str) -> None:
    path = house.folder / f"plain-{way}"
    path.write_text("echo never")
    path.chmod(0o644)

    job = {"argv": (str(path),)} if way == "argv" else {"command": str(path)}
    ended = house.run(max_retries=0, **job)

    assert (ended.state, ended.exit_code) == (JobState.DEAD, 126)
    assert str(path) in (ended.last_error or "")


def test_the_umask_is_the_users_and_the_store_stays_private(rig: Rig) -> None:
    rig.foreground(umask=0o027)

    job = rig.run("umask; : > made; head -c 40000 /dev/zero")

    assert rig.output(job.id).startswith(b"0027\n")
    assert stat.S_IMODE((rig.folder / "made").stat().st_mode) == 0o640
    beside = Path(f"{rig.queue.path}.d")
    for path in (rig.queue.path, *beside.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_standard_input_is_the_null_device(house: Rig) -> None:
    job = house.run("cat; echo end")
    assert house.output(job.id) == b"end\n"

    code = "import os; print(os.fstat(0).st_rdev == os.stat(os.devnull).st_rdev)"
    assert house.output(house.run(argv=python(code)).id) == b"True\n"


def test_a_command_leads_a_session_of_its_own(house: Rig) -> None:
    code = "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())"

    assert house.output(house.run(argv=python(code)).id) == b"True\n"


def test_a_command_inherits_no_descriptor(house: Rig) -> None:
    code = """
import os
for number in range(3, 256):
    try:
        os.fstat(number)
    except OSError:
        continue
    print(number)
"""

    assert house.output(house.run(argv=python(code)).id) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_command_inherits_no_ignored_or_blocked_signal(house: Rig) -> None:
    job = house.run("grep -E '^Sig(Blk|Ign):' /proc/self/status")

    masks = [line.split()[1] for line in house.output(job.id).decode().splitlines()]
    of_the_c_library = 0b11 << 31  # 32 and 33: glibc ignores them in what it spawns
    assert [int(mask, 16) & ~of_the_c_library for mask in masks] == [0, 0]


def test_the_shell_is_the_stores(house: Rig) -> None:
    house.queue.settings.set("shell", f"{sys.executable} -c")
    try:
        job = house.run("import sys; print('in python'); sys.exit(0)")
    finally:
        house.queue.settings.unset("shell")

    assert house.output(job.id, Stream.STDOUT) == b"in python\n"
