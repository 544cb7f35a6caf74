"""Nothing is lost, nothing runs twice at a time, whatever is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .chaos import Chaos
from .outside import SABOTAGE

# Shorter by hand: QUEUECTL_CHAOS=0.2 pytest tests/faults/test_chaos.py. CI always runs it whole.
SCALE = 1.0 if os.environ.get("CI") else float(os.environ.get("QUEUECTL_CHAOS", "1"))
SEEDS = (11, 22, 33, 44, 55)
JOBS = round(400 * SCALE)
KILLS = round(100 * SCALE)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_job_is_lost_or_doubled_while_everything_is_killed(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    tally = Chaos(tmp_path, seed, jobs=JOBS).run(for_kills=KILLS)
    record_property(f"chaos, seed {seed}", str(tally))
    assert tally.unfinished == []
    assert tally.lost == []
    assert tally.overlapping == []
    assert tally.unexplained == []
    assert tally.worker_kills >= KILLS
    assert tally.supervisor_kills >= KILLS // 5


@pytest.mark.parametrize(
    ("bug", "symptom"),
    [
        ("requeue_at_once", "overlapping"),
        ("call_it_done", "lost"),
        ("throw_it_away", "unexplained"),
    ],
)
def test_the_harness_finds_a_planted_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str, symptom: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", SABOTAGE)
    monkeypatch.setenv("SABOTAGE_PLANT", bug)
    tally = Chaos(tmp_path, 7, jobs=20, seconds=(2.0, 3.0)).run(for_kills=12)
    assert getattr(tally, symptom) != []
