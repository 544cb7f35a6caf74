"""``logs``: all of it, in order, from either stream, however it comes."""

from __future__ import annotations

import json
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl_tui.job_output import CHUNK, LogText, chunks, tail_offset
from queuectl_tui.text import escape_lines
from store import AttemptState, Lease, Outcome, Output, Stream
from store.queue import Queue
from tests.cli.conftest import Cli, Program, claimed, ended, eventually, next_line, one_error, ran

Ok = Callable[..., str]


class Bytes:
    """An ``OutputView`` of bytes that counts what is read of it."""

    live = False
    missing = 0

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bytes_read = 0

    def size(self) -> int:
        return len(self.data)

    def gap(self) -> None:
        return None

    def read(self, offset: int, length: int) -> bytes:
        part = self.data[offset : offset + length]
        self.bytes_read += len(part)
        return part


# -- Text and tails


_BYTES = st.lists(st.sampled_from([bytes([byte]) for byte in b"a\r\n\x1b\xe6\x97\xa5\xff"]))


@given(_BYTES.map(b"".join), st.lists(st.integers(0, 12), max_size=5))
def test_text_is_the_same_in_any_chunks(data: bytes, cuts: list[int]) -> None:
    text = LogText()
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[start:end] for start, end in pairwise(edges)]

    shown = "".join(text.feed(part) for part in parts) + text.feed(b"", last=True)

    assert shown == escape_lines(data.decode("utf-8", "replace"))


@given(st.text("a\n", max_size=30), st.integers(0, 12))
def test_the_tail_is_the_last_lines(text: str, lines: int) -> None:
    data = text.encode()
    wanted = b"".join(data.splitlines(keepends=True)[-lines:]) if lines else b""

    assert data[tail_offset(Bytes(data), lines) :] == wanted


@pytest.mark.parametrize("lines", [1, 3, 1000, 20_000, 10**6])
def test_the_tail_of_a_long_output(lines: int) -> None:
    data = b"".join(b"line %d\n" % number for number in range(100_000))
    view = Bytes(data)

    assert data[tail_offset(view, lines) :] == b"".join(data.splitlines(keepends=True)[-lines:])
    assert view.bytes_read <= lines * 12 + CHUNK + 1


def test_chunks_end_where_the_output_ended_when_it_was_asked() -> None:
    view = Bytes(b"x" * (CHUNK * 2 + 5))
    seen = []
    for chunk in chunks(view, dropped=print):
        view.data += b"more"
        seen.append(chunk)

    assert b"".join(seen) == b"x" * (CHUNK * 2 + 5)


# -- Without --follow


@pytest.fixture
def printed(ok: Ok, queue: Queue) -> None:
    """A job with two attempts."""
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    ran(queue, state=AttemptState.FAILED, exit_code=3, stdout=b"first\n", stderr=b"oops\n")
    ok("retry", "a")
    ran(queue, stdout=b"one\ntwo\nthree\n", stderr=b"warn 1\nwarn 2\n")


@pytest.mark.usefixtures("printed")
def test_stdout_then_stderr_on_a_stream_of_its_own(cli: Cli) -> None:
    result = cli("logs", "a")

    assert result.exit_code == 0
    assert result.stdout == "one\ntwo\nthree\n"
    assert result.stderr == "── stderr of a ──\nwarn 1\nwarn 2\n"


@pytest.mark.usefixtures("printed")
@pytest.mark.parametrize(
    ("words", "out", "err"),
    [
        (("--stdout",), "one\ntwo\nthree\n", ""),
        (("--stderr",), "warn 1\nwarn 2\n", ""),
        (("--attempt", "1", "--stdout"), "first\n", ""),
        (("--attempt", "1", "--stderr"), "oops\n", ""),
        (("--tail", "1"), "three\n", "── stderr of a ──\nwarn 2\n"),
        (("--tail", "0", "--stdout"), "", ""),
        (("--follow", "--stdout"), "one\ntwo\nthree\n", ""),
        (
            ("--follow", "--attempt", "1", "--stdout"),
            "first\none\ntwo\nthree\n",
            "── attempt 2 of a ──\n",
        ),
        (("-n", "1", "--follow"), "three\n", "warn 2\n"),
        (("--follow", "--tail", "1"), "three\n", "warn 2\n"),
    ],
)
def test_parts(words: tuple[str, ...], out: str, err: str, cli: Cli) -> None:
    result = cli("logs", "a", *words)

    assert (result.exit_code, result.stdout, result.stderr) == (0, out, err)


@pytest.mark.usefixtures("printed")
def test_as_json(ok: Ok) -> None:
    assert json.loads(ok("logs", "a", "--json", "--tail", "2")) == {
        "id": "a",
        "stdout": "two\nthree\n",
        "stderr": "warn 1\nwarn 2\n",
    }


@pytest.mark.usefixtures("printed")
@pytest.mark.parametrize(
    ("words", "exit_code", "error"),
    [
        (("--attempt", "3"), 1, "attempt 3"),
        (("--attempt", "3", "--follow"), 1, "attempt 3"),
        (("--attempt", "0"), 2, "--attempt"),
        (("--attempt", "9223372036854775808"), 2, "--attempt"),
        (("--tail", "9223372036854775808"), 2, "--tail"),
        (("b",), 2, "only --follow prints several"),
        (("b", "--follow", "--attempt", "1"), 2, "--attempt goes with one id"),
        (("--follow", "--json"), 2, "not both"),
    ],
)
def test_refusals(words: tuple[str, ...], exit_code: int, error: str, cli: Cli) -> None:
    result = cli("logs", "a", *words)

    assert result.exit_code == exit_code
    assert error in one_error(result)


def test_a_job_that_has_not_run(cli: Cli, ok: Ok) -> None:
    ok("enqueue", "--id", "a", "x")

    result = cli("logs", "a")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "not run yet" in one_error(result)


def test_bytes_as_they_are_or_escaped(program: Program, ok: Ok, queue: Queue) -> None:
    data = b"\x1b[31mred\xff\xe6\x97\xa5\r\nbar 1\rbar 2"
    ok("enqueue", "--id", "a", "x")
    ran(queue, stdout=data, stderr=data)

    raw = program.run("logs", "a", "--raw")
    assert raw.stdout == data
    assert raw.stderr.endswith(data)
    assert program.run("logs", "a", "--raw", "--follow").stdout == data
    assert ok("logs", "a", "--stdout") == "\\x1b[31mred\ufffd日\nbar 1\\rbar 2"


def kept(queue: Queue, lease: Lease, stream: Stream, data: bytes) -> None:
    path = queue.folders.scratch("w1", stream)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def test_a_long_output_is_never_in_memory(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue)
    kept(queue, lease, Stream.STDOUT, b"0123456789abcde\n" * (1 << 20))
    view = queue.output("a", None, Stream.STDOUT)
    tracemalloc.start()
    try:
        assert sum(map(len, chunks(view, dropped=print))) == 16 << 20
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


# -- With --follow


@dataclass
class Following:
    """``logs --follow`` as a process, read while it runs."""

    process: subprocess.Popen[bytes]

    def reads(self, line: bytes) -> None:
        assert next_line(self.process) == line

    def end(self) -> tuple[int, bytes, bytes]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def test_output_is_printed_as_it_arrives_through_all_attempts(
    program: Program, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "1", "--backoff-base", "1", "x")
    following = Following(program.start("logs", "a", "--follow"))
    first = claimed(queue)
    kept(queue, first, Stream.STDOUT, b"one\n")
    following.reads(b"one\n")
    kept(queue, first, Stream.STDOUT, b"two\n\xe6\x97")
    following.reads(b"two\n")
    ended(
        queue,
        first,
        state=AttemptState.FAILED,
        exit_code=1,
        stdout=b"one\ntwo\n\xe6\x97\xa5 tail",
        stderr=b"oops",
    )
    queue.folders.scratch("w1", Stream.STDOUT).unlink()
    ok("retry", "a")
    second = claimed(queue)
    kept(queue, second, Stream.STDOUT, b"again\n")
    following.reads("日 tailagain\n".encode())
    ended(queue, second, stdout=b"again\nlast", stderr=b"warn\n")

    code, out, err = following.end()

    assert (code, out) == (0, b"last")
    assert err.decode() == "oops── attempt 2 of a ──\nwarn\n"


def test_a_long_output_at_the_very_end_is_printed_whole(
    program: Program, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue)
    kept(queue, lease, Stream.STDOUT, b"begun\n")
    following = Following(program.start("logs", "a", "-f"))
    following.reads(b"begun\n")
    rest = b"0123456789abcde\n" * (5 * CHUNK // 16)
    ended(queue, lease, stdout=b"begun\n" + rest, stderr=rest)

    assert following.end() == (0, rest, rest)


def test_follow_ends_with_the_job(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    following = Following(program.start("logs", "a", "-f"))
    ran(queue, state=AttemptState.FAILED, exit_code=3, stdout=b"x\n")

    assert following.end()[:2] == (1, b"x\n")


def test_follow_ends_with_a_job_that_never_ran(program: Program, ok: Ok) -> None:
    ok("enqueue", "--id", "a", "x")
    following = Following(program.start("logs", "a", "-f"))
    ok("cancel", "a")

    assert following.end() == (1, b"", b"")


def test_a_command_that_empties_its_output_begins_anew(
    program: Program, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue)
    kept(queue, lease, Stream.STDOUT, b"a long first line\n")
    following = Following(program.start("logs", "a", "-f"))
    following.reads(b"a long first line\n")
    queue.folders.scratch("w1", Stream.STDOUT).write_bytes(b"new\n")
    following.reads(b"new\n")
    ended(queue, lease, stdout=b"new\nend\n")

    assert following.end()[:2] == (0, b"end\n")


def test_enqueue_and_follow(program: Program, queue: Queue) -> None:
    following = Following(program.start("enqueue", "--follow", "--id", "a", "x"))
    following.reads(b"a\n")
    eventually(lambda: queue.count() == 1)
    ran(queue, stdout=b"out\n")

    assert following.end()[:2] == (0, b"out\n")


def test_lines_of_several_jobs_begin_with_whose_they_are(
    program: Program, ok: Ok, queue: Queue
) -> None:
    for name in ("a", "longer", "dies"):
        ok("enqueue", "--id", name, "--max-retries", "0", "x")
    following = Following(program.start("logs", "-f", "a", "longer", "dies", "a"))
    first = claimed(queue, "w1")
    second = claimed(queue, "w2")
    kept(queue, first, Stream.STDOUT, b"one\nhalf")
    following.reads(b"a      | one\n")
    queue.folders.scratch("w2", Stream.STDOUT).write_bytes(b"two\n")
    following.reads(b"longer | two\n")
    kept(queue, first, Stream.STDOUT, b" whole\n")
    following.reads(b"a      | half whole\n")
    ended(queue, first, stdout=b"one\nhalf whole\nno end", stderr=b"warn\n")
    following.reads(b"a      | no end\n")
    ended(queue, second, stdout=b"two\n")
    for worker in ("w1", "w2"):
        queue.folders.clear_scratch(worker)  # as workers do between two attempts
    ran(queue, state=AttemptState.FAILED, exit_code=3)

    assert following.end() == (1, b"", b"a      | warn\n")


def test_several_jobs_that_completed(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    ok("enqueue", "--id", "b", "x")
    ran(queue, stdout=b"1\n")
    ran(queue, stdout=b"2\n")

    done = program.run("logs", "-f", "a", "b")

    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == [b"a | 1", b"b | 2"]


@pytest.mark.parametrize("words", [(), ("a", "b"), ("-f", "--attempt", "1", "a", "b")])
def test_several_ids_are_only_followed(words: tuple[str, ...], cli: Cli) -> None:
    assert cli("logs", *words).exit_code == 2


def test_what_was_ended_with_the_command_is_told(queue: Queue, ok: Ok, cli: Cli) -> None:
    ok("enqueue", "--id", "a", "server &")
    lease = claimed(queue)
    queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, tree_empty=False))
    queue.settle(lease, {stream: Output(0, b"") for stream in Stream}, children_ended=2)
    told = cli("logs", "a").stderr
    assert told == "── left 2 running when it exited; ended, for want of --keep-children ──\n"
    (attempt,) = json.loads(ok("show", "a", "--json"))["history"]
    assert attempt["children_ended"] == 2


# -- What isn't there any more


def test_a_missing_output_is_said_to_be(cli: Cli, ok: Ok, queue: Queue, tmp_path: Path) -> None:
    ok("enqueue", "--id", "big", "x")
    lease = claimed(queue)
    queue.folders.kept(lease.attempt_id, Stream.STDOUT).write_bytes(b"x" * 50_000)
    ended_with = Outcome(
        AttemptState.COMPLETED, 0, stdout=Output(50_000), stderr=Output(4, b"oh\n\n")
    )
    queue.finish(lease, ended_with)
    copy = tmp_path / "copy" / "queue.db"
    copy.parent.mkdir(mode=0o700)
    bare = copy.with_name("bare.db")

    assert cli("backup", str(copy)).stderr == f"Copied to {copy}, with 1 large output\n"
    told = cli("backup", "--without-outputs", str(bare)).stderr
    assert told == f"Copied to {bare}, without 1 large output\n"

    assert ok("--db", str(copy), "logs", "big", "--stdout") == "x" * 50_000
    missing = "attempt 1 of job big: stdout (48.8 KB) is not in this store: removed"
    for words in ((), ("--stdout",), ("--json",), ("--follow",)):
        result = cli("--db", str(bare), "logs", "big", *words)
        assert (result.exit_code, one_error(result).startswith(missing)) == (1, True)
    assert json.loads(cli("--db", str(bare), "logs", "big", "--json").stdout) == {
        "id": "big",
        "stdout": None,
        "stderr": "oh\n\n",
    }
    assert ok("--db", str(bare), "logs", "big", "--stderr") == "oh\n\n"

    checks = json.loads(ok("--db", str(bare), "doctor", "--json"))["checks"]
    (outputs,) = [check for check in checks if check["check"] == "outputs"]
    assert (outputs["result"], outputs["detail"]) == ("note", "1 large output is missing")


def test_an_output_that_was_dropped_is_said_to_be(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    ran(queue, stdout=b"hello\n" * 1000)
    queue.settings.set("keep_output", "1K")
    queue.prune()

    result = cli("logs", "a")

    assert (result.exit_code, result.stdout) == (1, "")
    assert one_error(result).startswith("attempt 1 of job a: stdout (5.9 KB) is not in this store")
