"""Why jobs wait, as ``show``, ``list``, ``status`` and ``wait`` say it."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from queuectl_tui.commands import narration
from store import AttemptState, JobFilter, NewJob, Order, Outcome, WorkerKind
from store.queue import Queue
from tests.cli.conftest import PROJECT, Cli, claimed, died, ended, ran
from workers.processes import identify

Ok = Callable[..., str]


def worker_up(queue: Queue, *queues: str, pool: str = "default") -> str:
    """A worker that this process stands for."""
    identity = identify(os.getpid())
    worker = queue.registry.register(
        WorkerKind.WORKER,
        pool=pool,
        host=socket.gethostname(),
        queues=queues,
        identity=identity,
    )
    queue.registry.heartbeat(worker)
    return worker


def waits_for(ok: Ok, job_id: str) -> list[tuple[str, str]]:
    """Word and text of each reason; ``list`` and ``show`` must agree."""
    shown = json.loads(ok("show", job_id, "--json")).get("waits_for", [])
    listed = {job["id"]: job.get("waits_for", []) for job in json.loads(ok("list", "--json"))}
    assert [one["reason"] for one in listed[job_id]] == [one["reason"] for one in shown]
    return [(one["reason"], one["text"]) for one in shown]


def test_no_worker(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--queue", "gpu", "x")
    assert waits_for(ok, "a") == [("no_worker", "no worker is up")]
    worker_up(queue, "cpu")
    assert waits_for(ok, "a") == [("no_worker", "no worker serves queue gpu")]
    worker_up(queue, "gpu")
    assert waits_for(ok, "a") == []
    assert "waits for" not in ok("show", "a")


def test_a_paused_queue_then_a_paused_pool(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    worker_up(queue)
    queue.registry.set_paused("default", True)
    ok("queue", "pause", "default")

    assert waits_for(ok, "a") == [
        ("queue_paused", "queue default is paused"),
        ("pool_paused", "pool default is paused"),
    ]
    shown = ok("show", "a")
    assert re.search(
        "^waits for +queue default is paused, pool default is paused$", shown, re.MULTILINE
    )
    worker_up(queue, pool="other")
    assert waits_for(ok, "a") == [("queue_paused", "queue default is paused")]


def test_limits(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--queue", "net", "x")
    worker = worker_up(queue)
    claimed(queue, worker)
    ok("enqueue", "--id", "b", "--queue", "net", "x")
    ok("enqueue", "--id", "c", "x")
    queue.queues.set_max_running("net", 1)
    reason = ("queue_limit", "queue net runs 1 at once, as many as it may")
    assert (waits_for(ok, "a"), waits_for(ok, "b"), waits_for(ok, "c")) == ([], [reason], [])
    queue.queues.set_max_running("net", None)
    queue.queues.set_slots("net", "GPU", ["0"])
    assert waits_for(ok, "b") == [reason]
    queue.queues.set_slots("net", None)
    queue.settings.set("max_running", "1")
    assert waits_for(ok, "c") == [("store_limit", "as many jobs run as max_running allows: 1")]


def test_a_rate_and_a_full_label(ok: Ok, queue: Queue) -> None:
    ok("queue", "set", "api", "--max-per-label", "1")
    for name, label in (("a", "red"), ("b", "red"), ("c", "blue")):
        ok("enqueue", "--id", name, "--queue", "api", "--label", label, "x")
    ok("enqueue", "--id", "d", "--queue", "api", "x")
    worker = worker_up(queue)
    lease = claimed(queue, worker)

    full = ("label_limit", "queue api runs 1 at once with this label, as many as it may")
    assert [waits_for(ok, name) for name in "abcd"] == [[], [full], [], []]

    ok("queue", "set", "api", "--rate", "1/1h")
    queue.finish(lease, Outcome(AttemptState.COMPLETED), claim_for=worker)
    [(word, text)] = waits_for(ok, "c")
    assert word == "rate_limit"
    assert re.fullmatch(r"queue api is at its rate, 1/1h; it goes on at [-:\d ]+", text)


def test_a_disk_that_is_too_full(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    worker_up(queue)
    queue.settings.set("min_free_space", "1000000T")

    [(word, text)] = waits_for(ok, "a")

    assert word == "disk_low"
    assert re.fullmatch(r"the disk has [\d.]+ .B left, min_free_space is [\d.]+ PB", text)


def test_a_time_to_come_and_what_it_will_meet_then(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--delay", "2h", "x")
    queue.settings.set("max_running", "1")

    (due, text), (nobody, _) = waits_for(ok, "a")

    assert (due, nobody) == ("due", "no_worker")
    assert re.fullmatch(r"due at [-\d: ]+, in (2h00m|1h59m|1h60m)", text)


def test_who_is_held_says_so_first(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    ok("enqueue", "--id", "b", "--after", "a", "x")
    ok("hold", "a", "b")

    held = ("held", "held; release it with queuectl-tui release a")
    assert waits_for(ok, "a") == [held, ("no_worker", "no worker is up")]
    first, behind = json.loads(ok("show", "b", "--json"))["waits_for"]
    assert first == {"reason": "held", "text": held[1].replace(" a", " b")}
    assert behind == {"id": "a", "state": "pending", "reason": "dependency"}


def test_only_what_waits(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "done", "x")
    ran(queue)
    ok("enqueue", "--id", "runs", "x")
    claimed(queue)
    for job in json.loads(ok("list", "--json")):
        assert "waits_for" not in job


def test_what_is_listed_can_be_enqueued_again(ok: Ok) -> None:
    ok("enqueue", "--id", "a", "x")
    listed = ok("list", "--json")
    ok("cancel", "a")
    ok("delete", "a", "--yes")

    ok("enqueue", "-", stdin=listed.encode())


def test_a_long_list_reads_the_store_once(queue: Queue) -> None:
    from queuectl_tui.waiting import with_reasons

    queue.enqueue(NewJob(command="x", queue=f"q{at % 7}") for at in range(1_200))
    calls: list[int] = []
    status = queue.status
    queue.status = lambda: calls.append(1) or status()  # type: ignore[method-assign, func-returns-value]

    found = [*with_reasons(queue, queue.iter_jobs(JobFilter(), Order()))]

    assert len(found) == 1_200
    assert all([reason.word for reason in reasons] == ["no_worker"] for _, reasons in found)
    assert len(calls) == 1


# -- status


def test_status_tells_it_of_each_queue(ok: Ok, queue: Queue) -> None:
    for name in ("gpu", "net", "ok", "done"):
        ok("enqueue", "--queue", name, "x")
    ok("cancel", "--queue", "done")
    worker_up(queue, "net", "ok")
    ok("queue", "pause", "net")

    queues = json.loads(ok("status", "--json"))["queues"]
    told = {each["name"]: [one["reason"] for one in each.get("waits_for", ())] for each in queues}
    lines = {line.split()[0]: line for line in ok("status").splitlines() if line.split()}

    assert told == {"gpu": ["no_worker"], "net": ["queue_paused"], "ok": [], "done": []}
    assert lines["gpu"].endswith("no worker")
    assert lines["net"].endswith("queue paused")
    assert lines["ok"].endswith("-")


# -- wait


def test_wait_says_it_on_a_terminal_once_per_change(
    ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(narration, "_AFTER", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    ok("enqueue", "--id", "a", "--queue", "net", "x")
    ok("enqueue", "--id", "b", "--queue", "net", "x")
    ok("enqueue", "--id", "c", "--after", "a", "x")
    worker = worker_up(queue)
    claimed(queue, worker)
    narrator = narration.Narrator(queue)

    def said() -> str:
        narrator.next_at = 0.0
        narrator.tell(["a", "b", "c"])
        return capsys.readouterr().err

    assert said() == "waiting for 3 jobs: 1 running, 1 waiting for a free worker, 1 blocked\n"
    assert said() == ""
    ok("queue", "pause", "net")
    assert said() == "waiting for 3 jobs: 1 running, 1 queue net is paused, 1 blocked\n"
    assert said() == ""
    ok("queue", "resume", "net")
    assert said().startswith("waiting for 3 jobs: 1 running, 1 waiting for a free worker")
    with queue._database.write() as connection:
        connection.execute("UPDATE attempt SET pause_requested = 1, paused_since = 1")
    assert said().startswith("waiting for 3 jobs: 1 paused, 1 waiting for a free worker")


def test_without_a_terminal_wait_narrates_nothing(queue: Queue) -> None:
    assert narration.Narrator(queue).next_at == math.inf


def test_wait_narrates_after_a_while(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "queuectl_tui", "wait", "a"],
        stdout=subprocess.DEVNULL,
        stderr=slave,
        cwd=PROJECT,
    )
    os.close(slave)
    try:
        assert b"waiting for 1 job: 1 no worker is up" in os.read(master, 4096)
        ended(queue, claimed(queue))
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


# -- What is said at once


NOBODY = "No worker serves queue net; start one with: queuectl-tui worker start"
PAUSED = "Queue net is paused; its jobs start after: queuectl-tui queue resume net"
POOL = "Who serves queue net is paused; resume with: queuectl-tui worker resume --pool default"


@pytest.fixture
def brought_back(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "dead", "--queue", "net", "--max-retries", "0", "x")
    died(queue)
    worker_up(queue, "cpu")


@pytest.mark.usefixtures("brought_back")
@pytest.mark.parametrize(
    "words",
    [
        ("enqueue", "--queue", "net", "x"),
        ("retry", "dead"),
        ("retry", "--queue", "net"),
        ("dlq", "retry", "dead"),
        ("dlq", "retry", "--all"),
        ("schedule", "add", "s", "--every", "1h", "--queue", "net", "x"),
    ],
)
@pytest.mark.parametrize("why", ["nobody", "paused", "pool", ""])
def test_what_makes_jobs_says_that_nothing_will_run_them(
    words: tuple[str, ...], why: str, cli: Cli, ok: Ok, queue: Queue
) -> None:
    if why != "nobody":
        worker_up(queue)
    if why == "paused":
        ok("queue", "pause", "net")
    if why == "pool":
        queue.registry.set_paused("default", True)

    result = cli(*words)

    told = {"nobody": [NOBODY], "paused": [PAUSED], "pool": [POOL], "": []}[why]
    said = [line for line in result.stderr.splitlines() if line in (NOBODY, PAUSED, POOL)]
    assert (result.exit_code, said) == (0, told)
