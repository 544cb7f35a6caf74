"""A worker or a supervisor dies at a certain step; the job doesn't notice, or starts over once."""

from __future__ import annotations

import signal

import pytest

from store import AttemptState, JobState, Stream
from tests.faults.outside import SABOTAGE, kill, lines
from tests.workers.rig import Rig, gated, runs, until

STEPS = ("claimed", "starting", "spawned", "running", "ended", "noted", "recording", "recorded")
NOT_YET_STARTED = ("claimed", "starting")
LARGE = b"x" * 40000  # more than goes into the store: a file of its own
PRINTED = "head -c 40000 /dev/zero | tr '\\0' x; echo small >&2"
LINE = f"echo run >> runs; {PRINTED}; sleep 0.2; exit {{code}}"


class Death:
    """Kills whoever comes to ``step`` first, once."""

    def __init__(self, rig: Rig, step: str) -> None:
        self.done = rig.folder / "died"
        self.environ = {
            "PYTHONPATH": SABOTAGE,
            "SABOTAGE_DIE": step,
            "SABOTAGE_ONCE": str(self.done),
        }


@pytest.mark.parametrize(
    ("step", "code"),
    [*((step, 0) for step in STEPS), *((step, 3) for step in STEPS[2:7])],
)
def test_a_worker_may_die_at_any_step(rig: Rig, step: str, code: int) -> None:
    death = Death(rig, step)
    job_id = rig.add(LINE.format(code=code), max_retries=0)
    rig.foreground(environ=death.environ)

    job = rig.ended(job_id)
    until(death.done.exists)

    assert (job.state, job.exit_code) == (JobState.DEAD if code else JobState.COMPLETED, code)
    assert (job.attempts, job.signal) == (1, None)
    assert lines(rig.folder / "runs") == ["run"]
    assert rig.output(job_id) == LARGE
    assert rig.output(job_id, Stream.STDERR) == b"small\n"
    *before, last = [attempt.state for attempt in rig.history(job_id)]
    assert last is (AttemptState.FAILED if code else AttemptState.COMPLETED)
    assert before == ([AttemptState.RELEASED] if step in NOT_YET_STARTED else [])


def test_the_job_claimed_with_the_last_result_is_given_back(rig: Rig) -> None:
    death = Death(rig, "recorded")
    first, second = (rig.add(LINE.format(code=0), max_retries=0) for _ in range(2))
    rig.foreground(environ=death.environ)

    assert rig.ended(first).state is JobState.COMPLETED
    job = rig.ended(second)

    assert (job.state, job.attempts) == (JobState.COMPLETED, 1)
    states = [attempt.state for attempt in rig.history(second)]
    assert states == [AttemptState.RELEASED, AttemptState.COMPLETED]
    assert lines(rig.folder / "runs") == ["run"] * 2


def test_two_workers_die_and_one_could_not_say_what_it_had_started(rig: Rig) -> None:
    death = Death(rig, "spawned")
    death.done.touch()
    supervisor = rig.foreground("--count", "2", environ=death.environ)
    until(lambda: len(rig.crew()) == 2)
    gates = {rig.add(f"{gated(name)}; {LINE.format(code=0)}"): name for name in "ab"}
    until(lambda: all(rig.queue.job(job_id).state is JobState.PROCESSING for job_id in gates))
    older, younger = sorted(rig.crew(), key=lambda worker: int(worker.id[1:]))
    known = next(job_id for job_id in gates if rig.queue.job(job_id).worker == younger.id)
    rig.open_gate("ab".replace(gates[known], ""))
    until(lambda: lines(rig.folder / "runs") == ["run"])
    rig.reached(next(job_id for job_id in gates if job_id != known), JobState.COMPLETED)

    supervisor.hears(signal.SIGSTOP)
    death.done.unlink()
    unsaid = rig.add(LINE.format(code=0))
    until(lambda: not runs(older.pid))
    kill(younger)
    rig.open_gate(gates[known])
    until(lambda: not rig.tree(known) and not rig.tree(unsaid))
    supervisor.hears(signal.SIGCONT)

    for job_id in (known, unsaid):
        assert rig.ended(job_id).state is JobState.COMPLETED
        assert [attempt.state for attempt in rig.history(job_id)] == [AttemptState.COMPLETED]
    assert lines(rig.folder / "runs") == ["run"] * 3


@pytest.mark.parametrize("step", ["registering", "enlisting", "identifying", "enlisted"])
def test_a_supervisor_may_die_while_it_starts_workers(rig: Rig, step: str) -> None:
    death = Death(rig, step)
    job_id = rig.add(LINE.format(code=0), max_retries=0)
    rig.foreground(environ=death.environ)
    until(death.done.exists)
    rig.foreground()

    job = rig.ended(job_id)

    assert (job.state, job.attempts) == (JobState.COMPLETED, 1)
    assert lines(rig.folder / "runs") == ["run"]


def test_a_worker_that_was_given_up_before_it_came_to_life_leaves(rig: Rig) -> None:
    death = Death(rig, "identifying")
    late = rig.folder / "late"
    job_id = rig.add(LINE.format(code=0), max_retries=0)
    rig.foreground(environ={**death.environ, "SABOTAGE_LATE": str(late)})
    until(death.done.exists)
    (unborn,) = (entry for entry in rig.queue.registry.registered() if entry.pid == 0)
    (pid,) = until(lambda: rig.marked(unborn.id))

    rig.foreground("--queue", "elsewhere")
    until(lambda: unborn.id not in {entry.id for entry in rig.queue.registry.registered()})
    late.touch()
    until(lambda: not runs(pid))

    assert rig.history(job_id) == []
    assert rig.queue.job(job_id).state is JobState.PENDING


@pytest.mark.parametrize("step", ["bereaved", "adopted", "settling", "recording", "settled"])
def test_a_supervisor_may_die_while_it_takes_over(rig: Rig, step: str) -> None:
    death = Death(rig, step)
    supervisor = rig.foreground(environ=death.environ)
    line = (
        'grep -qs "^State:.[^Z]" /proc/$(cat leader1)/status && echo overlap >> runs; '
        "echo $$ > leader$QUEUECTL_ATTEMPT; "
        f"echo run >> runs; {PRINTED}; sleep 0.3"
    )
    job_id = rig.add(line, max_retries=1, backoff_base=1)
    rig.file("leader1")

    kill(rig.runner_of(job_id))
    assert supervisor.exit_code() < 0
    rig.foreground()
    job = rig.ended(job_id)

    assert job.state is JobState.COMPLETED
    lost = [AttemptState.LOST] if step != "settled" else []
    states = [attempt.state for attempt in rig.history(job_id)]
    assert states == [*lost, AttemptState.COMPLETED]
    assert lines(rig.folder / "runs") == ["run"] * len(states)
    for number in range(1, len(states) + 1):
        assert rig.output(job_id, number=number) == LARGE
