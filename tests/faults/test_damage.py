"""A store that has lost what was on disk, though SQLite finds nothing wrong with it."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from queuectl_tui.cli import root
from store import (
    AttemptState,
    NewJob,
    NoStore,
    Outcome,
    QueueError,
    StoreDamaged,
    open_store,
)
from store.errors import StoreBehind
from store.health import accept_as_it_is
from store.integrity import _checks as checks_of
from store.integrity import check_integrity
from store.queue import Queue
from store.synced import HowFar, how_far, log_end
from tests.faults.outside import Program, refusal
from tests.workers.rig import Rig, until

BUSY = """
import sys
from store import AttemptState, NewJob, Outcome, open_store
people, workers = open_store(sys.argv[1]), open_store(sys.argv[1], durable=False)
print("up", flush=True)
for number in range(1_000_000):
    people.enqueue([NewJob(command="x" * 500) for _ in range(5)])
    workers.finish(workers.claim("w1"), Outcome(AttemptState.COMPLETED, exit_code=0))
    if number % 3 == 0:
        workers.sync()
    if number % 7 == 0:
        workers.checkpoint()
"""


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def finish_one(queue: Queue) -> None:
    lease = queue.claim("w1")
    assert lease is not None
    queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0))


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """120 jobs in the file; one of them is done, and another one added, in the log alone."""
    path = tmp_path / "before" / "queue.db"
    queue = open_store(str(path), durable=False)
    queue.enqueue([NewJob(command="x" * 1000) for _ in range(120)])
    queue.checkpoint()
    finish_one(queue)
    queue.enqueue([NewJob(command="true", id="late")])
    queue.sync()
    shutil.copytree(path.parent, tmp_path / "after")
    queue.close()
    return tmp_path / "after" / "queue.db"


def remove_log(path: Path) -> None:
    log_of(path).unlink()


def empty_log(path: Path) -> None:
    os.truncate(log_of(path), 0)


def cut_log(path: Path) -> None:
    os.truncate(log_of(path), log_end(f"{log_of(path)}").size - 3000)


def flip_in_log(path: Path) -> None:
    with log_of(path).open("r+b") as file:
        file.seek(32 + 24 + 1000)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut_file(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


def contents(path: Path) -> dict[str, bytes]:
    """Of the file and its log, if there is something in it."""
    files = [file for file in (path, log_of(path)) if file.exists()]
    return {file.name: file.read_bytes() for file in files if file.stat().st_size}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("harm", [remove_log, empty_log, cut_log, flip_in_log, cut_file])
def test_what_is_behind_is_refused_untouched(
    crashed: Path, harm: Callable[[Path], None], check: bool
) -> None:
    harm(crashed)
    before = contents(crashed)
    with pytest.raises(
        StoreBehind, match=rf"^{crashed} is behind what was on disk at 20"
    ) as caught:
        open_store(str(crashed), check=check)
    assert re.search(r"may be missing, and what ended .* may run again", str(caught.value))
    if harm is not cut_file:  # else nothing is left that tells
        assert "since 20" in str(caught.value)
    assert contents(crashed) == before


def test_a_log_that_has_lost_what_is_no_job(crashed: Path, tmp_path: Path) -> None:
    queue = open_store(str(crashed))
    queue.settings.set("backoff_base", "3")
    shutil.copytree(crashed.parent, tmp_path / "again")
    queue.close()
    copy = tmp_path / "again" / "queue.db"
    os.truncate(log_of(copy), log_end(f"{log_of(copy)}").size - 1)
    with pytest.raises(StoreBehind, match="its log was cut short"):
        open_store(str(copy))


def test_a_store_that_is_behind_is_gone_on_with_if_accepted(crashed: Path) -> None:
    remove_log(crashed)
    program = Program(str(crashed))
    for words in (("list",), ("enqueue", "true"), ("worker", "start")):
        assert "go on with what there is: queuectl-tui doctor --accept" in refusal(
            program.run(*words)
        )
    (problem,) = (found for found in program.examined() if found["result"] == "problem")
    assert problem["check"] == "synced"
    assert "is behind what was on disk" in problem["detail"]

    assert program.run("doctor", "--accept").returncode == 0
    assert len(program.json("list")) == 120
    assert program.run("enqueue", "true").returncode == 0


@pytest.mark.parametrize("harm", [cut_log, flip_in_log])
def test_what_can_be_read_of_a_log_is_kept(crashed: Path, harm: Callable[[Path], None]) -> None:
    harm(crashed)
    accept_as_it_is(str(crashed))
    queue = open_store(str(crashed), check=True)
    assert 120 <= queue.count() <= 121
    queue.close()
    open_store(str(crashed), check=True).close()


def test_a_file_that_was_emptied_under_its_log(crashed: Path) -> None:
    os.truncate(crashed, 0)
    before = contents(crashed)
    for create in (False, True):
        with pytest.raises(StoreBehind, match="doctor --accept"):
            open_store(str(crashed), create=create)
    assert contents(crashed) == before

    accept_as_it_is(str(crashed))
    with pytest.raises(NoStore):
        open_store(str(crashed), create=False)
    queue = open_store(str(crashed))
    assert queue.count() == 0
    queue.close()
    assert Path(f"{log_of(crashed)}.left").read_bytes() == before["queue.db-wal"]


def test_an_older_copy_that_was_put_back(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true")])
    queue.close()
    shutil.copy2(path, tmp_path / "old.db")
    queue = open_store(str(path))
    finish_one(queue)
    queue.close()
    shutil.copy2(tmp_path / "old.db", path)
    with pytest.raises(StoreBehind, match="an old file was put back"):
        open_store(str(path))


def test_a_backup_that_was_put_back_is_a_store_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true")])
    queue.backup(tmp_path / "copy.db")
    finish_one(queue)
    queue.close()
    shutil.copy2(tmp_path / "copy.db", path)
    restored = open_store(str(path))
    finish_one(restored)
    restored.close()
    open_store(str(path)).close()


# -- What loses nothing is not refused


def test_a_crash(crashed: Path) -> None:
    open_store(str(crashed), check=True).close()


def test_another_program_that_closes_a_crashed_store(crashed: Path) -> None:
    """It moves the log into the file and removes it."""
    with closing(sqlite3.connect(crashed)) as other:
        other.execute("SELECT count(*) FROM job").fetchone()
    assert not log_of(crashed).exists()
    open_store(str(crashed), check=True).close()


def test_another_program_that_makes_the_file_smaller(crashed: Path) -> None:
    with closing(sqlite3.connect(crashed, isolation_level=None)) as other:
        other.execute("DELETE FROM attempt")
        other.execute("DELETE FROM job WHERE seq < 100")
        other.execute("VACUUM")
    open_store(str(crashed)).close()
    worker = open_store(str(crashed), durable=False)
    finish_one(worker)
    open_store(str(crashed)).close()
    worker.close()


def test_others_go_on_while_a_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "queue.db"
    other = open_store(str(path))
    other.enqueue([NewJob(command="true")])

    busy: list[bool] = []

    def overtaken(connection: sqlite3.Connection) -> HowFar:
        reached = how_far(connection)
        if not busy:  # it asks itself when it has committed
            busy.append(True)
            other.enqueue([NewJob(command="true")])
            busy.clear()
        return reached

    monkeypatch.setattr("store.database.how_far", overtaken)
    monkeypatch.setattr("store.synced.how_far", overtaken)
    open_store(str(path), check=True).close()
    other.close()


def test_a_log_that_began_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "queue.db")
    people, worker = open_store(path), open_store(path, durable=False)
    for _ in range(3):
        people.enqueue([NewJob(command="x" * 1000) for _ in range(50)])
        people.checkpoint()
        finish_one(worker)
        open_store(path).close()
    people.close()
    worker.close()
    open_store(path).close()


def test_counts_that_are_forgotten(tmp_path: Path) -> None:
    path = str(tmp_path / "queue.db")
    queue = open_store(path)
    queue.enqueue([NewJob(command="true", id="a", queue="q")])
    queue.cancel(["a"])
    queue.delete(["a"])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM job_count")
    queue.enqueue([NewJob(command="true")])
    queue.close()
    open_store(path).close()


# -- Values that can't be


@pytest.fixture
def flipped(tmp_path: Path) -> Path:
    """A store where a byte of a job's state has flipped, on its way to the disk or on it."""
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true", id="a"), NewJob(command="true", id="b")])
    queue.close()
    flip_state(path, "a")
    return path


def flip_state(path: Path, job_id: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("PRAGMA ignore_check_constraints = 1")
        other.execute("DROP TRIGGER IF EXISTS count_moved")
        other.execute("UPDATE job SET state = 'pendiog' WHERE id = ?", (job_id,))


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "show a",
        "wait a",
        "cancel a",
        "retry a",
        "edit a --priority 1",
        "delete a",
        "doctor",
        "worker start",
    ],
)
def test_a_value_that_cannot_be_is_damage(flipped: Path, words: str) -> None:
    result = CliRunner().invoke(root, ["--db", str(flipped), *words.split()])
    assert result.exit_code == 1
    said = result.stdout if words == "doctor" else result.stderr
    assert re.search(r"is damaged \(.*(state of job a is 'pendiog'|state IN)", said)
    assert "Restore a backup, or set the value right" in " ".join(said.split())
    assert "should not happen" not in said


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        ("argv", '["tr]', lambda queue: queue.job("a")),
        ("argv", '["tr]', lambda queue: queue.claim("w1")),
        ("env", "{", lambda queue: queue.claim("w1")),
        ("command", b"\xff\xfe".decode("latin-1"), None),
    ],
)
def test_a_value_that_cannot_be_read_is_damage(
    tmp_path: Path, column: str, value: str, read: Callable[[Queue], object] | None
) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(argv=("true",), id="a")])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if read is None:  # no UTF-8
            other.execute("UPDATE job SET argv = NULL, command = CAST(x'fffe' AS TEXT)")
        else:
            other.execute(f"UPDATE job SET {column} = ?", (value,))
    with pytest.raises(StoreDamaged, match=rf"is damaged \(.*{column}"):
        (read or (lambda queue: queue.job("a")))(queue)
    queue.close()


def test_every_value_that_the_schema_rules_out_is_found(tmp_path: Path) -> None:
    """Where SQLite may only read it looks at no CHECK, so they are looked at one by one."""
    queue = open_store(str(tmp_path / "queue.db"))
    tables = queue._database.connection().execute("SELECT sql FROM sqlite_master").fetchall()
    schema = " ".join(sql for (sql,) in tables if sql and sql.startswith("CREATE TABLE"))
    found = [check for (sql,) in tables if sql and "CHECK" in sql for check in checks_of(sql)]
    assert len(found) == schema.count("CHECK") > 20
    assert all(check.count("(") == check.count(")") for check in found)
    queue.enqueue([NewJob(command="true", max_retries=1)])
    check_integrity(queue.path)
    with closing(sqlite3.connect(queue.path, isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = 1")
        other.execute("UPDATE job SET max_retries = -1")
    with pytest.raises(StoreDamaged, match=r"row 1 of job .*max_retries BETWEEN"):
        check_integrity(queue.path)
    queue.close()


def test_signals_are_served_though_the_store_is_damaged(rig: Rig) -> None:
    foreground = rig.foreground("--count", "2")
    running = rig.add("echo up > up; sleep 60")
    rig.file("up")
    waiting = rig.add("true", delay=3600)
    rig.queue.registry.order("default", count=2)
    for job_id in (waiting, running):
        flip_state(rig.queue.path, job_id)
    with closing(sqlite3.connect(rig.queue.path, isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = 1")
        other.execute("UPDATE worker SET kind = 'wormer' WHERE kind = 'worker'")

    foreground.hears(signal.SIGINT)
    until(lambda: "draining" in foreground.said())
    heard_at = time.monotonic()
    until(lambda: time.monotonic() - heard_at > 1.1)  # from then on it is meant
    foreground.hears(signal.SIGINT)
    assert foreground.exit_code() in (0, 1)
    assert "Traceback" not in foreground.said()
    assert "is damaged" in foreground.said()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a process that adds, finishes, syncs and checkpoints without end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", BUSY, str(tmp_path / "queue.db")]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_killed_at_any_moment_the_note_is_never_ahead(
    tmp_path: Path, busy: Callable[[], subprocess.Popen[bytes]]
) -> None:
    chance = random.Random(11)
    for _ in range(6):
        process = busy()
        time.sleep(chance.uniform(0.0, 0.2))  # no moment is waited for: any will do
        process.send_signal(signal.SIGKILL)
        process.wait()
        open_store(str(tmp_path / "queue.db"), check=True).close()


def test_what_could_not_be_synced_is_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_store(str(tmp_path / "queue.db"), durable=False)
    queue.enqueue([NewJob(command="true")])
    queue.sync()
    note = tmp_path / "queue.db.d" / "synced"
    before = note.read_bytes()
    finish_one(queue)

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(QueueError):
        queue.sync()
    assert note.read_bytes() == before
    queue.close()


def test_a_note_that_cannot_be_read_or_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = open_store(str(path))
    queue.enqueue([NewJob(command="true")])
    queue.close()
    note = tmp_path / "queue.db.d" / "synced"
    note.write_bytes(b"no note at all\xff" + bytes(100))
    again = open_store(str(path))
    again.enqueue([NewJob(command="true")])
    again.close()
    open_store(str(path)).close()
