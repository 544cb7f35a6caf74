"""Opening a store: what is made, what is refused, and that refusing changes nothing."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from store import (
    JobFilter,
    NewJob,
    NoStore,
    Order,
    StoreBusy,
    StoreUnusable,
    database,
    open_store,
)
from store.integrity import APPLICATION_ID
from store.migrations import LATEST
from store.queue import Queue


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true")])
    for made in tmp_path.rglob("*"):
        assert mode(made) == (0o700 if made.is_dir() else 0o600), made
    queue.close()


def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    path = str(tmp_path / "queue.db")
    first = open_store(path)
    first.enqueue([NewJob(command="true", id="a")])
    first.close()
    second = open_store(path, create=False)
    assert second.job("a").command == "true"
    second.close()


def test_opened_once_more_by_the_same_process_it_stays_locked(tmp_path: Path) -> None:
    """Else the last of the others to leave would take its write-ahead log away."""
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true")])
    open_store(str(path)).close()
    script = "import sys; from store import open_store; open_store(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name("queue.db-wal").exists()
    queue.close()


def test_a_url_is_a_path(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/queue.db").close()
    assert (tmp_path / "queue.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgresql:db",
        "http://x/y",
        "sqlite://",
        "sqlite:x",
        "file:x",
        "file:/x",
        ":memory:",
        "",
    ],
)
def test_other_addresses_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnusable, match=r"address|not supported"):
        open_store(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["./a:b", "queue.db:1", "a/b:c"])
def test_a_colon_in_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    open_store(url).close()
    assert (tmp_path / url).is_file()


def test_four_processes_that_create_it_at_once_agree(tmp_path: Path) -> None:
    script = (
        "import sys; from store import NewJob, open_store\n"
        "open_store(sys.argv[1]).enqueue([NewJob(command='true', id=sys.argv[2])])"
    )
    path = str(tmp_path / "queue.db")
    processes = [
        subprocess.Popen([sys.executable, "-c", script, path, f"job{number}"])
        for number in range(4)
    ]
    assert [process.wait(30) for process in processes] == [0] * 4
    queue = open_store(path, create=False)
    assert queue.count() == 4
    queue.close()


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    path.chmod(0o600)
    before = digest(path)
    with pytest.raises(StoreUnusable, match="another program"):
        open_store(str(path))
    assert digest(path) == before


def test_a_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {LATEST + 1}")
    raw.close()
    before = digest(path)
    with pytest.raises(StoreUnusable, match="newer"):
        open_store(str(path))
    assert digest(path) == before


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk, and do it twice a week")
    path.chmod(0o600)
    with pytest.raises(StoreUnusable, match="not a queuectl-tui store"):
        open_store(str(path))
    assert path.read_text() == "remember the milk, and do it twice a week"
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    path.chmod(0o644)
    with pytest.raises(StoreUnusable, match="chmod go-rwx"):
        open_store(str(path))


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    open_store(str(tmp_path / "queue.db")).close()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "queue.db")
    with pytest.raises(StoreUnusable, match="symbolic link"):
        open_store(str(link))


def test_what_is_no_store_is_told_so_whatever_its_mode(tmp_path: Path) -> None:
    notes, other = tmp_path / "notes.txt", tmp_path / "other.db"
    notes.write_text("remember the milk")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    for path in (notes, other):
        path.chmod(0o644)
        with pytest.raises(StoreUnusable, match="is not a queuectl-tui store") as caught:
            open_store(str(path))
        assert "chmod" not in str(caught.value)


def test_a_missing_store_is_not_made_unless_asked(tmp_path: Path) -> None:
    for path in (tmp_path / "queue.db", tmp_path / "new" / "queue.db"):
        with pytest.raises(NoStore, match=r"no store at .*; enqueue makes one"):
            open_store(str(path), create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_made_a_store_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.touch(0o600)
    with pytest.raises(NoStore, match="is empty"):
        open_store(str(path), create=False)
    assert (path.stat().st_size, list(tmp_path.iterdir())) == (0, [path])
    open_store(str(path)).close()


# -- Who else may write there


@pytest.mark.parametrize("open_to", [0o777, 0o1777])
def test_a_folder_anybody_may_write_to_is_refused(tmp_path: Path, open_to: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(open_to)
    with pytest.raises(StoreUnusable, match=r"anybody may write .* mkdir -m 700 .*shared/queue"):
        open_store(str(folder / "queue.db"))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("others", "members", "accepted"),
    [
        ([], [], True),
        ([], ["me"], True),
        ([], ["me", "them"], False),
        ([], ["nobody knows"], False),
        (["them"], [], False),
    ],
)
def test_a_folder_that_a_group_may_write_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: list[str],
    members: list[str],
    accepted: bool,
) -> None:
    """Nobody else may be in the group: neither as a member, nor as one whose own group it is."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o775)
    gid = folder.stat().st_gid
    me = SimpleNamespace(pw_name="me", pw_uid=os.geteuid(), pw_gid=gid)
    them = SimpleNamespace(pw_name="them", pw_uid=54321, pw_gid=gid if others else 54321)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: me)
    monkeypatch.setattr(pwd, "getpwall", lambda: [me, them])
    group = SimpleNamespace(gr_name="crew", gr_mem=members)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)

    if accepted:
        open_store(str(folder / "queue.db")).close()
        return
    with pytest.raises(StoreUnusable, match=r"others in group crew .* chmod g-w .* mkdir -m 700"):
        open_store(str(folder / "queue.db"))
    assert list(folder.iterdir()) == []


def test_a_private_folder_lasts_only_where_nobody_else_may_move_it(tmp_path: Path) -> None:
    above = tmp_path / "above"
    private = above / "private"
    private.mkdir(parents=True)
    private.chmod(0o700)
    above.chmod(0o1777)
    open_store(str(private / "queue.db")).close()
    above.chmod(0o777)
    with pytest.raises(StoreUnusable, match=r"may write to .*above, .* chmod o-w"):
        open_store(str(private / "queue.db"))


def test_a_link_on_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    open_store(str(tmp_path / "link" / "queue.db")).close()
    assert (tmp_path / "real" / "queue.db").exists()
    (tmp_path / "real").chmod(0o777)
    with pytest.raises(StoreUnusable, match="anybody may write"):
        open_store(str(tmp_path / "link" / "queue.db"))


def test_a_link_of_another_users_is_not_followed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can give a link away")
    (tmp_path / "real").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to("real")
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(StoreUnusable, match="another user"):
        open_store(str(link / "queue.db"))


def make_open(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


def make_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make", [make_open, make_link, Path.mkdir])
@pytest.mark.parametrize("name", ["queue.db-wal", "queue.db-shm", "queue.db-journal"])
def test_what_sqlite_would_read_beside_is_looked_at_first(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    before = digest(path)
    make(tmp_path / name)
    for check in (False, True):
        with pytest.raises(StoreUnusable, match=name):
            open_store(str(path), check=check)
    assert digest(path) == before


@pytest.mark.parametrize("name", ["gate", "supervisor.log", "bells/w1", "scratch/w1.journal"])
def test_a_link_in_the_stores_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    (tmp_path / "queue.db.d" / name).unlink(missing_ok=True)
    (tmp_path / "queue.db.d" / name).symlink_to("/etc/hostname")
    with pytest.raises(StoreUnusable, match=name):
        open_store(str(path))


def test_a_job_may_change_the_mode_of_its_own_output(tmp_path: Path) -> None:
    """It is its standard output: ``chmod a+w /dev/stdout``."""
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    make_open(tmp_path / "queue.db.d" / "scratch" / "w1.stdout")
    open_store(str(path)).close()


def test_the_header_tells_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    header = path.read_bytes()[:100]
    queue.close()
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID


def test_a_writer_that_waits_too_long_says_so_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path), patience=0.3)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        queue.enqueue([NewJob(command="true")])
    holder.execute("ROLLBACK")
    holder.close()
    assert queue.count() == 0
    queue.close()


def test_importing_the_package_loads_no_database_library() -> None:
    check = "import sys, store; sys.exit(bool({'peewee', 'sqlite3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_claim_uses_its_partial_index(tmp_path: Path) -> None:
    from store.leasing import _NEXT_DUE, _PROMOTE, _best_job

    queue = open_store(str(tmp_path / "queue.db"))
    connection = queue._database.connection()
    for sql, parameters, index in (
        (_best_job(0), (0,), "job_ready"),
        (_best_job(2), (0, "a", "b"), "job_ready"),
        (_NEXT_DUE, (), "job_due"),
        (_PROMOTE, (0, 1), "job_due"),
    ):
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall())
        assert index in plan
        assert "SCAN job " not in plan.replace("SCAN job USING INDEX job_due", "")
        assert "SCAN best" not in plan
    queue.close()


def test_the_oldest_that_could_run_is_found_by_partial_indexes(tmp_path: Path) -> None:
    from store.overview import _OLDEST_DUE, _OLDEST_READY

    queue = open_store(str(tmp_path / "queue.db"))
    connection = queue._database.connection()
    for sql, parameters, index in (
        (_OLDEST_READY, ("mail",), "job_ready (queue=? AND priority=?)"),
        (_OLDEST_DUE, ("mail", 0), "job_due (run_at<?)"),
    ):
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
        assert index in str(rows)
        assert "SCAN job" not in str(rows)
        assert "TEMP B-TREE" not in str(rows)
    queue.close()


def test_root_is_told_whose_store_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    open_store(str(path)).close()
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can give a file away")
    os.chown(path, 65534, 65534)
    with pytest.raises(StoreUnusable, match="another user"):
        open_store(str(path))


def test_the_models_say_what_the_tables_hold(tmp_path: Path) -> None:
    from peewee import Model

    from store import models

    queue = open_store(str(tmp_path / "queue.db"))
    connection = queue._database.connection()
    kinds = [kind for kind in vars(models).values() if isinstance(kind, type)]
    described = [kind for kind in kinds if issubclass(kind, Model) and kind is not Model]
    assert len(described) >= 8
    for model in described:
        table = model._meta.table_name
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        assert {field.column_name for field in model._meta.sorted_fields} == columns, table
    queue.close()


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "file_system", lambda folder: "nfs4")
    with pytest.raises(StoreUnusable, match="network file system"):
        open_store(str(tmp_path / "new" / "queue.db"))
    assert not list(tmp_path.rglob("*.db*"))


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_what_people_do_is_on_disk_once_it_is_committed(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    """2 is FULL, 1 is NORMAL; in a file that was just made as in one that was there."""
    for _ in range(2):
        queue = open_store(str(tmp_path / "queue.db"), durable=durable)
        connection = queue._database.connection()
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        queue.close()


@pytest.mark.parametrize(
    "read",
    [
        lambda queue: queue.settings.values(),
        lambda queue: queue.registry.orders("s1"),
        lambda queue: queue.registry.came_up("s1"),
        lambda queue: queue.schedules.next_at(),
        lambda queue: queue.registry.registered(),
        lambda queue: queue.claim("w1"),
        lambda queue: queue.next_due(),
        lambda queue: queue.take_ended(1),
        lambda queue: queue.window(JobFilter(), Order("created"), offset=0, limit=1),
    ],
)
def test_damage_that_comes_later_is_told_as_such(
    tmp_path: Path, read: Callable[[Queue], object]
) -> None:
    path = tmp_path / "queue.db"
    first = open_store(str(path))
    first.enqueue([NewJob(command="true")])
    first.checkpoint()
    second = open_store(str(path))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))
    with pytest.raises(StoreUnusable, match="is damaged"):
        read(second)
    first.close()
    second.close()
