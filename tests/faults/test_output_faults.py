"""Output that is too much, is no text, never ends its line, or goes away again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

import pytest

from store import JobState, Stream
from tests.faults.outside import Program
from tests.workers.rig import Rig, gated, python, until

LIMIT = 256 << 10
SLACK = 64 << 10
FLOOD = 5 << 30
DROPPED = re.compile(r"^… 5\.0 GB dropped \(output_limit\) …$", re.MULTILINE)


@pytest.fixture
def fast_rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig on a disk of memory, where there is room: what is tested is not the disk's speed."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and disk_usage(memory).free > 2 << 30
    with TemporaryDirectory(dir=memory if roomy else tmp_path) as folder:
        made = Rig(Path(folder))
        yield made
        made.close()


def test_a_flood_costs_no_more_than_the_limit(fast_rig: Rig) -> None:
    rig, program = fast_rig, Program(fast_rig.queue.url)
    rig.queue.settings.set("output_limit", f"{LIMIT}")
    rig.start()
    line = f"echo the head; head -c {FLOOD} /dev/zero; echo; echo the tail"

    job_id = rig.add(line, max_retries=0)
    until(lambda: rig.queue.job(job_id).state.finished, patience=100)

    assert rig.queue.job(job_id).state is JobState.COMPLETED
    (attempt,) = rig.history(job_id)
    assert attempt.stdout_bytes == FLOOD + len("the head\n\nthe tail\n")
    kept = rig.queue.folders.kept(attempt.id, Stream.STDOUT)
    assert kept.stat().st_blocks * 512 <= LIMIT + SLACK

    began_at = time.monotonic()
    printed = program.run("logs", job_id)
    raw = program.start("logs", job_id, "--raw")
    out, _ = raw.communicate(timeout=30)
    tail = program.run("logs", job_id, "--tail", "1")
    two = program.run("logs", job_id, "--tail", "2")
    followed = program.run("logs", job_id, "--follow")
    assert time.monotonic() - began_at < 15
    assert printed.stdout.startswith("the head\n")
    assert printed.stdout.endswith("\nthe tail\n")
    assert DROPPED.search(printed.stderr)
    assert LIMIT // 2 < len(out) < LIMIT + SLACK
    assert (tail.stdout, tail.stderr) == ("the tail\n", "")
    assert two.stdout.startswith(r"\x00")
    assert two.stdout.endswith(r"\x00" + "\nthe tail\n")
    assert DROPPED.search(two.stderr)
    assert followed.returncode == 0
    assert followed.stdout == printed.stdout
    assert DROPPED.search(followed.stderr)


def test_what_is_left_behind_cannot_flood_either(fast_rig: Rig) -> None:
    rig = fast_rig
    rig.queue.settings.set("output_limit", f"{LIMIT}")
    rig.queue.settings.set("stop_grace", "2")
    rig.start()

    flood = f"(trap '' TERM; touch deaf; exec head -c {FLOOD} /dev/zero)"
    job_id = rig.add(f"{flood} & until [ -e deaf ]; do sleep 0.01; done")
    rig.reached(job_id, JobState.COMPLETED)
    (attempt,) = rig.history(job_id)
    kept = rig.queue.folders.kept(attempt.id, Stream.STDOUT)
    most = 0

    def is_settled() -> bool:
        nonlocal most
        most = max(most, kept.stat().st_blocks * 512)
        return rig.history(job_id)[0].stdout_bytes == kept.stat().st_size > FLOOD // 50

    until(is_settled)
    assert most < FLOOD // 10
    assert kept.stat().st_blocks * 512 <= LIMIT + SLACK


def test_a_log_that_begins_anew_is_bounded_like_a_new_one(fast_rig: Rig) -> None:
    rig = fast_rig
    rig.queue.settings.set("output_limit", f"{LIMIT}")
    rig.start()
    script = (
        "import os, time\n"
        "for size in (100_000_000, 50_000_000):\n"
        "    os.ftruncate(1, 0)\n"
        "    os.write(1, bytes(size))\n"
        "    time.sleep(1.2)\n"
    )
    job = rig.run(argv=python(script), max_retries=0)
    kept = rig.queue.folders.kept(rig.history(job.id)[0].id, Stream.STDOUT)
    assert kept.stat().st_size == 50_000_000
    assert kept.stat().st_blocks * 512 <= LIMIT + SLACK


def test_a_flood_may_be_followed_while_it_comes(rig: Rig, program: Program) -> None:
    rig.queue.settings.set("output_limit", f"{LIMIT}")
    rig.start()
    line = f"echo the head; {gated()}; yes drop | head -c 60000000; echo; echo the tail"
    job_id = rig.add(line, max_retries=0)
    rig.reached(job_id, JobState.PROCESSING)

    with program.start("logs", job_id, "--follow") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"the head\n"
        rig.open_gate()
        out, _ = following.communicate(timeout=60)

    assert following.returncode == 0
    assert re.fullmatch(rb"[drop\n]*\nthe tail\n", out)


def test_a_line_without_end(rig: Rig, program: Program) -> None:
    rig.start()
    size = 3_000_000
    job = rig.run(
        f"head -c {size} /dev/zero | tr '\\0' x; head -c {size} /dev/zero >&2; exit 1",
        max_retries=0,
    )

    assert job.state is JobState.DEAD
    assert job.last_error is not None
    assert len(job.last_error) < 2000
    assert program.run("logs", job.id, "--stdout").stdout == "x" * size
    assert program.run("logs", job.id, "--stdout", "--tail", "1").stdout == "x" * size
    assert program.run("show", job.id).returncode == 0
    assert program.run("list").returncode == 0


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (r"bytes(range(256))", None),
        (r"b'\xff\xfe\n'", "\ufffd\ufffd\n"),
        (r"b'caf\xc3'", "caf\ufffd"),
        (r"b'\xed\xa0\x80\n'", "\ufffd\ufffd\ufffd\n"),
        (r"b'\x1b]0;title\x07\x9b2J\n'", "\\x1b]0;title\\x07\ufffd2J\n"),
        (r"b'\xc2\x9b2J\n'", "\\x9b2J\n"),
    ],
)
def test_bytes_that_are_no_text(rig: Rig, program: Program, code: str, printed: str | None) -> None:
    rig.start()
    job = rig.run(argv=python(f"import os; os.write(1, {code})"))
    said = program.run("logs", job.id).stdout

    if printed is not None:
        assert said == printed
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said)
    with program.start("logs", job.id, "--raw") as raw:
        out, _ = raw.communicate(timeout=30)
    assert out == eval(code)  # the test's own literal


def test_output_that_shrinks_while_it_is_followed(rig: Rig, program: Program) -> None:
    rig.start()
    job_id = rig.add(
        f"echo a line that is rather long; {gated('first')}; : > /proc/self/fd/1; echo short; "
        f"{gated('second')}; echo last"
    )
    rig.reached(job_id, JobState.PROCESSING)

    with program.start("logs", job_id, "--follow") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"a line that is rather long\n"
        rig.open_gate("first")
        assert following.stdout.readline() == b"short\n"
        rig.open_gate("second")
        out, _ = following.communicate(timeout=30)

    assert (following.returncode, out) == (0, b"last\n")
    assert rig.output(job_id) == b"short\nlast\n"


def test_output_files_are_named_by_rows_alone(rig: Rig) -> None:
    rig.start()
    job = rig.run("head -c 100000 /dev/zero", id="a..b:c-d", label="../../etc", queue="q.x")

    (attempt,) = rig.history(job.id)
    assert os.listdir(rig.queue.folders.kept(0, Stream.STDOUT).parent) == [f"{attempt.id}.stdout"]
