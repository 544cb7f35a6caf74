"""What is wrong with a store: what SQLite and the system say, and pages that are damaged."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

from store.errors import (
    Interrupted,
    InvalidInput,
    QueueError,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    StoreUnusable,
)

APPLICATION_ID = 0x51435455  # "QCTU"
Value = TypeVar("Value")


class BadValue(ValueError):
    """A value in the store that can't be."""


def unpacked(
    read: Callable[[Any], Value], value: object, table: str, row: object, column: str
) -> Value:
    """What a ``value`` means. Raises ``BadValue``, which names where it stands."""
    try:
        return read(value)
    except (ValueError, TypeError, LookupError, InvalidInput) as error:
        raise BadValue(f"{column} of {table} {row} is {value!r:.80}, which cannot be") from error


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of the database and the file system, and of what is read from it, as the one family
    that callers know."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        _require_sound(error, path)
        raise
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(path) from error
        raise StoreUnusable(f"cannot use {path}: {error.strerror or error}") from error


def _require_sound(error: Exception, path: Path) -> None:
    """Raises ``StoreDamaged`` when the error came of what the store holds, not of the program."""
    if isinstance(error, (BadValue, JSONDecodeError)):
        raise _bad_value(path, str(error)) from error
    if not isinstance(error, UnicodeEncodeError):  # of what was looked for
        try:
            check_integrity(path)
        except StoreDamaged as damage:
            raise damage from error


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
    if text.startswith("Could not decode to UTF-8"):
        return _bad_value(path, text)
    return _unusable(path, text, code)


def _unusable(path: Path, text: str, code: int) -> StoreUnusable:
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
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection:
            first = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if first != "ok":
                raise damaged(path, first.replace("\n", " "))
            if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                _check_values(connection, path)
    except sqlite3.Error as error:
        raise _explain(error, path) from error


def _check_values(connection: sqlite3.Connection, path: Path) -> None:
    """What quick_check leaves out where it may not write: values that the schema rules out."""
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%CHECK%(%'")
    for table, sql in tables.fetchall():
        checks = _checks(sql)
        rows = f"FROM {table} NOT INDEXED WHERE NOT"
        bad = connection.execute(f"SELECT * {rows} ({' AND '.join(checks)}) LIMIT 1").fetchone()
        if bad is not None:
            broken = (c for c in checks if connection.execute(f"SELECT 1 {rows} {c}").fetchone())
            raise _bad_value(path, f"in row {bad[0]} of {table} this is not so: {next(broken)}")


def _checks(sql: str) -> list[str]:
    """The CHECK constraints of a table, each in its brackets."""
    found = []
    for match in re.finditer(r"CHECK\s*\(", sql):
        depth, at = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[at], 0)
            at += 1
        found.append(" ".join(sql[match.end() - 1 : at].split()))
    return found


def _bad_value(path: Path, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"{path} is damaged ({what}); it was not touched. Restore a backup, or set the value right "
        "with the program sqlite3"
    )


def damaged(path: Path, how: str) -> StoreDamaged:
    return StoreDamaged(
        f"{path} is damaged or no database ({how}); it was not touched. Restore a backup, or save "
        "what is left into a new file with: sqlite3 OLD .recover | sqlite3 NEW"
    )
