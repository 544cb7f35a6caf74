"""What an attempt printed, readable at any offset while it runs and ever after.

A running attempt writes into its worker's scratch file. When it ends, a small stream moves into the
store and the scratch file is used again; a large one becomes a file of its own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from store.errors import NoSuchJob
from store.integrity import unpacked
from store.jobs import Attempt, AttemptState, Stream

Read = TypeVar("Read")

SMALL = 32 * 1024  # bytes that go into the store rather than into a file


class Recorded(NamedTuple):
    """What the store knows of one stream of an attempt right now."""

    state: AttemptState
    worker: str
    size: int
    data: bytes | None


def recorded(connection: sqlite3.Connection, attempt_id: int, stream: Stream) -> Recorded:
    """Raises ``NoSuchJob`` when the attempt's job is there no more."""
    row = connection.execute(
        f"SELECT state, worker, coalesce({stream.value}_bytes, 0), {stream.value}"
        " FROM attempt WHERE id = ?",
        (attempt_id,),
    ).fetchone()
    if row is None:
        raise NoSuchJob("deleted meanwhile")
    state = unpacked(AttemptState, row[0], "attempt", attempt_id, "state")
    return Recorded(state, *row[1:])


def in_files(connection: sqlite3.Connection) -> list[tuple[int, Stream]]:
    """The outputs that are files, by the ids of their attempts, in their order."""
    found = connection.execute(
        " UNION ALL ".join(
            f"SELECT id, '{stream.value}' FROM attempt"
            f" WHERE {stream.value} IS NULL AND {stream.value}_bytes > 0"
            for stream in Stream
        )
    )
    return sorted((attempt, Stream(stream)) for attempt, stream in found)


def remove(files: Iterable[Path]) -> None:
    """Remove what can be of ``files``; do it once the store has forgotten them.

    That is committed then, so a file that can't be removed is left, and no error.
    """
    for path in files:
        with suppress(OSError):
            path.unlink()


class Folders:
    """Where output rests on disk. Names are made of row numbers, never of what people chose."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.outputs = folder / "output"

    def scratch(self, worker: str, stream: Stream) -> Path:
        """The file that a worker's running command writes to; ``worker`` is the store's own id."""
        return self._folder / "scratch" / f"{worker}.{stream.value}"

    def journal(self, worker: str) -> Path:
        """Where a worker notes what it is doing."""
        return self._folder / "scratch" / f"{worker}.journal"

    def clear_scratch(self, worker: str) -> None:
        """Remove what a worker that is gone left behind."""
        remove((self.journal(worker), *(self.scratch(worker, stream) for stream in Stream)))

    def kept(self, attempt_id: int, stream: Stream) -> Path:
        """Where a large output stays after its attempt."""
        return self.outputs / f"{attempt_id}.{stream.value}"

    def file(self, attempt: Attempt, stream: Stream) -> Path | None:
        """Where a stream of an attempt rests in a file; ``None``: in the store, or nowhere."""
        if attempt.state is AttemptState.RUNNING:
            path = self.scratch(attempt.worker, stream)
        else:
            path = self.kept(attempt.id, stream)
        return path if path.exists() else None


class OutputView(Protocol):
    """Random access to one stream; a live one grows, and may shrink."""

    @property
    def live(self) -> bool: ...

    @property
    def missing(self) -> int: ...

    def size(self) -> int: ...

    def gap(self) -> tuple[int, int] | None: ...

    def read(self, offset: int, length: int) -> bytes: ...


class StoredOutput:
    """An ``OutputView`` over whatever holds the stream at the moment of asking.

    ``look`` asks the store. Bytes from a scratch file count only if the attempt is still running
    after they were read: otherwise the file may already belong to the next one.
    """

    def __init__(
        self,
        look: Callable[[], Recorded],
        folders: Folders,
        attempt_id: int,
        stream: Stream,
    ) -> None:
        self._look = look
        self._folders = folders
        self._attempt_id = attempt_id
        self._stream = stream
        self._recorded = look()

    @property
    def live(self) -> bool:
        return self._recorded.state is AttemptState.RUNNING

    def size(self) -> int:
        if self.live:
            length = self._live(lambda fd: os.fstat(fd).st_size)
            self._recorded = self._look()
            if self.live:
                return length or 0
        if self._recorded.data is not None:
            return len(self._recorded.data)
        # What the attempt left behind may still be writing.
        kept = self._folders.kept(self._attempt_id, self._stream)
        return _from_file(kept, lambda fd: os.fstat(fd).st_size) or 0

    @property
    def missing(self) -> int:
        """How many bytes the attempt printed that aren't in this store any more.

        They were removed when there was too much output, or are left out of a backup.
        """
        if self._is_there():
            return 0
        self._recorded = self._look()  # the file may have moved just now
        return 0 if self._is_there() else self._recorded.size

    def _is_there(self) -> bool:
        if self.live or not self._recorded.size or self._recorded.data:
            return True
        kept = self._folders.kept(self._attempt_id, self._stream)
        return self._recorded.data is None and kept.exists()

    def gap(self) -> tuple[int, int] | None:
        """Where output was dropped for its volume: from, to. It reads as zeros, and may grow."""
        if self._recorded.data is not None:
            return None
        return self._live(_hole)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; ``b""`` at or past the end."""
        if self.live:
            data = self._live(lambda fd: os.pread(fd, length, offset))
            self._recorded = self._look()
            if self.live:
                return data or b""
        if self._recorded.data is not None:
            return self._recorded.data[offset : offset + length]
        kept = self._folders.kept(self._attempt_id, self._stream)
        return _from_file(kept, lambda fd: os.pread(fd, length, offset)) or b""

    def _live(self, read: Callable[[int], Read]) -> Read | None:
        """Ask the scratch file, or what it became: at the end it may be renamed into place."""
        value = _from_file(self._folders.scratch(self._recorded.worker, self._stream), read)
        if value is None:
            value = _from_file(self._folders.kept(self._attempt_id, self._stream), read)
        return value


def _hole(fd: int) -> tuple[int, int] | None:
    size = os.fstat(fd).st_size
    try:
        begin = os.lseek(fd, 0, os.SEEK_HOLE)
    except OSError:  # it is empty, or was emptied just now
        return None
    if begin >= size:
        return None
    try:
        return begin, os.lseek(fd, begin, os.SEEK_DATA)
    except OSError:  # nothing was written after it yet
        return begin, size


def _from_file(path: Path, read: Callable[[int], Read]) -> Read | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return read(fd)
    finally:
        os.close(fd)
