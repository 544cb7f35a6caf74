"""How a SQLite store is opened, locked and watched.

Beside the database ``queue.db`` stands the private folder ``queue.db.d`` with what is not rows: the
write gate, doorbells, locks of supervisors, scratch files and large outputs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from store import migrations, privacy
from store.errors import NoStore, QueueError, StoreUnusable
from store.integrity import (
    APPLICATION_ID,
    busy,
    check_integrity,
    free_space,
    full,
    is_locked,
    translated,
)
from store.synced import Synced, how_far

if TYPE_CHECKING:
    from store.models import Queries

MINIMUM_SQLITE = (3, 37, 0)  # STRICT tables; RETURNING is older
_MAGIC = b"SQLite format 3\x00"
_HEADER = 100  # bytes
_BUSY_MS = 200
_PAGE_SIZE = 2048  # bytes; a change writes ten pages or so, each of them whole
_LOOK_SOON, _LOOKS_SOON = 0.000005, 40  # seconds between the first so many looks of who is next
_LOOK_AT_GATE = 0.001  # seconds between other looks of who waits
_PRAGMAS = (
    "foreign_keys = 1",
    "cache_size = -8000",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 16000",  # pages; supervisors see to it sooner, and away from the writers
    "secure_delete = FAST",  # where pages are zeroed as they become free, pruning writes them all
    f"journal_size_limit = {16 << 20}",
)
_MOUNTINFO = Path("/proc/self/mountinfo")
_NETWORK = frozenset({"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre", "smbfs"})
_NETWORK_PREFIXES = ("nfs", "smb", "fuse.sshfs", "fuse.s3", "fuse.gluster", "fuse.rclone")
_in_use: WeakValueDictionary[tuple[int, int], Database] = WeakValueDictionary()
"""By device and inode. Who opens and closes such a file drops the locks that SQLite holds on it."""


class Database:
    """One SQLite file, a connection for each thread, one write at a time.

    ``durable`` chooses whether a commit waits for the disk (``synchronous=FULL``),
    ``patience`` how many seconds a writer waits for others. ``check`` looks at every page first.
    """

    def __init__(
        self, path: Path, *, create: bool, durable: bool, patience: float, check: bool = False
    ) -> None:
        self.path = path
        self.folder = path.with_name(path.name + ".d")
        self.bells = self.folder / "bells"
        self._place = os.fspath(path.parent)
        self._locks = tuple(os.fspath(self.folder / name) for name in ("turnstile", "gate"))
        self._patience = patience
        self._synchronous = "FULL" if durable else "NORMAL"
        if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
            raise StoreUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer needed")
        require_usable(path, create=create)
        self._durable = durable
        self._synced = Synced(path)
        self._synced.require_not_behind(at_rest=check)
        if check:
            check_integrity(path)
        self._of_thread = threading.local()
        self._transactions = count(1)
        with translated(path):
            version = self._version()
            privacy.prepare_own_folder(self.folder)
            if version != migrations.LATEST:
                self._migrate()
            self._keep_a_log()
            mark = self._synced.noted()
            reached = how_far(self.connection())
            self._synced.require_reached(reached, mark)
            self.store_id = reached.store_id
            info = os.stat(path)
        self.file = f"{info.st_dev}:{info.st_ino}"
        _in_use.setdefault((info.st_dev, info.st_ino), self)

    @cached_property
    def query(self) -> Queries:
        """What peewee queries are executed on."""
        from store.models import Queries

        return Queries(self.connection)

    def connection(self) -> sqlite3.Connection:
        """This thread's own connection, opened at first use."""
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            with translated(self.path):
                connection = self._connect()
            self._of_thread.connection = connection
        return connection

    def close(self) -> None:
        """Close this thread's own connection and locks."""
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()
        for lock in getattr(self._of_thread, "locks", ()):
            os.close(lock)
        self._of_thread.__dict__.clear()

    @contextlib.contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """For single statements that read, each of the moment that it is executed in."""
        with translated(self.path):
            yield self.connection()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view: everything read inside is of the same moment."""
        connection = self.connection()
        with translated(self.path):
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it is stored, or nothing.

        Raises ``StoreBusy`` when others hold the store for too long, ``StoreFull`` when the disk
        has no room.
        """
        connection = self.connection()
        deadline = time.monotonic() + self._patience
        with translated(self.path), self._through_gate(deadline):
            try:
                # Inside, since an interrupt may strike when the transaction is open already.
                _begin_immediate(connection, deadline)
                self._of_thread.transaction = next(self._transactions)
                yield connection
                _commit(connection, deadline)
                if self._durable:
                    self._note(connection)
            except BaseException:
                # After a full disk SQLite has rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._of_thread.transaction = None

    @property
    def transaction(self) -> int | None:
        """The number of this thread's open write transaction; no two have the same."""
        number: int | None = getattr(self._of_thread, "transaction", None)
        return number

    @staticmethod
    def give_way() -> None:
        """Between two of many writes, let others come to the turnstile: there it is chance."""
        time.sleep(1.5 * _LOOK_AT_GATE)

    def require_known_schema(self) -> None:
        """Raises ``StoreUnusable`` when the store was upgraded after it was opened."""
        with self.look() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > migrations.LATEST:
            raise StoreUnusable(
                "the store was upgraded by a newer queuectl-tui: quit, and start the new one "
                f"({self.path}: schema {version}, this one knows {migrations.LATEST})"
            )

    def data_version(self) -> int:
        """A number that moves when another connection has committed."""
        with self.look() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def sync_and_note(self) -> None:
        """The same as ``sync``, noted for those who open the store after a crash."""
        with translated(self.path):
            reached, log = how_far(self.connection()), self._synced.log_end()
            self.sync()
            self._synced.note(reached, log)

    def sync(self) -> None:
        """Put what is committed on disk, as a FULL commit would have done."""
        with translated(self.path), contextlib.suppress(FileNotFoundError):
            fd = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def free_space(self) -> int:
        """Bytes left where the store is."""
        return free_space(self._place)

    def backup(self, target: Path) -> None:
        """Copy everything into the new file ``target`` while others read and write."""
        from tempfile import TemporaryDirectory

        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise QueueError(f"{target} exists already; name a new file") from None
        except OSError as error:
            raise QueueError(f"cannot create {target}: {error.strerror}") from error
        try:
            # Where nobody else may put a journal beside it: the target's folder may be shared.
            with translated(target), TemporaryDirectory(dir=target.parent) as private:
                path = Path(private, target.name)
                self._copy_into(path)
                os.replace(path, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _copy_into(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
            self.connection().backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute(
                "UPDATE meta SET value = lower(hex(randomblob(8))) WHERE name = 'store_id'"
            )
            copy.execute("DELETE FROM worker")

    def checkpoint(self) -> int:
        """Move the write-ahead log into the database as far as readers allow, without waiting.

        Returns how many pages were in the log. Writers wait meanwhile; ``sync`` beforehand, for
        which they don't, leaves little to wait for.
        """
        connection = self.connection()
        with translated(self.path), self._through_gate(time.monotonic() + self._patience):
            _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages == moved:
                self._synced.is_whole()
                self._note(connection)
            return int(pages)

    def _note(self, connection: sqlite3.Connection) -> None:
        """Everything is on disk, and nobody else writes."""
        with contextlib.suppress(sqlite3.Error):
            self._synced.note(how_far(connection), self._synced.log_end())

    @contextlib.contextmanager
    def _through_gate(self, deadline: float) -> Iterator[None]:
        """Queue up in front of SQLite's lock, whose own waiting starves some of many writers.

        Who has the turnstile is the next through the gate: one that has just been inside must let
        in who waits.
        """
        turnstile, gate = self._own_locks()
        try:
            try:
                self._lock(turnstile, deadline)
                self._lock(gate, deadline, looks=_LOOKS_SOON)
            finally:
                fcntl.flock(turnstile, fcntl.LOCK_UN)
            yield
        finally:
            fcntl.flock(gate, fcntl.LOCK_UN)

    def _own_locks(self) -> tuple[int, int]:
        """Files opened by this thread: a lock belongs to all who share an open file."""
        locks: tuple[int, int] | None = getattr(self._of_thread, "locks", None)
        if locks is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            turnstile, gate = (os.open(path, flags, 0o600) for path in self._locks)
            self._of_thread.locks = locks = turnstile, gate
        return locks

    def _lock(self, fd: int, deadline: float, *, looks: int = 0) -> None:
        """The first ``looks`` follow closely: what a worker changes is soon done.

        Only one looks so often at a time; would all, they took the time from who is inside.
        """
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise busy(self.path) from None
                looks -= 1
                time.sleep(_LOOK_SOON if looks > 0 else _LOOK_AT_GATE)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            connection.create_function("regexp", 2, _matches, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self) -> None:
        deadline = time.monotonic() + self._patience
        connection = self.connection()
        with self._through_gate(deadline):
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")  # nothing to one that is filled
            connection.execute("PRAGMA synchronous = FULL")
            _begin_immediate(connection, deadline)
            try:
                version = self._version()  # another process may have been first
                if version < migrations.LATEST:
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    migrations.migrate(connection, version)
                _commit(connection, deadline)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")

    def _keep_a_log(self) -> None:
        """Write ahead, if the file doesn't say so yet: it is new, or a backup's copy.

        A new one only now: its first commit went into the file itself, so that its header always
        tells whose it is.
        """
        connection = self.connection()
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            deadline = time.monotonic() + self._patience
            with self._through_gate(deadline):
                _retry_locked(lambda: connection.execute("PRAGMA journal_mode = WAL"), deadline)

    def _version(self) -> int:
        connection = self.connection()
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID and (owner or version or tables):
            raise StoreUnusable(
                f"{self.path} is another program's database; it was not touched. "
                "Name a file of its own with --db"
            )
        if version > migrations.LATEST:
            raise StoreUnusable(
                f"{self.path} was written by a newer queuectl-tui (schema {version}, this one "
                f"knows {migrations.LATEST}); it was not touched. Upgrade this queuectl-tui"
            )
        return version


def _matches(pattern: str, text: str | None) -> bool:
    from store.filtering import matches

    return matches(pattern, text)


def parse_url(url: str) -> Path:
    """The file a store's address means: a path, or ``sqlite:///path`` (four slashes: absolute)."""
    scheme, separator, rest = url.partition(":")
    if separator and re.fullmatch("[A-Za-z][A-Za-z0-9+-]*", scheme):
        if scheme.startswith(("postgres", "mysql")):
            raise StoreUnusable(f"{scheme}: stores are not supported yet; give a path")
        if scheme != "sqlite" or not rest.startswith("///") or len(rest) < 4:
            raise StoreUnusable(
                f"not a store's address: {url[:60]!r}; give a path (./NAME if the name has a colon)"
                " or sqlite:///path"
            )
        url = rest[3:]
    if not url or "\0" in url or url == ":memory:":
        raise StoreUnusable("not a store's address: give a path or sqlite:///path")
    return Path(os.path.abspath(os.path.expanduser(url)))


def _begin_immediate(connection: sqlite3.Connection, deadline: float) -> None:
    _retry_locked(lambda: connection.execute("BEGIN IMMEDIATE"), deadline)


def _commit(connection: sqlite3.Connection, deadline: float) -> None:
    _retry_locked(lambda: connection.execute("COMMIT"), deadline)


def _retry_locked(action: Callable[[], object], deadline: float) -> None:
    """Short waits inside SQLite, many of them: a signal is served between two."""
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def file_system(folder: Path, mountinfo: Path = _MOUNTINFO) -> str | None:
    """The type of the file system that ``folder`` is on, where the system tells (Linux)."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in mountinfo.read_text(errors="replace").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == wanted:
                return kind.split()[0]
    return None


def is_network(kind: str | None) -> bool:
    return kind is not None and (kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES))


def _refuse_network_file_system(folder: Path) -> None:
    kind = file_system(folder)
    if is_network(kind):
        raise StoreUnusable(
            f"{folder} is on a network file system ({kind}), where SQLite cannot lock safely; use "
            "a local folder (a shared PostgreSQL store is to come)"
        )


def require_usable(path: Path, *, create: bool = False) -> None:
    """Look at where a store is, and at its file, before SQLite does.

    ``create`` makes both where they aren't there. Raises ``NoStore``, ``StoreUnusable`` or
    ``StoreFull``.
    """
    if create:
        _make_folder(path.parent)
    elif not _is_there(path):
        raise NoStore(path)
    privacy.require_own_place(path.parent)
    _refuse_network_file_system(path.parent)
    if create and not _is_there(path):
        _create_file(path)
    _require_store_file(path, create=create)
    privacy.require_own_beside(path)


def require_store(path: Path, info: os.stat_result) -> bytes:
    """The beginning of a file, which may be empty. Raises ``StoreUnusable`` if it is no store's.

    What SQLite keeps is told from its header: a store's first commit went into the file itself.
    """
    privacy.require_kind(path, info, stat.S_ISREG)
    if (info.st_dev, info.st_ino) in _in_use:
        return _MAGIC
    try:
        with open(path, "rb", opener=_open_itself) as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error
    is_others = info.st_mode & 0o077 and int.from_bytes(header[68:72], "big") != APPLICATION_ID
    if header and (is_others or not header.startswith(_MAGIC)):
        raise StoreUnusable(
            f"{path} is not a queuectl-tui store; it was not touched. Name another file with --db"
        )
    return header


def _open_itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _require_store_file(path: Path, *, create: bool) -> None:
    try:
        info = os.lstat(path)
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error
    header = require_store(path, info)
    privacy.require_private(path, info)
    if not header and not create and not os.path.lexists(f"{path}-wal"):
        raise NoStore(path, "its file is empty")


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error
    return True


def _make_folder(folder: Path) -> None:
    try:
        privacy.make_folder(folder)
    except OSError as error:
        raise StoreUnusable(
            f"cannot make the folder {folder}: {error.strerror or error}"
        ) from error


def _create_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return  # another process was first
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(path) from error
        raise StoreUnusable(f"cannot create {path}: {error.strerror}") from error
