"""Supervisors that are started at the same moment, or by somebody who goes away."""

from __future__ import annotations

import re
import subprocess

from store import WorkerKind
from tests.faults.outside import SABOTAGE, Program, refusal
from tests.workers.rig import Rig
from workers.processes import is_alive

SERVED = (
    r"pool default is served by (a supervisor|supervisor s\d+)( \(pid \d+\))? already; change its"
    r" size with: queuectl-tui worker scale N, or start another pool with --pool NAME"
)


def test_of_five_that_start_at_once_one_serves_the_pool(rig: Rig, program: Program) -> None:
    starting = [program.start("worker", "start", "--detach") for _ in range(5)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in starting]

    (won,) = [err.decode() for (_, err), code in ended if code == 0]
    lost = [err.decode() for (_, err), code in ended if code == 1]
    assert re.fullmatch(r"Supervisor s\d+ \(pid \d+\) keeps 1 worker up; stop with: .*\n", won)
    assert len(lost) == 4
    for said in lost:
        assert re.fullmatch(f"Error: {SERVED}\n", said), said
    (running,) = [
        entry
        for entry in rig.queue.registry.registered()
        if entry.kind is WorkerKind.SUPERVISOR and is_alive(entry.identity)
    ]
    assert f"(pid {running.pid})" in won
    assert refusal(program.run("worker", "start")).startswith(
        f"pool default is served by supervisor {running.id} (pid {running.pid}) already; "
    )


def test_a_refused_start_is_told_nothing_else_than_why(rig: Rig, program: Program) -> None:
    running = rig.start()
    line = "while :; do echo a line of another supervisor; done"
    with rig.queue.log_path.open("ab") as log:
        talker = subprocess.Popen(["/bin/sh", "-c", line], stdout=log)
    try:
        said = refusal(program.run("worker", "start", "--detach"))
    finally:
        talker.kill()
        talker.wait()

    assert re.fullmatch(SERVED, said), said
    assert f"supervisor {running.id} (pid {running.pid})" in said


def test_why_a_detached_start_failed_is_told_though_others_write_the_log(
    rig: Rig, program: Program
) -> None:
    faults = rig.folder / "faults"
    faults.write_text("mkfifo bells/ EROFS")
    program.environ = {"PYTHONPATH": SABOTAGE, "SABOTAGE_IO": str(faults)}

    said = refusal(program.run("worker", "start", "--detach"))

    assert re.fullmatch(r".*/bells/s\d+: Read-only file system", said), said
    assert "Traceback" not in rig.queue.log_path.read_text()
