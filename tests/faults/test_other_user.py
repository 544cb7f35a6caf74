"""The whole queue run by another user: one who can be refused what root never is."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import pytest

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


def is_refused_to_nobody(path: str) -> bool:
    done = subprocess.run([*AS_NOBODY, "cat", path], capture_output=True, check=False)
    return done.returncode != 0
