"""Schedules: a tick makes one job, a missed tick none, or one for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from store import (
    AttemptState,
    InvalidInput,
    JobState,
    NewJob,
    Outcome,
    Overlap,
    QueueError,
    open_store,
)
from store.queue import Queue

from .conftest import START, FakeClock

DONE = Outcome(AttemptState.COMPLETED, exit_code=0)
JOB = NewJob(argv=("./backup.sh", "--all"), cwd="/srv", env={"X": "1"}, label="nightly")


@pytest.fixture
def second(queue: Queue, tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    """Another process that has the same store open."""
    opened = open_store(str(tmp_path / "queue.db"), clock=clock, random=Random(8))
    yield opened
    opened.close()


def finish_all(queue: Queue) -> None:
    while (lease := queue.claim("w1")) is not None:
        queue.finish(lease, DONE)


def test_a_tick_makes_one_job_whoever_looks(queue: Queue, second: Queue, clock: FakeClock) -> None:
    queue.schedules.add("beat", JOB, every=10)
    assert queue.schedules.fire_due() == []
    for _ in range(3):
        clock.advance(10)
        made = queue.schedules.fire_due() + second.schedules.fire_due()
        assert len(made) == 1
        finish_all(queue)
    job = queue.job(made[0])
    assert (job.argv, job.cwd, job.env, job.label) == (JOB.argv, "/srv", {"X": "1"}, "nightly")
    assert job.schedule == "beat"


def test_every_tick_counts_though_looked_at_a_little_late(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("beat", JOB, every=1, overlap=Overlap.ALLOW)
    clock.advance(4.5)
    assert len(queue.schedules.fire_due()) == 4
    clock.advance(0.5)
    assert len(queue.schedules.fire_due()) == 1


@pytest.mark.parametrize(("catch_up", "made"), [(False, 0), (True, 1)])
def test_missed_ticks_make_nothing_or_one_job(
    queue: Queue, clock: FakeClock, catch_up: bool, made: int
) -> None:
    queue.schedules.add("beat", JOB, every=60, overlap=Overlap.ALLOW, catch_up=catch_up)
    clock.advance(60 * 50 + 30)
    assert len(queue.schedules.fire_due()) == made
    clock.advance(30)
    assert len(queue.schedules.fire_due()) == 1


@pytest.mark.parametrize(
    ("overlap", "states"),
    [
        (Overlap.SKIP, [JobState.PENDING]),
        (Overlap.ALLOW, [JobState.PENDING, JobState.PENDING]),
        (Overlap.QUEUE, [JobState.PENDING, JobState.BLOCKED]),
    ],
)
def test_a_tick_while_the_last_job_is_unfinished(
    queue: Queue, clock: FakeClock, overlap: Overlap, states: list[JobState]
) -> None:
    queue.schedules.add("beat", JOB, every=60, overlap=overlap)
    for _ in range(2):
        clock.advance(60)
        queue.schedules.fire_due()
    assert [job.state for job in reversed(queue.jobs())] == states


def test_a_paused_schedule_goes_on_with_its_next_tick(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("beat", JOB, every=60, catch_up=True)
    queue.schedules.set_paused(["beat"], True)
    clock.advance(300)
    assert queue.schedules.fire_due() == []
    queue.schedules.set_paused(["beat"], False)
    assert queue.schedules.fire_due() == []
    clock.advance(60)
    assert len(queue.schedules.fire_due()) == 1


def test_cron_is_in_its_own_zone(queue: Queue) -> None:
    one = queue.schedules.add("nightly", JOB, cron="0 3 * * *", tz="Europe/Berlin")
    ticks = [datetime.fromtimestamp(tick / 1000, UTC) for tick in queue.schedules.upcoming(one, 3)]
    assert [tick.strftime("%H:%M") for tick in ticks] == ["02:00"] * 3
    assert one.next_at > START


@pytest.mark.parametrize(
    ("cron", "set_forward", "set_back"),
    [
        ("0 2 * * *", "03-28T03:00+02:00", "10-31T02:00+02:00"),
        ("30 2 * * *", "03-28T03:00+02:00", "10-31T02:30+02:00"),
    ],
)
def test_clocks_that_are_set_forward_and_back(
    queue: Queue, clock: FakeClock, cron: str, set_forward: str, set_back: str
) -> None:
    """A time that is left out comes right after; one that comes twice counts once."""
    one = queue.schedules.add("nightly", JOB, cron=cron, tz="Europe/Berlin")
    usual = datetime.strptime(cron[:4].strip(), "%M %H").strftime("T%H:%M")
    for year_day, changed, after in (
        ("2027-03-27T12:00+01:00", set_forward, f"03-29{usual}+02:00"),
        ("2027-10-30T12:00+02:00", set_back, f"11-01{usual}+01:00"),
    ):
        clock.advance(datetime.fromisoformat(year_day).timestamp() - clock() / 1000)
        queue.schedules.fire_due()
        ticks = queue.schedules.upcoming(queue.schedules.get(one.name), 2)
        expected = [datetime.fromisoformat(f"2027-{day}") for day in (changed, after)]
        assert ticks == [int(moment.timestamp() * 1000) for moment in expected]


def test_a_tick_whose_key_is_held_makes_no_job(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue([NewJob(command="by hand", unique_key="k")])
    keyed = NewJob(command="true", unique_key="k")
    queue.schedules.add("keyed", keyed, every=10, overlap=Overlap.ALLOW)
    queue.schedules.add("other", JOB, every=10)
    clock.advance(10)
    assert [queue.job(job_id).schedule for job_id in queue.schedules.fire_due()] == ["other"]
    finish_all(queue)
    clock.advance(10)
    assert len(queue.schedules.fire_due()) == 2


def test_nicknames(queue: Queue) -> None:
    one = queue.schedules.add("daily", JOB, cron="@daily", tz="UTC")
    assert one.next_at % 86_400_000 == 0


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "nonsense"}, "cron"),
        ({"cron": "* * * * *", "tz": "Nowhere/Land"}, "tz"),
        ({"every": 0.2}, "every"),
        ({}, "either"),
        ({"cron": "* * * * *", "every": 5}, "either"),
    ],
)
def test_a_bad_schedule_is_refused(queue: Queue, how: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInput, match=where):
        queue.schedules.add("bad", JOB, **how)  # type: ignore[arg-type]
    assert queue.schedules.all() == []


def test_names_are_unique_and_removal_keeps_the_jobs(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("beat", JOB, every=60)
    with pytest.raises(QueueError, match="exists already"):
        queue.schedules.add("beat", JOB, every=5)
    clock.advance(60)
    made = queue.schedules.fire_due()
    assert [job.id for job in queue.schedules.jobs("beat")] == made
    with pytest.raises(QueueError, match="did you mean beat"):
        queue.schedules.remove(["baet"])
    queue.schedules.remove(["beat"])
    assert queue.schedules.all() == []
    assert queue.job(made[0]).schedule == "beat"


def test_a_changed_schedule_keeps_its_tick_unless_its_times_change(
    queue: Queue, clock: FakeClock
) -> None:
    before = queue.schedules.add("beat", JOB, every=60)
    queue.schedules.set_paused(["beat"], True)
    clock.advance(30)
    other = NewJob(command="date", cwd="/")
    kept = {"cron": None, "tz": before.tz, "overlap": Overlap.QUEUE, "catch_up": True}
    after = queue.schedules.change("beat", other, every=60, **kept)  # type: ignore[arg-type]
    assert (after.job, after.overlap, after.catch_up) == (other, Overlap.QUEUE, True)
    assert (after.next_at, after.paused) == (before.next_at, True)
    moved = queue.schedules.change("beat", other, every=10, **kept)  # type: ignore[arg-type]
    assert moved.next_at == queue.now() + 10_000
    with pytest.raises(InvalidInput, match="at least 1 s"):
        queue.schedules.change("beat", other, every=0.1, **kept)  # type: ignore[arg-type]
    with pytest.raises(QueueError, match="did you mean beat"):
        queue.schedules.change("beet", other, every=10, **kept)  # type: ignore[arg-type]
    assert queue.schedules.get("beat") == moved
