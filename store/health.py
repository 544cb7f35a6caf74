"""Is this store sound? Questions that need no process and change nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from store import privacy
from store.database import file_system, is_network, parse_url, require_store, require_usable
from store.errors import NoStore, QueueError
from store.integrity import check_integrity
from store.queue import Queue
from store.synced import Synced

_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
_CLOCK_TOLERANCE_MS = 60_000


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``advice`` says what to do, where something is to be done."""

    check: str
    verdict: Verdict
    detail: str
    advice: str | None = None


def examine_file(url: str) -> Iterator[Finding]:
    """What can be said of a store unopened; of one that others may reach, no more than that.

    Raises ``StoreUnusable`` when ``url`` is no address.
    """
    path = parse_url(url)
    for look in (_place, _folder, _modes, _privacy, _synced):
        finding = look(path)
        yield finding
        if finding.verdict is Verdict.PROBLEM:
            return
    try:
        check_integrity(path)
    except QueueError as error:
        yield Finding("integrity", Verdict.PROBLEM, str(error))
    else:
        yield Finding("integrity", Verdict.OK, f"every page of {path} is sound")
    yield _file_system(path)
    yield _sqlite()


def accept_as_it_is(url: str) -> None:
    """Go on with a store that is behind what was on disk. Raises ``StoreUnusable``."""
    path = parse_url(url)
    require_usable(path)
    Synced(path).accept()


def examine_store(queue: Queue) -> Iterator[Finding]:
    """What an open store tells of its clock and the room it has."""
    newest = max((job.updated_at for job in queue.jobs(limit=100)), default=0)
    ahead = newest - queue.now()
    if ahead > _CLOCK_TOLERANCE_MS:
        yield Finding(
            "clock",
            Verdict.PROBLEM,
            f"the store was written {ahead / 1000:.0f}s in the future",
            "set this machine's clock; delayed jobs and retries wait for it",
        )
    else:
        yield Finding("clock", Verdict.OK, "the clock is not behind the store")
    free, wanted = queue.free_space(), int(queue.settings.values()["min_free_space"])
    detail = f"{free >> 20} MiB free, {wanted >> 20} MiB needed to start jobs"
    if free < wanted:
        advice = "free some space, or lower min_free_space"
        yield Finding("free space", Verdict.PROBLEM, detail, advice)
    else:
        yield Finding("free space", Verdict.OK, detail)
    yield _outputs(queue.missing_outputs())


def _outputs(missing: int) -> Finding:
    if not missing:
        return Finding("outputs", Verdict.OK, "every large output is there")
    detail = f"{missing} large output{' is' if missing == 1 else 's are'} missing"
    advice = "the jobs are unharmed; a backup made with --without-outputs leaves them out"
    return Finding("outputs", Verdict.NOTE, detail, advice)


def _place(path: Path) -> Finding:
    try:
        if not os.path.lexists(path):
            raise NoStore(path)
        require_store(path, os.lstat(path))
    except QueueError as error:
        return Finding("store", Verdict.PROBLEM, str(error))
    return Finding("store", Verdict.OK, str(path))


def _folder(path: Path) -> Finding:
    try:
        privacy.require_own_place(path.parent)
    except QueueError as error:
        return Finding("folder", Verdict.PROBLEM, str(error))
    return Finding("folder", Verdict.OK, "nobody else may write to it")


def _privacy(path: Path) -> Finding:
    try:
        require_usable(path)
        privacy.require_own_folder(Path(f"{path}.d"))
    except QueueError as error:
        return Finding("privacy", Verdict.PROBLEM, str(error))
    return Finding("privacy", Verdict.OK, "no file is another user's")


def _modes(path: Path) -> Finding:
    wide = [str(made) for made in _files(path) if _is_open_to_others(made)]
    if not wide:
        return Finding("modes", Verdict.OK, "every file is for its owner alone")
    detail = f"open to other users: {', '.join(wide[:3])}"
    return Finding("modes", Verdict.PROBLEM, detail, "chmod -R go-rwx them")


def _synced(path: Path) -> Finding:
    try:
        Synced(path).require_not_behind(at_rest=True)
    except QueueError as error:
        return Finding("synced", Verdict.PROBLEM, str(error))
    return Finding("synced", Verdict.OK, "nothing that was on disk is known to be missing")


def _files(path: Path) -> Iterator[Path]:
    for made in (path, *(Path(f"{path}{end}") for end in (*privacy.BESIDE, ".d"))):
        if made.exists():
            yield made
    yield from Path(f"{path}.d").rglob("*")


def _is_open_to_others(path: Path) -> bool:
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return False
    is_own = info.st_uid == os.geteuid() and not stat.S_ISLNK(info.st_mode)
    return is_own and bool(info.st_mode & 0o077)


def _file_system(path: Path) -> Finding:
    kind = file_system(path.parent)
    if is_network(kind):
        advice = "move the store to a local disk: SQLite cannot lock safely over a network"
        return Finding("file system", Verdict.PROBLEM, f"{kind}, over a network", advice)
    return Finding("file system", Verdict.OK, kind or "this system doesn't tell its type")


def _sqlite() -> Finding:
    low, high = _WAL_RESET_BUG
    detail = f"SQLite {sqlite3.sqlite_version}"
    if low <= sqlite3.sqlite_version_info <= high:
        detail += " has the rare WAL-reset bug; checkpoints here go through the write gate"
        return Finding("sqlite", Verdict.NOTE, detail, "3.51.3 and newer don't have it")
    return Finding("sqlite", Verdict.OK, detail)
