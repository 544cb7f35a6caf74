"""Who else may write where a store is. Whoever may, adds commands that run with its owner's rights.

A check and the opening that follows are two moments; what closes the time between them is that
nobody else may write to the folder, nor put another one in its place.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

from store.errors import StoreUnusable

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite reads and writes beside a database, by the endings of their names."""

_SUBFOLDERS = ("bells", "locks", "output", "scratch")
_JOURNAL = ".journal"  # which processes to take over, and to end
_MOST_LINKS = 40


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, for their owner alone, where they aren't there."""
    if folder.exists():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def require_own_place(folder: Path) -> None:
    """Raises ``StoreUnusable`` unless nobody else may make files in ``folder`` or replace it."""
    try:
        info = os.stat(folder)
        passed = list(_passed(folder))
    except OSError as error:
        raise StoreUnusable(f"cannot read the folder {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise StoreUnusable(f"{folder} is not a folder")
    if info.st_uid not in _trusted():
        raise StoreUnusable(
            f"the folder {folder} belongs to another user (uid {info.st_uid}); commands of a store "
            "run with your rights, so it must be yours"
        )
    _require_closed(folder, info)
    for path, passed_info in passed:
        _require_lasting(path, passed_info, folder)


def require_kind(path: Path, info: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """Raises ``StoreUnusable`` when ``path`` is a link, or is no file or folder as expected."""
    if stat.S_ISLNK(info.st_mode):
        raise StoreUnusable(f"{path} is a symbolic link; name the file itself")
    if not is_kind(info.st_mode):
        raise StoreUnusable(f"{path} is not what a store has there (file type is wrong)")


def require_private(path: Path, info: os.stat_result) -> None:
    """Raises ``StoreUnusable`` when ``path`` is another user's, or open to one."""
    if info.st_uid != os.geteuid():
        raise StoreUnusable(
            f"{path} belongs to another user (uid {info.st_uid}); run as that user, or name a "
            "store of your own with --db"
        )
    if info.st_mode & 0o077:
        raise StoreUnusable(
            f"{path} is open to other users (mode {stat.S_IMODE(info.st_mode):04o}); close it with "
            "chmod go-rwx"
        )


def require_own_beside(path: Path) -> None:
    """Raises ``StoreUnusable`` when what SQLite would read beside ``path`` isn't its owner's."""
    for ending in BESIDE:
        beside = Path(f"{path}{ending}")
        with contextlib.suppress(FileNotFoundError):
            _require_own(beside, os.lstat(beside), stat.S_ISREG)


def prepare_own_folder(folder: Path) -> None:
    """Make the folder of what is not rows, or see that all that acts from it is its owner's."""
    for made in (folder, *(folder / name for name in _SUBFOLDERS)):
        with contextlib.suppress(FileExistsError):
            os.mkdir(made, 0o700)
    require_own_folder(folder)


def require_own_folder(folder: Path) -> None:
    """Raises ``StoreUnusable`` when something in a store's folder isn't its owner's.

    What a job may have changed itself, its output, is not looked at: that is made anew, or only
    read.
    """
    for made in (folder, *(folder / name for name in _SUBFOLDERS)):
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(made)
            require_kind(made, info, stat.S_ISDIR)
            require_private(made, info)
    for path, info in _files(folder):
        _require_own(path, info, _is_file_or_bell)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What programs open in a store's folder, by name."""
    for part in ("", "bells", "locks", "scratch"):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder / part) as entries:
            for entry in entries:
                is_output = part == "scratch" and not entry.name.endswith(_JOURNAL)
                if is_output or (not part and entry.name in _SUBFOLDERS):
                    continue
                with contextlib.suppress(FileNotFoundError):  # its worker has just left
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _is_file_or_bell(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode)


def _require_own(path: Path, info: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(info.st_mode):
        raise StoreUnusable(
            f"{path} is no file of the store (file type is wrong); nothing was read. See who put "
            "it there, and move it away"
        )
    if info.st_uid != os.geteuid():
        raise StoreUnusable(
            f"{path} was put there by another user (uid {info.st_uid}); nothing was read. Move it "
            "away: what it holds would be run with your rights"
        )
    require_private(path, info)


# -- Folders


def _trusted() -> tuple[int, int, int]:
    """Users who can do everything here anyway: oneself, root, and whom the system belongs to,
    which in a container may be an unknown user."""
    return os.geteuid(), 0, os.stat("/").st_uid


def _require_closed(folder: Path, info: os.stat_result) -> None:
    way_out = f"make a folder of your own for it: mkdir -m 700 {quote(f'{folder}/queue')}"
    if info.st_mode & stat.S_IWOTH:
        close = "" if info.st_mode & stat.S_ISVTX else f"; or close it: chmod o-w {_name(folder)}"
        raise StoreUnusable(
            f"anybody may write to the folder {folder}, and so add commands that run as you; "
            f"{way_out}{close}"
        )
    if info.st_mode & stat.S_IWGRP and not _is_group_private(folder, info):
        raise StoreUnusable(
            f"others in group {_group_name(info.st_gid)} may write to the folder {folder}, and so "
            f"add commands that run as you; close it: chmod g-w {_name(folder)}; or {way_out}"
        )


def _require_lasting(path: Path, info: os.stat_result, folder: Path) -> None:
    """Nobody else may rename what lies on the way to ``folder``."""
    if info.st_uid not in _trusted():
        raise StoreUnusable(
            f"{path}, on the way to {folder}, belongs to another user (uid {info.st_uid}), who can "
            "put another folder in its place; choose a folder that only you can move"
        )
    if stat.S_ISLNK(info.st_mode) or info.st_mode & stat.S_ISVTX:
        return
    by_group = info.st_mode & stat.S_IWGRP and not _is_group_private(path, info)
    if info.st_mode & stat.S_IWOTH or by_group:
        who, mode = ("others of its group", "g-w") if by_group else ("anybody", "o-w")
        raise StoreUnusable(
            f"{who} may write to {path}, and so put another folder in the place of {folder}; close "
            f"it: chmod {mode} {_name(path)}; or choose another"
        )


def _passed(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every folder and link that a look-up of ``folder`` goes through, but those above one's home,
    which are the system's own affair, and ``folder`` itself."""
    home, end = os.path.realpath(os.path.expanduser("~")), os.path.realpath(folder)
    at, pending, links = "/", [*reversed(folder.parts[1:])], 0
    while True:
        if at != end and not (home != at and home.startswith(f"{at.rstrip('/')}/")):
            yield Path(at), os.lstat(at)
        if not pending:
            return
        step = os.path.normpath(os.path.join(at, pending.pop()))
        info = os.lstat(step)
        if stat.S_ISLNK(info.st_mode):
            links += 1
            if links > _MOST_LINKS:
                return  # the look-up itself fails
            yield Path(step), info
            target = Path(os.readlink(step))
            pending += reversed(target.parts[target.is_absolute() :])
            at = "/" if target.is_absolute() else at
        else:
            at = step


def _is_group_private(path: Path, info: os.stat_result) -> bool:
    """Whether the group is its owner's own, with nobody else in it, as OpenSSH judges."""
    import grp
    import pwd

    trusted = {*_trusted(), info.st_uid}
    if _has_access_list(path):  # its group bits tell the most that anybody on the list may do
        return False
    try:
        owner, group = pwd.getpwuid(info.st_uid), grp.getgrgid(info.st_gid)
    except KeyError:
        return False
    if owner.pw_gid != info.st_gid:
        return False
    uids = {user.pw_name: user.pw_uid for user in pwd.getpwall()}
    members = {uids.get(name) for name in group.gr_mem}
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_gid == info.st_gid}
    return members <= trusted


def _has_access_list(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except (AttributeError, OSError):
        return False


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _name(path: Path) -> str:
    return quote(str(path))
