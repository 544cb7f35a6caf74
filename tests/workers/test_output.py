"""What commands print: kept whole, apart, readable while they run."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from store import JobState, Stream
from store.output import SMALL
from tests.workers.rig import Rig, gated, python, until


def big(size: int, letter: str = "x", to: int = 1) -> str:
    return f"head -c {size} /dev/zero | tr '\\0' {letter} >&{to}"


def kept(house: Rig, job_id: str, stream: Stream = Stream.STDOUT) -> bool:
    """Whether the last attempt's output rests in a file of its own."""
    return house.queue.folders.kept(house.history(job_id)[-1].id, stream).exists()


def test_the_two_streams_stay_apart(house: Rig) -> None:
    job = house.run("echo out; echo error >&2; echo more")

    assert house.output(job.id, Stream.STDOUT) == b"out\nmore\n"
    assert house.output(job.id, Stream.STDERR) == b"error\n"


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 300_000])
def test_a_small_output_is_in_the_store_and_a_larger_one_in_a_file(house: Rig, size: int) -> None:
    job = house.run(big(size))

    assert house.output(job.id) == b"x" * size
    assert house.history(job.id)[-1].stdout_bytes == size
    assert kept(house, job.id) is (size > SMALL)
    assert not kept(house, job.id, Stream.STDERR)


def test_one_jobs_output_never_shows_in_the_next(house: Rig) -> None:
    longer = house.run(f"{big(9000, 'a')}; {big(9000, 'a', to=2)}")
    shorter = house.run("echo b; echo b >&2")
    silent = house.run("true")
    large = house.run(big(SMALL * 2, "c"))
    after = house.run("echo d")

    for stream in Stream:
        assert house.output(longer.id, stream) == b"a" * 9000
        assert house.output(shorter.id, stream) == b"b\n"
        assert house.output(silent.id, stream) == b""
    assert house.output(large.id) == b"c" * SMALL * 2
    assert house.output(after.id) == b"d\n"


def test_scratch_files_serve_again_until_one_is_kept(house: Rig) -> None:
    which = python("import os; print(os.fstat(1).st_ino)")

    first = house.output(house.run(argv=which).id)
    second = house.output(house.run(argv=which).id)
    house.run(big(SMALL + 1))
    third = house.output(house.run(argv=which).id)

    assert first == second != third


def test_output_can_be_read_while_the_command_runs(house: Rig) -> None:
    job_id = house.add(f"echo one; {gated('live')}; echo two; {big(SMALL)}")
    until(lambda: house.queue.job(job_id).state is JobState.PROCESSING)
    view = house.queue.output(job_id, None, Stream.STDOUT)
    until(lambda: view.size() == 4)
    assert view.live
    assert view.read(0, 100) == b"one\n"
    assert view.read(4, 100) == b""

    house.open_gate("live")
    house.ended(job_id)

    assert view.size() == 8 + SMALL
    assert view.read(0, 8) == b"one\ntwo\n"
    assert view.read(SMALL, 100) == b"x" * 8
    assert not view.live


def test_bytes_that_are_no_text_are_kept_as_they_are(house: Rig) -> None:
    code = "import os; os.write(1, bytes(range(256))); os.write(2, b'\\xff\\x00\\xfe\\n'); exit(1)"

    job = house.run(argv=python(code), max_retries=0)

    assert house.output(job.id) == bytes(range(256))
    assert house.output(job.id, Stream.STDERR) == b"\xff\x00\xfe\n"
    assert job.last_error == "exit code 1: \ufffd\0\ufffd"


def test_a_command_may_truncate_its_own_output(house: Rig) -> None:
    job = house.run("echo a long line >&2; echo x > /dev/stderr; exit 1", max_retries=0)

    assert house.output(job.id, Stream.STDERR) == b"x\n"
    assert job.last_error == "exit code 1: x"


def test_an_error_ends_with_the_last_line_of_a_large_stderr(house: Rig) -> None:
    job = house.run(f"{big(SMALL * 2, to=2)}; echo >&2; echo the cause >&2; exit 5", max_retries=0)

    assert job.last_error == "exit code 5: the cause"
    assert kept(house, job.id, Stream.STDERR)


def test_each_attempt_keeps_its_own_output(house: Rig) -> None:
    line = "echo attempt $QUEUECTL_ATTEMPT; exit $((2 - QUEUECTL_ATTEMPT))"

    job = house.run(line, max_retries=1, backoff_base=1)

    assert job.state is JobState.COMPLETED
    for number in (1, 2):
        assert house.output(job.id, number=number) == f"attempt {number}\n".encode()


def test_what_an_earlier_worker_of_the_same_name_printed_is_not_shown(rig: Rig) -> None:
    """A store from a backup gives names again."""
    paths = [rig.queue.folders.scratch(f"w{n}", stream) for n in range(10) for stream in Stream]
    with ExitStack() as opened:
        writers = [opened.enter_context(path.open("wb", buffering=0)) for path in paths]
        for writer in writers:
            writer.write(b"secret")
        rig.start()
        job_id = rig.add(f"{gated()}; echo own")
        rig.reached(job_id, JobState.PROCESSING)
        for writer in writers:
            writer.write(b"more")
        assert rig.output(job_id) == rig.output(job_id, Stream.STDERR) == b""
    rig.open_gate()

    rig.ended(job_id)
    assert rig.output(job_id) == b"own\n"
    assert rig.output(job_id, Stream.STDERR) == b""
