"""The whole queue run by another user: one who can be refused what root never is."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from store import NewJob, open_store
from tests.faults.outside import AS_NOBODY, NOBODY, Program, lines, refusal
from tests.workers.rig import python, runs, until

HIDES = (
    "import ctypes, os, sys, time\n"
    "with open('starts', 'a') as file:\n"
    "    file.write('start\\n')\n"
    "if os.environ['QUEUECTL_ATTEMPT'] != '1':\n"
    "    sys.exit()\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() != 0:\n"
    "        os._exit(0)\n"
    "    PR_SET_DUMPABLE = 4\n"
    "    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)\n"
    "    while os.getppid() == os.getsid(0):\n"
    "        time.sleep(0.01)\n"
    "    open('hidden', 'w').write(f'{os.getpid()}\\n')\n"
    "time.sleep(120)\n"
)


class Home:
    """A folder of the other user's, with a store, and the program run as that user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "queue.db"
        self.program = Program(str(self.db), prefix=AS_NOBODY)
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def start(self) -> int:
        """A supervisor with one worker; the worker's pid."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._supervisors.append(self.program.start("worker", "start", **quiet))
        pid = until(self.worker)
        assert pid is not None
        return pid

    def worker(self) -> int | None:
        pids = [w["pid"] for w in self.program.json("worker", "list") if w["kind"] == "worker"]
        return next(filter(runs, pids), None)

    def add(self, *words: str, **options: str) -> str:
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        done = self.program.run("enqueue", "--cwd", str(self.folder), *given, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, job_id: str) -> Any:
        return self.program.json("show", job_id)

    def kill_supervisor(self) -> None:
        self._supervisors[-1].kill()
        self._supervisors[-1].wait()

    def allow_processes(self, pid: int, number: int) -> None:
        command = ("prlimit", f"--pid={pid}", f"--nproc={number}:")
        subprocess.run([*AS_NOBODY, *command], check=True)

    def close(self) -> None:
        for supervisor in self._supervisors:
            if supervisor.poll() is None:
                supervisor.send_signal(signal.SIGTERM)
                try:
                    supervisor.wait(30)
                finally:
                    supervisor.kill()


@pytest.fixture
def home() -> Iterator[Home]:
    if os.geteuid() != 0 or which("setpriv") is None:
        pytest.skip("needs root and setpriv: runs the queue as another user")
    with TemporaryDirectory(dir="/tmp") as name:
        os.chown(name, NOBODY, NOBODY)
        made = Home(Path(name))
        assert made.program.run("config", "set", "default_max_retries", "3").returncode == 0
        yield made
        made.close()


def test_a_process_that_hides_keeps_its_job_from_starting_over(home: Home) -> None:
    worker = home.start()
    job_id = home.add(*("--", *python(HIDES)), **{"max-retries": "1", "label": "shy"})
    hidden = int(until(lambda: "".join(lines(home.folder / "hidden"))))
    assert is_refused_to_nobody(f"/proc/{hidden}/environ")

    home.kill_supervisor()
    os.kill(worker, signal.SIGKILL)
    home.start()
    until(lambda: home.job(job_id)["last_error"])

    shown = home.job(job_id)
    assert shown["state"] == "processing"
    assert shown["last_error"].startswith("needs attention: its worker died")
    assert str(hidden) in shown["last_error"]
    examined = home.program.run("doctor")
    assert examined.returncode == 1
    assert f"end process {hidden}, which may still belong to it" in examined.stderr
    assert runs(hidden)
    assert lines(home.folder / "starts") == ["start"]

    os.kill(hidden, signal.SIGKILL)
    until(lambda: home.job(job_id)["state"] == "completed")
    shown = home.job(job_id)
    assert [attempt["state"] for attempt in shown["history"]] == ["lost", "completed"]
    assert lines(home.folder / "starts") == ["start", "start"]
    assert home.program.run("doctor").returncode == 0


def test_a_job_with_another_users_process_is_not_paused(home: Home) -> None:
    setuid = home.folder / "setpriv"
    shutil.copy(which("setpriv") or "", setuid)
    setuid.chmod(0o4755)
    home.start()
    job_id = home.add(
        "./setpriv --reuid=1 --clear-groups sleep 120 & while date +%N > ticks; do sleep 0.02; done"
    )
    (other,) = until(lambda: [one for one in of_job(job_id) if one.uids().real == 1])

    done = home.program.run("pause", job_id)

    assert (
        refusal(done) == f"{job_id} runs on: another user's process can't be stopped: {other.pid}"
    )
    assert psutil.STATUS_STOPPED not in {one.status() for one in of_job(job_id)}
    before = (home.folder / "ticks").read_text()
    until(lambda: (home.folder / "ticks").read_text() not in ("", before))
    assert "paused" not in home.job(job_id)

    other.kill()
    assert home.program.run("pause", job_id).returncode == 0
    assert home.job(job_id)["paused"]
    still = {psutil.STATUS_STOPPED, psutil.STATUS_DISK_SLEEP}
    assert {one.status() for one in of_job(job_id)} <= still
    home.program.run("cancel", job_id)
    until(lambda: home.job(job_id)["state"] == "cancelled")


def of_job(job_id: str) -> list[psutil.Process]:
    """Its live processes."""
    wanted = f"QUEUECTL_JOB_ID={job_id}".encode()
    found = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            environ = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            if wanted in environ and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_a_user_without_processes_left_loses_no_job(home: Home) -> None:
    worker = home.start()
    home.allow_processes(worker, 0)

    job_id = home.add("echo run >> runs", **{"max-retries": "0"})
    until(lambda: home.job(job_id)["history"])
    assert home.job(job_id)["attempts"] == 0
    assert lines(home.folder / "runs") == []
    home.allow_processes(worker, 10_000)

    until(lambda: home.job(job_id)["state"] == "completed")
    job = home.job(job_id)
    assert job["attempts"] == 1
    assert {attempt["state"] for attempt in job["history"][:-1]} == {"released"}
    assert lines(home.folder / "runs") == ["run"]


@pytest.mark.parametrize("words", [("enqueue", "true"), ("worker", "start")])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_that_may_only_be_read(home: Home, what: str, words: tuple[str, ...]) -> None:
    home.add("true", id="a")
    before = home.db.read_bytes()
    (home.db if what == "file" else home.folder).chmod(0o400 if what == "file" else 0o500)
    try:
        said = refusal(home.program.run(*words))
        assert str(home.folder) in said
        assert "cannot" in said
    finally:
        home.db.chmod(0o600)
        home.folder.chmod(0o700)
    assert home.db.read_bytes() == before
    assert [job["id"] for job in home.program.json("list")] == ["a"]


def test_root_is_refused_another_users_store(home: Home) -> None:
    home.add("true")
    said = refusal(Program(str(home.db)).run("list"))
    assert "belongs to another user (uid 65534)" in said


# -- The other user as an attacker: who may write beside the store adds to it


@pytest.fixture(params=[0o1777, 0o775], ids=["sticky", "group"])
def shared(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of root's where the other user may make files, and in it a store at rest."""
    if os.geteuid() != 0 or which("setpriv") is None:
        pytest.skip("needs root and setpriv: a second user plants files")
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        queue = open_store(str(folder / "queue.db"))
        queue.enqueue([NewJob(command="true", id="mine")])
        queue.close()
        os.chown(folder, 0, NOBODY)
        folder.chmod(request.param)
        yield folder


def planting(db: Path, proof: Path) -> bytes:
    """A log that adds a job, should SQLite play it back."""
    with TemporaryDirectory() as name:
        copy = Path(name, "queue.db")
        shutil.copy2(db, copy)
        queue = open_store(str(copy))
        queue.enqueue([NewJob(command=f"id -u > {proof}", id="planted")])
        log = Path(f"{copy}-wal").read_bytes()
        queue.close()
    return log


def by_nobody(*words: str, given: bytes = b"") -> None:
    subprocess.run([*AS_NOBODY, *words], input=given, check=True)


def test_a_planted_log_is_not_played_back(shared: Path, tmp_path: Path) -> None:
    db, proof = shared / "queue.db", tmp_path / "proof"
    before = db.read_bytes()
    by_nobody("dd", f"of={db}-wal", "status=none", given=planting(db, proof))
    program = Program(str(db))

    for words in (("enqueue", "true"), ("list",), ("worker", "start")):
        said = refusal(program.run(*words))
        assert f"may write to the folder {shared}" in said
        assert f"mkdir -m 700 {shared}/queue" in said
    assert "may write to the folder" in program.run("doctor").stdout.replace("\n", "")
    shared.chmod(0o700)  # as told: what was planted is still there
    for words in (("enqueue", "true"), ("list",), ("worker", "start")):
        assert "queue.db-wal was put there by another user" in refusal(program.run(*words))

    assert program.run("doctor").returncode == 1
    assert db.read_bytes() == before
    assert not proof.exists()
    Path(f"{db}-wal").unlink()
    assert [job["id"] for job in program.json("list")] == ["mine"]


def test_a_log_made_beforehand_leaks_nothing(shared: Path) -> None:
    db = shared / "queue.db"
    by_nobody("sh", "-c", f"umask 0; : > {db}-wal")
    program = Program(str(db))

    for mode in (None, 0o700):
        if mode is not None:
            shared.chmod(mode)
        refusal(program.run("enqueue", "--env", "TOKEN=secret", "true"))
        assert Path(f"{db}-wal").read_bytes() == b""


def test_a_backup_into_a_shared_folder_leaks_nothing(shared: Path, tmp_path: Path) -> None:
    db, target = tmp_path / "queue.db", shared / "copy.db"
    program = Program(str(db))
    assert program.run("enqueue", "--env", "TOKEN=secret", "--id", "a", "true").returncode == 0
    planted = [Path(f"{target}{end}") for end in ("-journal", "-wal", "-shm")]
    by_nobody("sh", "-c", "umask 0; for file; do : > $file; done", "-", *map(str, planted))

    done = program.run("backup", str(target))

    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in planted] == [b""] * 3
    (tmp_path / "own").mkdir(mode=0o700)
    shutil.move(target, tmp_path / "own" / "copy.db")
    assert Program(str(tmp_path / "own" / "copy.db")).json("show", "a")["command"] == "true"


def test_a_private_folder_in_a_shared_one_will_do(shared: Path) -> None:
    (shared / "own").mkdir(mode=0o700)
    program = Program(str(shared / "own" / "queue.db"))
    done = program.run("enqueue", "--id", "a", "true")
    if shared.stat().st_mode & stat.S_ISVTX:
        assert [job["id"] for job in program.json("list")] == ["a"]
        assert program.run("doctor").returncode == 0
    else:
        assert "put another folder in the place of" in refusal(done)


def is_refused_to_nobody(path: str) -> bool:
    done = subprocess.run([*AS_NOBODY, "cat", path], capture_output=True, check=False)
    return done.returncode != 0
