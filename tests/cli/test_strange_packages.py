"""``PYTHONPATH`` may hold packages that are called like ours: they are never taken for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import JobState
from store.queue import Queue
from tests.cli.conftest import eventually

Run = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = (sys.executable, "-P", "-m", "queuectl_tui")


@pytest.fixture
def run(tmp_path: Path, queue: Queue) -> Iterator[Run]:
    """The program, where ``PYTHONPATH`` names a folder of packages that can't be imported."""
    strange = tmp_path / "strange"
    for name in ("store", "workers"):
        (strange / name).mkdir(parents=True)
        for file in ("__init__.py", "__main__.py"):
            (strange / name / file).write_text(f"raise SystemExit('{name}: the wrong one')\n")
    environ = {**os.environ, "PYTHONPATH": str(strange), "QUEUECTL_DB": queue.url}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *words],
            env=environ,
            cwd=strange,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield run
    run("worker", "stop", "--now", "--yes")


def test_commands_find_their_own_packages(run: Run) -> None:
    assert run("enqueue", "--id", "a", "true").stdout == "a\n"
    listed = run("list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [job["id"] for job in json.loads(listed.stdout)] == ["a"]


def test_workers_find_them_too_and_so_do_the_jobs_that_enqueue(run: Run, queue: Queue) -> None:
    run("enqueue", "--id", "outer", "--", *PROGRAM, "enqueue", "--id", "inner", "true")

    started = run("worker", "start", "--detach")

    assert started.returncode == 0, started.stderr
    eventually(lambda: queue.job("outer").state.finished, 30)
    assert queue.job("outer").exit_code == 0, queue.job("outer").last_error
    eventually(lambda: queue.job("inner").state is JobState.COMPLETED, 30)


def test_the_standard_library_comes_before_what_is_installed() -> None:
    code = "import sys; before = [*sys.path]; import queuectl_tui, store, workers; "
    code += "sys.exit(sys.path != before)"

    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
