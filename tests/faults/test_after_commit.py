"""What a command has stored it says, whatever fails afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import JobState
from tests.faults.outside import SABOTAGE, Program
from tests.workers.rig import Rig


@pytest.fixture
def broken(rig: Rig, program: Program) -> Path:
    """A file: what is written into it fails for ``program``."""
    rig.start()
    faults = rig.folder / "faults"
    program.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_IO": str(faults)}
    return faults


@pytest.mark.parametrize("fault", ["write bells/ EPIPE", "open bells/ EIO", "listdir bells EACCES"])
def test_a_listener_that_fails_costs_no_answer(
    rig: Rig, program: Program, broken: Path, fault: str
) -> None:
    broken.write_text(fault)

    stored = program.run("enqueue", "--id", "new", "--delay", "1h", "true")
    cancelled = program.run("cancel", "new")
    paused = program.run("queue", "pause", "default")
    scaled = program.run("worker", "scale", "2")

    assert (stored.returncode, stored.stdout, stored.stderr) == (0, "new\n", "")
    assert (cancelled.returncode, cancelled.stderr) == (0, "new: cancelled\n")
    assert (paused.returncode, paused.stderr) == (0, "Queue default is paused\n")
    assert (scaled.returncode, scaled.stderr) == (0, "Pool default keeps 2 workers up\n")


def test_files_that_cannot_be_removed_cost_no_answer(
    rig: Rig, program: Program, broken: Path
) -> None:
    job = rig.run("head -c 100000 /dev/zero")
    broken.write_text("unlink output/ EROFS")

    deleted = program.run("delete", job.id)

    assert (deleted.returncode, deleted.stderr) == (0, f"{job.id}: deleted\n")
    assert program.run("show", job.id).returncode == 1


def test_ids_are_told_when_the_store_answers_nothing_any_more(rig: Rig, program: Program) -> None:
    program.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_MUTE": "1"}

    plain = program.run("enqueue", "--id", "plain", "true")
    as_json = program.json("enqueue", "--id", "asked", "true")

    assert (plain.returncode, plain.stdout) == (0, "plain\n")
    assert as_json == [{"id": "asked"}]
    assert rig.queue.job("asked").state is JobState.PENDING
