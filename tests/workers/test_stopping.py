"""A timeout or a cancel ends the whole tree: SIGTERM, the grace, SIGKILL."""

from __future__ import annotations

import signal
import statistics

from store import AttemptState, Job, JobState
from tests.workers.rig import Rig, python, until

# What a command ignores, its children ignore too.
STUBBORN = 'trap "" TERM; echo $$ > {name}; sleep 60 & sleep 60'
POLITE = 'trap "echo bye; exit 0" TERM; echo $$ > {name}; sleep 60 & wait'


def milliseconds(job: Job) -> int:
    return (job.finished_at or 0) - (job.started_at or 0)


def test_a_timeout_ends_a_stubborn_tree_after_the_grace(house: Rig) -> None:
    job_id = house.add(
        STUBBORN.format(name="late"), timeout=1, stop_grace=1, max_retries=1, backoff_base=900
    )

    job = house.reached(job_id, JobState.FAILED)
    until(lambda: not house.tree(job_id))

    (attempt,) = house.history(job_id)
    assert attempt.state is AttemptState.TIMED_OUT
    assert (job.attempts, job.exit_code, job.signal) == (1, None, 9)
    assert job.last_error == "timed out after 1s"
    # A second of its own, one of grace; the rest is the machine's.
    assert 2000 <= milliseconds(job) < 10_000


def test_a_command_that_heeds_sigterm_gets_no_grace_to_wait_for(house: Rig) -> None:
    job = house.run(POLITE.format(name="heeds"), timeout=0.5, stop_grace=300, max_retries=0)

    (attempt,) = house.history(job.id)
    assert (job.state, attempt.state) == (JobState.DEAD, AttemptState.TIMED_OUT)
    assert job.last_error == "timed out after 0.5s"
    assert house.output(job.id) == b"bye\n"
    until(lambda: not house.tree(job.id))


def test_a_command_that_ends_in_time_is_left_alone(house: Rig) -> None:
    job = house.run("sleep 0.2; echo done", timeout=30)

    assert job.state is JobState.COMPLETED
    assert house.output(job.id) == b"done\n"


def test_a_cancelled_job_is_cancelled_even_if_it_exits_0(house: Rig) -> None:
    job_id = house.add(POLITE.format(name="cancelled"), max_retries=3)
    house.file("cancelled")

    house.queue.cancel([job_id])
    job = house.ended(job_id)

    (attempt,) = house.history(job_id)
    assert (job.state, attempt.state, job.exit_code) == (
        JobState.CANCELLED,
        AttemptState.CANCELLED,
        0,
    )
    assert house.output(job_id) == b"bye\n"
    until(lambda: not house.tree(job_id))


def test_cancel_ends_a_stubborn_tree_after_the_grace(house: Rig) -> None:
    job_id = house.add(STUBBORN.format(name="stubborn"), stop_grace=0.5)
    house.file("stubborn")

    house.queue.cancel([job_id])

    job = house.ended(job_id)
    assert (job.state, job.signal) == (JobState.CANCELLED, 9)
    assert job.last_error == "cancelled"
    until(lambda: not house.tree(job_id))


TELLING = """
import signal, time

signal.signal(signal.SIGINT, lambda *_: print("int"))
signal.signal(signal.SIGUSR1, lambda *_: exit(3))
open("telling", "w").write("up")
while True:
    time.sleep(60)
"""


def test_a_cancel_sends_the_signal_that_was_asked_for(house: Rig) -> None:
    job_id = house.add(
        "trap 'echo int; exit 0' INT; echo $$ > int; sleep 60 & wait", stop_grace=300
    )
    house.file("int")

    house.queue.cancel([job_id], signal=signal.SIGINT)

    job = house.ended(job_id)
    assert (job.state, job.exit_code, job.last_error) == (JobState.CANCELLED, 0, "cancelled")
    assert house.output(job_id) == b"int\n"
    until(lambda: not house.tree(job_id))  # a shell's children ignore SIGINT


def test_who_is_being_cancelled_gets_another_signal_and_keeps_its_grace(house: Rig) -> None:
    job_id = house.add(argv=python(TELLING), stop_grace=300)
    house.file("telling")

    house.queue.cancel([job_id], signal=signal.SIGINT)
    until(lambda: house.output(job_id) == b"int\n")
    house.queue.cancel([job_id], signal=signal.SIGUSR1)

    assert house.ended(job_id).exit_code == 3


def test_whoever_ignores_the_signal_is_killed_after_the_grace(house: Rig) -> None:
    job_id = house.add("trap '' INT; echo $$ > deaf; sleep 60 & sleep 60", stop_grace=0.5)
    house.file("deaf")

    house.queue.cancel([job_id], signal=signal.SIGINT)

    assert house.ended(job_id).signal == signal.SIGKILL
    until(lambda: not house.tree(job_id))


def test_a_stopped_process_is_ended_too(house: Rig) -> None:
    job_id = house.add("echo $$ > frozen; kill -STOP $$", stop_grace=300)
    house.file("frozen")

    house.queue.cancel([job_id])

    assert house.ended(job_id).state is JobState.CANCELLED


def test_cancel_reaches_the_command_without_waiting_for_the_poll(house: Rig) -> None:
    delays = []
    for turn in range(9):
        job_id = house.add(f"echo $$ > turn{turn}; exec sleep 60")
        house.file(f"turn{turn}")
        asked_at = house.queue.now()
        house.queue.cancel([job_id])
        delays.append((house.ended(job_id).finished_at or 0) - asked_at)

    # Workers look by themselves a second after the last look, and these looked just before.
    print(f"cancel to end: median {statistics.median(delays):g} ms")
    assert statistics.median(delays) < 500
