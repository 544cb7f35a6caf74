"""What a worker is told reaches it at any moment, also that its supervisor is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from store import JobState, Worker
from tests.faults.outside import SABOTAGE, Program, gate_held, kill
from tests.workers.rig import Rig, gated, runs, until


def test_a_supervisor_may_die_while_a_worker_waits_to_introduce_itself(
    rig: Rig, program: Program
) -> None:
    late = rig.folder / "late"
    supervisor, worker = _started(rig, program, late)
    job_id = rig.add("true")

    with gate_held(rig) as given_up:
        supervisor.kill()
        supervisor.wait()
        late.touch()
        given_up()

    until(lambda: not runs(worker.pid))
    assert worker.id not in {entry.id for entry in rig.queue.registry.registered()}
    assert rig.queue.job(job_id).state is JobState.PENDING
    assert rig.history(job_id) == []


def test_a_supervisor_may_die_before_its_worker_has_looked(rig: Rig, program: Program) -> None:
    late = rig.folder / "late"
    supervisor, worker = _started(rig, program, late)
    job_id = rig.add("true")

    supervisor.kill()
    supervisor.wait()
    late.touch()

    until(lambda: not runs(worker.pid))
    assert rig.history(job_id) == []


def test_no_job_is_taken_with_a_result_that_waited_while_the_supervisor_died(rig: Rig) -> None:
    supervisor = rig.start()
    first = rig.add(f"touch up; {gated()}")
    until((rig.folder / "up").exists)
    second = rig.add("true")
    worker = rig.runner_of(first)

    with gate_held(rig) as given_up:
        rig.open_gate()
        given_up()
        kill(supervisor)
        given_up()

    until(lambda: not runs(worker.pid))
    assert rig.queue.job(first).state is JobState.COMPLETED
    assert rig.history(second) == []


def test_a_signal_after_the_supervisor_s_death_stops_what_runs(rig: Rig) -> None:
    """The worker stands still until after its wait would have ended: it saw nothing of it."""
    supervisor = rig.start()
    job_id = rig.add(f"touch up; {gated()}")
    until((rig.folder / "up").exists)
    os.kill(rig.runner_of(job_id).pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    kill(supervisor)
    until(lambda: time.monotonic() - stopped_at > 1.1)

    rig.stop(now=True)

    assert rig.reached(job_id, JobState.PENDING).attempts == 0


def _started(rig: Rig, program: Program, late: Path) -> tuple[subprocess.Popen[bytes], Worker]:
    """A supervisor and its worker, which does nothing before there is the file ``late``."""
    program.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_LATE": str(late)}
    supervisor = program.start(
        "worker", "start", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def known() -> list[Worker]:
        return [entry for entry in rig.queue.registry.registered() if entry.pid]

    return supervisor, until(lambda: len(known()) == 2 and known())[1]
