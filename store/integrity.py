"""What is wrong with a store: what SQLite and the system say, and pages that are damaged."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from store.errors import (
    Interrupted,
    QueueError,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    StoreUnusable,
)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Database and file-system errors as the one family that callers know."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(path) from error
        raise StoreUnusable(f"cannot use {path}: {error.strerror or error}") from error


def is_locked(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _explain(error: sqlite3.Error, path: Path) -> QueueError:
    text = str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return Interrupted("the reading was given up")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return busy(path)
    if code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and free_space(path.parent) < 65536
    ):
        return full(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, text)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StoreUnusable(f"{path} cannot be opened for writing ({text})")
    return StoreUnusable(f"{path}: {text}")


def busy(path: Path) -> StoreBusy:
    return StoreBusy(f"{path} is locked by another process; nothing was changed, try again")


def full(path: Path) -> StoreFull:
    return StoreFull(f"disk full: no room for {path}; nothing was changed. Free some space")


def free_space(folder: str | Path) -> int:
    try:
        figures = os.statvfs(folder)
    except OSError:
        return 1 << 62
    return figures.f_bavail * figures.f_frsize


def check_integrity(path: Path) -> None:
    """Look at every page without changing one. Raises ``StoreUnusable`` when one is damaged."""
    log = Path(f"{path}-wal")
    if not log.exists():  # nobody has it open, so nothing needs to be left beside it
        try:
            _check_pages(path, "mode=ro&immutable=1")
            return
        except StoreUnusable:
            if not log.exists():
                raise  # otherwise somebody began to write meanwhile
    _check_pages(path, "mode=ro")


def _check_pages(path: Path, how: str) -> None:
    with translated(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        try:
            first = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    if first != "ok":
        raise damaged(path, first.replace("\n", " "))


def damaged(path: Path, how: str) -> StoreDamaged:
    return StoreDamaged(
        f"{path} is damaged or no database ({how}); it was not touched. Restore a backup, or save "
        "what is left into a new file with: sqlite3 OLD .recover | sqlite3 NEW"
    )
