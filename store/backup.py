"""A copy of a store: the database at one moment, and the large outputs that are files beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from store.database import Database
from store.errors import QueueError
from store.integrity import translated
from store.jobs import Stream
from store.output import Folders, in_files

_CHUNK = 1 << 20


def back_up(database: Database, target: Path, *, outputs: bool) -> int:
    """Copy everything into the new file ``target`` and, with ``outputs``, the new folder that a
    store there uses; how many large outputs there are.

    Raises ``QueueError`` when one of them exists. After an error nothing is left of the copy.
    """
    beside = target.with_name(target.name + ".d")
    for path in (target, beside):
        if os.path.lexists(path):
            raise QueueError(f"{path} exists already; name a new file")
    database.backup(target)
    with _removed_after_an_error(target, beside), translated(beside):
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            wanted = in_files(copy)
            if outputs and wanted:
                _copy_outputs(database, copy, Folders(beside), wanted)
        return len(wanted)


@contextmanager
def _removed_after_an_error(target: Path, beside: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _copy_outputs(
    database: Database, copy: sqlite3.Connection, into: Folders, wanted: list[tuple[int, Stream]]
) -> None:
    source = Folders(database.folder)
    into.outputs.parent.mkdir(0o700)
    into.outputs.mkdir(0o700)
    for attempt, stream in wanted:
        try:
            _copy_file(source.kept(attempt, stream), into.kept(attempt, stream))
        except FileNotFoundError:
            _take_from_store(database, copy, attempt, stream)


def _take_from_store(
    database: Database, copy: sqlite3.Connection, attempt: int, stream: Stream
) -> None:
    """The file went since the copy was made: into the store, or for good."""
    with database.look() as connection:
        row = connection.execute(
            f"SELECT {stream.value} FROM attempt WHERE id = ?", (attempt,)
        ).fetchone()
    if row is None or row[0] is not None:
        copy.execute(
            f"UPDATE attempt SET {stream.value} = ? WHERE id = ?",
            (b"" if row is None else row[0], attempt),
        )


def _copy_file(source: Path, target: Path) -> None:
    """Byte by byte, but for the holes, which stay holes. Raises ``FileNotFoundError``."""
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(reading).st_size
            os.ftruncate(writing, size)
            for begin, end in _filled(reading, size):
                _copy_range(reading, writing, begin, end)
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _filled(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that aren't holes."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, begin, os.SEEK_HOLE)
        except OSError:  # only a hole is left, or the file became shorter meanwhile
            return
        yield begin, min(at, size)


def _copy_range(reading: int, writing: int, begin: int, end: int) -> None:
    while begin < end and (data := os.pread(reading, min(_CHUNK, end - begin), begin)):
        begin += os.pwrite(writing, data, begin)
