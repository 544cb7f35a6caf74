"""What ``doctor`` finds, and what it tells people to do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from store import JobState
from tests.faults.outside import SABOTAGE, Program, kill
from tests.faults.test_store_faults import zero_page_5
from tests.workers.rig import Rig, gated, until

RUNS = f"echo $$ > up; {gated()}"


def problems(program: Program) -> dict[str, tuple[str, str]]:
    """What is wrong, by check: what it says, and its advice."""
    done = program.run("doctor", "--json")
    report = json.loads(done.stdout)
    found = {
        check["check"]: (check["detail"], check["advice"] or "")
        for check in report["checks"]
        if check["result"] == "problem"
    }
    assert done.returncode == (1 if found else 0)
    assert report["ok"] is not bool(found)
    for check in report["checks"]:
        assert set(check) == {"check", "result", "detail", "advice"}
    return found


def test_nothing_is_wrong_with_a_store_at_work(rig: Rig, program: Program) -> None:
    rig.start(2)
    rig.add(RUNS)
    rig.file("up")

    assert problems(program) == {}
    done = program.run("doctor")
    assert done.returncode == 0
    assert "PROBLEM" not in done.stdout
    rig.open_gate()


def test_nothing_is_wrong_with_a_store_at_rest(rig: Rig, program: Program) -> None:
    rig.add("true")
    assert problems(program) == {}


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = problems(Program(str(tmp_path / "queue.db")))
    assert "no store at" in found["store"][0]
    assert os.listdir(tmp_path) == []


def test_a_process_without_a_worker_and_the_way_out(rig: Rig, program: Program) -> None:
    supervisor = rig.start()
    job_id = rig.add(RUNS, max_retries=1, backoff_base=1)
    leader = rig.pid_in("up")
    worker = rig.runner_of(job_id)
    kill(supervisor, worker)

    found = problems(program)
    assert worker.id in found["workers"][0]
    assert f"{leader} ({job_id})" in found["orphans"][0]
    assert job_id in found["jobs"][0]
    for check in ("workers", "orphans", "jobs"):
        assert "queuectl-tui worker start" in found[check][1]

    rig.open_gate()
    rig.start()
    assert rig.ended(job_id).state is JobState.COMPLETED
    until(lambda: problems(program) == {})


def test_a_silent_worker(rig: Rig, program: Program) -> None:
    skew = rig.folder / "skew"
    skew.write_text("60000")
    rig.foreground()
    (worker,) = rig.crew()
    os.kill(worker.pid, signal.SIGSTOP)

    ahead = replace(program, environ={"PYTHONPATH": SABOTAGE, "SABOTAGE_CLOCK": str(skew)})
    detail, advice = problems(ahead)["heartbeats"]
    os.kill(worker.pid, signal.SIGCONT)

    assert worker.id in detail
    assert "stall_timeout" in advice


def test_a_clock_that_was_set_back(rig: Rig, program: Program) -> None:
    skew = rig.folder / "skew"
    skew.write_text(f"{-2 * 60 * 60 * 1000}")
    rig.add("true")

    behind = replace(program, environ={"PYTHONPATH": SABOTAGE, "SABOTAGE_CLOCK": str(skew)})
    detail, advice = problems(behind)["clock"]

    assert "in the future" in detail
    assert "clock" in advice


def test_too_little_room(rig: Rig, program: Program) -> None:
    rig.queue.settings.set("min_free_space", f"{2 * rig.queue.free_space()}")
    assert set(problems(program)) == {"free space"}


def open_a_file(db: Path) -> Path:
    return Path(f"{db}.d", "gate")


def open_a_folder(db: Path) -> Path:
    return Path(f"{db}.d", "output")


def open_the_store(db: Path) -> Path:
    return db


def open_the_store_to_others(db: Path) -> None:
    db.chmod(0o644)


@pytest.mark.parametrize("which", [open_a_file, open_a_folder, open_the_store])
def test_files_open_to_others(tmp_path: Path, which: Callable[[Path], Path]) -> None:
    db = tmp_path / "queue.db"
    program = Program(str(db))
    assert program.run("enqueue", "true").returncode == 0
    path = which(db)
    path.chmod(path.stat().st_mode | 0o044)

    detail, advice = problems(program)["modes"]

    assert str(path) in detail
    assert "chmod" in advice
    path.chmod(path.stat().st_mode & ~0o077)
    assert problems(program) == {}


@pytest.mark.parametrize("spoil", [zero_page_5, open_the_store_to_others])
def test_nothing_is_left_beside_a_store_that_is_not_opened(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    db = tmp_path / "queue.db"
    program = Program(str(db))
    assert program.run("enqueue", "true").returncode == 0
    spoil(db)
    before = sorted(os.listdir(tmp_path))

    assert problems(program)

    assert sorted(os.listdir(tmp_path)) == before == ["queue.db", "queue.db.d"]


def test_asking_changes_nothing(rig: Rig, program: Program) -> None:
    job = rig.queue.job(rig.add("true"))
    token = rig.queue.change_token()

    problems(program)

    assert rig.queue.change_token() == token
    assert rig.queue.job(job.id) == job
