"""What was last known to be on disk, noted beside the store.

SQLite takes a log that was cut, lost or damaged for one that ended there, and says nothing. So who
syncs notes how far the store had come: how often jobs had changed their state, how long the file
was, and how far the log reached. The note is written after the sync and never synced itself, so
that it may be old, but never ahead of the disk, whatever is killed when.
"""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from store.errors import StoreBehind, StoreUnusable
from store.integrity import damaged

_WIDTH = 256  # bytes; overwritten in place
_LOG_HEADER, _FRAME_HEADER = 32, 24
_LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_PRIME = 4294967291
_HOW_FAR = """
    SELECT (SELECT value FROM meta WHERE name = 'store_id'),
        (SELECT coalesce(sum(changes), 0) FROM job_count)
        + coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'changes'), 0)
"""


class HowFar(NamedTuple):
    """``changes`` counts the states that jobs have had, over the store's life; it only grows."""

    store_id: str
    changes: int


class Whole(NamedTuple):
    """A database file that held all there was: its inode, and its size in bytes."""

    inode: int
    size: int


class Log(NamedTuple):
    """How far the log reached, in bytes; ``salts`` tell it from those before and after."""

    salts: str
    size: int


_NOTHING = Whole(0, 0)
_NO_LOG = Log("-", 0)


class Mark(NamedTuple):
    """What was on disk ``at`` a time in UTC milliseconds."""

    how_far: HowFar
    whole: Whole
    log: Log
    at: int


class Synced:
    """The note of one store, in the folder beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = f"{path}-wal"
        self._mark_path = f"{path}.d/synced"
        self._whole = _NOTHING

    def require_not_behind(self, *, at_rest: bool = False) -> None:
        """Look before SQLite does, changing nothing. Raises ``StoreBehind``, ``StoreUnusable``.

        ``at_rest``: into the file too where no log is beside it, which can be told later as well.
        """
        mark = self.noted()
        if not _size(self._log_path):
            self.is_whole()
            if at_rest:
                self._look_inside(mark)
            return
        if not _size(self._path):
            raise StoreBehind(
                f"{self._path} is empty, though a log stands beside it; it was not touched. "
                f"Restore a backup, or start anew: {_ACCEPT}"
            )
        if mark is not None:
            self._require_lengths(mark)
            self._look_inside(mark)

    def require_reached(self, reached: HowFar, mark: Mark | None) -> None:
        """Raises ``StoreBehind`` when the store had come further than ``reached``.

        ``mark`` is what was noted before that was looked at: others go on meanwhile.
        """
        if mark is None:
            return
        is_smaller = self._whole.inode == mark.whole.inode and self._whole.size < mark.whole.size
        if mark.how_far.store_id != reached.store_id:
            self.forget()  # another store was put in its place
        elif mark.how_far.changes > reached.changes:
            raise self._behind(mark, "its log was lost or is damaged, or an old file was put back")
        elif self._whole != _NOTHING and is_smaller:
            self.forget()  # somebody had it vacuumed

    def is_whole(self) -> None:
        """The file holds everything by now, and is on disk."""
        with suppress(OSError):
            info = os.stat(self._path)
            self._whole = Whole(info.st_ino, info.st_size)

    def note(self, reached: HowFar, log: Log) -> None:
        """That much is on disk, for sure. What can't be noted is told to nobody."""
        before = self.noted()
        whole = self._whole if before is None else _longer(self._whole, before.whole)
        line = _line(Mark(reached, whole, log, time.time_ns() // 1_000_000))
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with suppress(OSError):
            fd = os.open(self._mark_path, flags, 0o600)
            try:
                os.pwrite(fd, line, 0)
            finally:
                os.close(fd)

    def log_end(self) -> Log:
        """How far the log reaches now."""
        return log_end(self._log_path)

    def forget(self) -> None:
        """Take the store as it is."""
        Path(self._mark_path).unlink(missing_ok=True)

    def accept(self) -> None:
        """Take the store as it is, though it is behind. A log without a file is laid aside."""
        if _size(self._log_path) and not _size(self._path):
            os.replace(self._log_path, f"{self._log_path}.left")
        self.forget()

    def _require_lengths(self, mark: Mark) -> None:
        log = log_end(self._log_path)
        is_same_log = log.salts == mark.log.salts
        is_same_file = is_same_log or mark.whole.inode == os.stat(self._path).st_ino
        if is_same_file and _size(self._path) < mark.whole.size:
            raise self._behind(mark, "the file was cut short")
        if is_same_log and log.size < mark.log.size:
            raise self._behind(mark, "its log was cut short or is damaged")

    def _look_inside(self, mark: Mark | None) -> None:
        """What is locked now, or of an older schema, is looked at by who opens it."""
        try:
            with closing(self._read_only()) as connection:
                reached = how_far(connection)
        except sqlite3.OperationalError:
            return
        except sqlite3.Error as error:
            raise damaged(self._path, str(error)) from error
        self.require_reached(reached, mark)

    def noted(self) -> Mark | None:
        """What was noted; ``None`` where nothing is that can be read."""
        with suppress(OSError):
            fd = os.open(self._mark_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                return _parsed(os.pread(fd, _WIDTH, 0))
            finally:
                os.close(fd)
        return None

    def _read_only(self) -> sqlite3.Connection:
        """A connection that leaves the log alone when it is closed, and makes none."""
        how = "mode=ro" if _size(self._log_path) else "mode=ro&immutable=1"
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?{how}", uri=True, timeout=0.2)

    def _behind(self, mark: Mark, how: str) -> StoreBehind:
        newest = 0
        with suppress(sqlite3.Error), closing(self._read_only()) as connection:
            newest = connection.execute("SELECT max(updated_at) FROM job").fetchone()[0] or 0
        since = f"since {_local(newest)}" if 0 < newest <= mark.at else "at any time"
        return StoreBehind(
            f"{self._path} is behind what was on disk at {_local(mark.at)}: {how}; it was not "
            f"touched. Jobs added {since} may be missing, and what ended {since} may run again. "
            f"Restore a backup, or go on with what there is: {_ACCEPT}"
        )


_ACCEPT = "queuectl-tui doctor --accept"


def how_far(connection: sqlite3.Connection) -> HowFar:
    """How far the store has come, by what it holds."""
    store_id, changes = connection.execute(_HOW_FAR).fetchone()
    return HowFar(store_id, changes)


def log_end(path: str) -> Log:
    """The end of the last commit in a write-ahead log.

    A log is written from its beginning again and again, with new salts each time, over the frames
    of before.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return _NO_LOG
    try:
        while True:
            header = os.pread(fd, _LOG_HEADER, 0)
            if len(header) < _LOG_HEADER or header[:4] not in _LOG_MAGIC:
                return _NO_LOG
            salts, frame = header[16:24], _FRAME_HEADER + int.from_bytes(header[8:12])
            count = _last_commit(fd, salts, frame, (os.fstat(fd).st_size - _LOG_HEADER) // frame)
            if os.pread(fd, _LOG_HEADER, 0) == header:  # else it was begun anew meanwhile
                return Log(salts.hex(), _LOG_HEADER + count * frame)
    finally:
        os.close(fd)


def _last_commit(fd: int, salts: bytes, frame: int, frames: int) -> int:
    """How many of ``frames`` are of this log, up to the last that ends a commit."""

    def head(at: int) -> bytes:
        return os.pread(fd, 16, _LOG_HEADER + at * frame)

    low, high = 0, frames
    while low < high:
        middle = (low + high) // 2
        if head(middle)[8:] == salts:
            low = middle + 1
        else:
            high = middle
    while low and head(low - 1)[4:8] == bytes(4):
        low -= 1
    return low


def _longer(mine: Whole, noted: Whole) -> Whole:
    """Of two sizes of the same file the larger one: a store's file never shrinks by itself."""
    if mine == _NOTHING or mine.inode == noted.inode:
        return max(mine, noted)
    return mine


def _line(mark: Mark) -> bytes:
    how, whole, log = mark.how_far, mark.whole, mark.log
    words = (how.store_id, how.changes, whole.inode, whole.size, log.salts, log.size, mark.at)
    text = " ".join(map(str, words))
    return f"{text} {_check(text)}".ljust(_WIDTH - 1).encode() + b"\n"


def _parsed(line: bytes) -> Mark | None:
    text, _, check = line.decode(errors="replace").rstrip().rpartition(" ")
    if not text or _check(text) != check:
        return None
    store_id, changes, inode, size, salts, log_size, at = text.split(" ")
    return Mark(
        HowFar(store_id, int(changes)),
        Whole(int(inode), int(size)),
        Log(salts, int(log_size)),
        int(at),
    )


def _check(text: str) -> str:
    return f"{int.from_bytes(text.encode()) % _PRIME:08x}"


def _size(path: Path | str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return 0
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error


def _local(at: int) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(at / 1000):%Y-%m-%d %H:%M:%S}"
