"""A backup: the database and the large outputs beside it, whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import store.backup
from store import AttemptState, JobFilter, Lease, Outcome, Output, QueueError, Stream, open_store
from store.database import Database
from store.queue import Queue

from .steps import add, claim

HOLE = (1 << 20, 64 << 20)


def printed(queue: Queue, job_id: str, data: bytes, *, held: bool = False) -> Lease:
    """The job has run, and its stdout was so large that it became a file."""
    add(queue, job_id)
    lease = claim(queue)
    kept = queue.folders.kept(lease.attempt_id, Stream.STDOUT)
    kept.write_bytes(data)
    kept.chmod(0o600)
    outcome = Outcome(AttemptState.COMPLETED, exit_code=0, stdout=Output(len(data)))
    queue.finish(lease, outcome._replace(tree_empty=not held))
    return lease


def read(queue: Queue, job_id: str) -> bytes:
    return queue.output(job_id, None, Stream.STDOUT).read(0, 1 << 30)


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_large_outputs_come_along(queue: Queue, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    printed(queue, "a", data)
    printed(queue, "b", data[::-1])
    target = tmp_path / "copy" / "queue.db"
    target.parent.mkdir(0o700)

    assert queue.backup(target) == 2

    assert {oct(path.stat().st_mode & 0o777) for path in target.parent.rglob("*")} == {
        "0o600",
        "0o700",
    }
    copy = open_store(str(target), create=False)
    assert (read(copy, "a"), read(copy, "b")) == (data, data[::-1])
    assert copy.missing_outputs() == 0
    copy.close()
    assert read(queue, "a") == data


def test_holes_stay_holes(queue: Queue, tmp_path: Path) -> None:
    lease = printed(queue, "a", b"head")
    source = queue.folders.kept(lease.attempt_id, Stream.STDOUT)
    with source.open("r+b") as file:
        file.seek(HOLE[1])
        file.write(b"tail")
    target = tmp_path / "copy.db"

    queue.backup(target)

    copied = tmp_path / "copy.db.d" / "output" / source.name
    assert copied.stat().st_size == source.stat().st_size == HOLE[1] + 4
    assert copied.read_bytes() == source.read_bytes()
    assert copied.stat().st_blocks * 512 < 1 << 20


def test_outputs_can_be_left_out_and_are_then_missing(queue: Queue, tmp_path: Path) -> None:
    printed(queue, "a", b"x" * 50_000)
    target = tmp_path / "copy.db"

    assert queue.backup(target, outputs=False) == 1

    copy = open_store(str(target), create=False)
    assert copy.output("a", None, Stream.STDOUT).missing == 50_000
    assert copy.output("a", None, Stream.STDERR).missing == 0
    assert (copy.missing_outputs(), queue.missing_outputs()) == (1, 0)
    copy.close()


@pytest.mark.parametrize("taken", ["copy.db", "copy.db.d"])
def test_what_is_there_is_refused_and_stays(taken: str, queue: Queue, tmp_path: Path) -> None:
    printed(queue, "a", b"x" * 50_000)
    (tmp_path / taken).mkdir()
    before = everything_in(tmp_path)

    for outputs in (True, False):
        with pytest.raises(QueueError, match=f"{taken} exists already"):
            queue.backup(tmp_path / "copy.db", outputs=outputs)
        assert everything_in(tmp_path) == before


def test_nothing_stays_after_an_error(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        printed(queue, name, b"x" * 50_000)
    before = everything_in(tmp_path)
    written: list[int] = []

    def full(*_: object) -> None:
        written.append(1)
        if len(written) > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.backup, "_copy_range", full)

    with pytest.raises(QueueError, match="disk full"):
        queue.backup(tmp_path / "copy.db")

    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("how", ["settled", "dropped", "deleted"])
def test_what_goes_while_it_is_copied_is_not_missing(
    how: str, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"small\n" * 100
    lease = printed(queue, "a", data, held=how == "settled")
    copied = Database.backup

    def then_it_goes(database: Database, target: Path) -> None:
        copied(database, target)
        if how == "settled":
            outputs = {Stream.STDOUT: Output(len(data), data), Stream.STDERR: Output(0, b"")}
            queue.settle(lease, outputs)
        elif how == "dropped":
            queue.settings.set("keep_output", "1")
            queue.prune()
        else:
            queue.delete_matching(JobFilter())

    monkeypatch.setattr(Database, "backup", then_it_goes)
    target = tmp_path / "copy.db"

    queue.backup(target)

    copy = open_store(str(target), create=False)
    assert read(copy, "a") == (data if how == "settled" else b"")
    assert copy.missing_outputs() == 0
    copy.close()
    shutil.rmtree(tmp_path / "copy.db.d")
