"""How a SQLite store is opened, locked and watched.

Beside the database ``queue.db`` stands the private folder ``queue.db.d`` with what is not rows: the
write gate, doorbells, locks of supervisors, scratch files and large outputs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
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

from store import migrations
from store.errors import Interrupted, QueueError, StoreBusy, StoreFull, StoreUnusable

if TYPE_CHECKING:
    from store.models import Queries

APPLICATION_ID = 0x51435455  # "QCTU"
MINIMUM_SQLITE = (3, 37, 0)  # STRICT tables; RETURNING is older
_MAGIC = b"SQLite format 3\x00"
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
_SUBFOLDERS = ("bells", "locks", "output", "scratch")
_in_use: WeakValueDictionary[tuple[int, int], Database] = WeakValueDictionary()
"""By device and inode. Who opens and closes such a file drops the locks that SQLite holds on it."""


class Database:
    """One SQLite file, a connection for each thread, one write at a time.

    ``durable`` chooses whether a commit waits for the disk (``synchronous=FULL``),
    ``patience`` how many seconds a writer waits for others.
    """

    def __init__(self, path: Path, *, create: bool, durable: bool, patience: float) -> None:
        self.path = path
        self.folder = path.with_name(path.name + ".d")
        self.bells = self.folder / "bells"
        self._place = os.fspath(path.parent)
        self._locks = tuple(os.fspath(self.folder / name) for name in ("turnstile", "gate"))
        self._patience = patience
        self._synchronous = "FULL" if durable else "NORMAL"
        if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
            raise StoreUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer needed")
        _prepare_folder(path.parent, create=create)
        _refuse_network_file_system(path.parent)
        _check_file(path, create=create)
        self._of_thread = threading.local()
        self._transactions = count(1)
        with translated(path):
            version = self._version()
            self._prepare_own_folder()
            if version != migrations.LATEST:
                self._migrate()
            self._keep_a_log()
            info = os.stat(path)
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

    def sync(self) -> None:
        """Put what is committed on disk, as a FULL commit would have done."""
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def free_space(self) -> int:
        """Bytes left where the store is."""
        return _free_space(self._place)

    def backup(self, target: Path) -> None:
        """Copy everything into the new file ``target`` while others read and write."""
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise QueueError(f"{target} exists already; name a new file") from None
        except OSError as error:
            raise QueueError(f"cannot create {target}: {error.strerror}") from error
        try:
            with translated(target):
                copy = sqlite3.connect(target, isolation_level=None)
                self.connection().backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                copy.execute("UPDATE meta SET value = lower(hex(randomblob(8)))")
                copy.execute("DELETE FROM worker")
                copy.close()
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def checkpoint(self) -> int:
        """Move the write-ahead log into the database as far as readers allow, without waiting.

        Returns how many pages were in the log. Writers wait meanwhile; ``sync`` beforehand, for
        which they don't, leaves little to wait for.
        """
        connection = self.connection()
        with translated(self.path), self._through_gate(time.monotonic() + self._patience):
            return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])

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
                    raise _busy(self.path) from None
                looks -= 1
                time.sleep(_LOOK_SOON if looks > 0 else _LOOK_AT_GATE)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare_own_folder(self) -> None:
        for folder in (self.folder, *(self.folder / name for name in _SUBFOLDERS)):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
            _check_private(folder, os.lstat(folder), stat.S_ISDIR)

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


def parse_url(url: str) -> Path:
    """The file a store's address means: a path, or ``sqlite:///path`` (four slashes: absolute)."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.startswith(("postgres", "mysql")):
        raise StoreUnusable(f"{scheme}:// stores are not supported yet; give a path or sqlite:///…")
    if separator:
        if scheme != "sqlite" or not rest.startswith("/") or len(rest) < 2:
            raise StoreUnusable("not a store's address: give a path or sqlite:///path")
        url = rest[1:]
    if not url or "\0" in url or url == ":memory:":
        raise StoreUnusable("not a store's address: give a path or sqlite:///path")
    return Path(os.path.abspath(os.path.expanduser(url)))


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Database and file-system errors as the one family that callers know."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
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
        return _busy(path)
    if code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and _free_space(path.parent) < 65536
    ):
        return _full(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, text)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StoreUnusable(f"{path} cannot be opened for writing ({text})")
    return StoreUnusable(f"{path}: {text}")


def _busy(path: Path) -> StoreBusy:
    return StoreBusy(f"{path} is locked by another process; nothing was changed, try again")


def _full(path: Path) -> StoreFull:
    return StoreFull(f"disk full: no room for {path}; nothing was changed. Free some space")


def _free_space(folder: str | Path) -> int:
    try:
        figures = os.statvfs(folder)
    except OSError:
        return 1 << 62
    return figures.f_bavail * figures.f_frsize


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


def _prepare_folder(folder: Path, *, create: bool) -> None:
    if create:
        try:
            _make_private_folders(folder)
        except OSError as error:
            raise StoreUnusable(
                f"cannot make the folder {folder}: {error.strerror or error}"
            ) from error
    try:
        info = os.stat(folder)
    except OSError as error:
        raise StoreUnusable(f"cannot read the folder {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise StoreUnusable(f"{folder} is not a folder")
    if info.st_uid not in (os.geteuid(), 0):
        raise StoreUnusable(
            f"the folder {folder} belongs to another user (uid {info.st_uid}); commands of a store "
            "run with your rights, so it must be yours"
        )
    if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
        raise StoreUnusable(
            f"anybody may write to the folder {folder}; close it with: chmod o-w, or choose another"
        )


def _make_private_folders(folder: Path) -> None:
    if folder.exists():
        return
    _make_private_folders(folder.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


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
        raise _damaged(path, first.replace("\n", " "))


def _damaged(path: Path, how: str) -> StoreUnusable:
    return StoreUnusable(
        f"{path} is damaged or no database ({how}); it was not touched. Restore a backup, or save "
        "what is left into a new file with: sqlite3 OLD .recover | sqlite3 NEW"
    )


def _refuse_network_file_system(folder: Path) -> None:
    kind = file_system(folder)
    if is_network(kind):
        raise StoreUnusable(
            f"{folder} is on a network file system ({kind}), where SQLite cannot lock safely; use "
            "a local folder (a shared PostgreSQL store is to come)"
        )


def _check_file(path: Path, *, create: bool) -> None:
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        if not create:
            raise StoreUnusable(f"no store at {path}") from None
        _create_file(path)
        return
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error
    _check_private(path, info, stat.S_ISREG)
    if (info.st_dev, info.st_ino) in _in_use:
        return
    try:
        with open(path, "rb") as file:
            header = file.read(16)
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {error.strerror}") from error
    if header and header != _MAGIC:
        raise StoreUnusable(
            f"{path} is not a queuectl-tui store; it was not touched. Name another file with --db"
        )


def _create_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _check_private(path, os.lstat(path), stat.S_ISREG)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise StoreUnusable(f"cannot create {path}: {error.strerror}") from error


def _check_private(path: Path, info: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if stat.S_ISLNK(info.st_mode):
        raise StoreUnusable(f"{path} is a symbolic link; name the file itself")
    if not is_kind(info.st_mode):
        raise StoreUnusable(f"{path} is not what a store has there (file type is wrong)")
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
