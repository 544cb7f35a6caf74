"""``queue``: what waits and runs, paused and bounded; shown with real workers."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from store import NewJob
from store.queue import Queue
from tests.cli.conftest import Cli, claimed, one_error, ran
from tests.workers.rig import Rig, until

Ok = Callable[..., str]


def listed(ok: Ok, name: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {
        one["name"]: one for one in json.loads(ok("queue", "list", "--json"))
    }
    return found[name]


def test_what_waits_and_runs(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--queue", "mail", "--id", "a", "x")
    ok("enqueue", "--queue", "mail", "y")
    ok("enqueue", "--queue", "mail", "--after", "a", "z")
    ok("enqueue", "w")
    claimed(queue)

    mail = listed(ok, "mail")
    assert mail == {
        "name": "mail",
        "paused": False,
        "max_running": None,
        "pending": 1,
        "processing": 1,
        "slot_env": None,
        "slots": [],
        "counts": {
            **dict.fromkeys(("completed", "failed", "dead", "cancelled"), 0),
            **dict.fromkeys(("pending", "blocked", "processing"), 1),
        },
        "oldest_pending_seconds": mail["oldest_pending_seconds"],
        "completed_per_minute": 0,
    }
    heading, *rows = ok("queue", "list").splitlines()
    assert heading.split()[:3] == ["QUEUE", "DEPTH", "RUNNING"]
    assert [row.split()[:3] for row in rows] == [["default", "1", "0"], ["mail", "2", "1"]]


def test_an_empty_list(ok: Ok) -> None:
    assert json.loads(ok("queue", "list", "--json")) == []
    assert ok("queue", "list").startswith("QUEUE")


def test_a_paused_queue_starts_nothing(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--queue", "mail", "x")
    ok("enqueue", "--queue", "day", "x")

    assert cli("queue", "pause", "mail").stderr == "Queue mail is paused\n"
    assert listed(ok, "mail")["paused"] is True
    assert claimed(queue).queue == "day"
    assert queue.claim("w1") is None

    ok("queue", "resume", "--all")
    assert claimed(queue).queue == "mail"


def test_a_queue_can_be_paused_before_its_first_job(cli: Cli, ok: Ok, queue: Queue) -> None:
    assert cli("queue", "pause", "later").stderr == "Queue later is paused\n"
    ok("enqueue", "--queue", "later", "x")
    assert queue.claim("w1") is None


def test_limits_and_slots(ok: Ok, queue: Queue) -> None:
    ok("queue", "set", "gpu", "--max-running", "3", "--slot-env", "CUDA_VISIBLE_DEVICES=0,1,2,3")

    gpu = listed(ok, "gpu")
    assert (gpu["max_running"], gpu["slot_env"]) == (3, "CUDA_VISIBLE_DEVICES")
    assert gpu["slots"] == ["0", "1", "2", "3"]
    ok("enqueue", "--queue", "gpu", "x")
    assert ran(queue).env["CUDA_VISIBLE_DEVICES"] == "0"

    ok("queue", "set", "gpu", "--max-running", "none", "--slot-env", "none")
    assert (listed(ok, "gpu")["max_running"], listed(ok, "gpu")["slots"]) == (None, [])


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("set", "mail"), 2, "--max-running or --slot-env"),
        (("set", "a b", "--max-running", "1"), 2, "not a name"),
        (("set", "mail", "--max-running", "0"), 2, "pause the queue"),
        (("set", "mail", "--max-running", "many"), 2, "--max-running"),
        (("set", "mail", "--slot-env", "GPU"), 2, "--slot-env"),
        (("set", "mail", "--slot-env", "GPU=0,,1"), 2, "--slot-env"),
        (("set", "mail", "--slot-env", "=0,1"), 2, "--slot-env"),
        (("set", "mail", "--slot-env", "A B=0"), 2, "must name a variable"),
        (("set", "mail", "--slot-env", "1A=0"), 2, "must name a variable"),
        (("set", "mail", "--slot-env", "A=\udcff"), 2, "--slot-env"),
        (("pause",), 2, "names, or --all"),
        (("pause", "mail", "--all"), 2, "names, or --all"),
        (("pause", "a b"), 2, "not a name"),
        (("resume", "mail", "mial"), 1, "no such queue: mial; did you mean mail?"),
    ],
)
def test_what_is_refused(
    words: tuple[str, ...], code: int, error: str, cli: Cli, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--queue", "mail", "--delay", "1h", "x")
    before = ok("queue", "list")

    result = cli("queue", *words)

    assert (result.exit_code, error in one_error(result)) == (code, True)
    assert ok("queue", "list") == before


# -- With real workers


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("rig"))
    monkeypatch.setenv("QUEUECTL_DB", made.queue.url)
    yield made
    made.close()


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_never_more_run_than_the_queue_allows(ok: Ok, rig: Rig) -> None:
    ok("queue", "set", "net", "--max-running", "2")
    line = "echo + >> {0}; sleep 0.3; echo - >> {0}"
    there = str(rig.folder)
    for _ in range(20):
        ok("enqueue", "--queue", "net", "--cwd", there, line.format("net"))
        ok("enqueue", "--cwd", there, line.format("default"))
    rig.start(6)

    until(lambda: len(lines_of(rig.folder / "default")) == 40)
    left = rig.queue.count()
    net_when_default_was_done = lines_of(rig.folder / "net").count("-")
    ok("wait", "--all", "--timeout", "60")

    def most_at_once(name: str) -> int:
        steps = [1 if mark == "+" else -1 for mark in lines_of(rig.folder / name)]
        assert len(steps) == 40
        return max(accumulate(steps))

    assert left == 40
    assert most_at_once("net") == 2
    assert most_at_once("default") >= 4
    assert net_when_default_was_done < 20


def test_each_slot_is_given_once_though_a_worker_is_killed(ok: Ok, rig: Rig) -> None:
    ok("queue", "set", "gpu", "--slot-env", "GPU=a,b,c,d")
    line = 'echo "+ $GPU" >> log; sleep 0.3; echo "- $GPU" >> log'
    rig.queue.enqueue(NewJob(command=line, queue="gpu", cwd=str(rig.folder)) for _ in range(12))
    rig.start(6)
    until(lambda: len(lines_of(rig.folder / "log")) >= 4)
    busy = until(lambda: [worker for worker in rig.crew() if worker.job is not None])
    os.kill(busy[0].pid, signal.SIGKILL)
    ok("wait", "--all", "--timeout", "60")

    held: set[str] = set()
    used: set[str] = set()
    for mark, slot in map(str.split, lines_of(rig.folder / "log")):
        assert (slot in held) is (mark == "-")
        held ^= {slot}
        used.add(slot)
    assert (held, used) == (set(), set("abcd"))


def test_a_diamond_waits_for_its_arm(cli: Cli, ok: Ok, rig: Rig, tmp_path: Path) -> None:
    document = tmp_path / "diamond.json"
    document.write_text(
        json.dumps(
            [
                {"id": "end", "command": "echo end >> log", "depends_on": ["left", "right"]},
                {
                    "id": "left",
                    "command": "test -e mended && echo left >> log",
                    "depends_on": ["top"],
                    "max_retries": 0,
                },
                {"id": "right", "command": "echo right >> log", "depends_on": ["top"]},
                {"id": "top", "command": "echo top >> log"},
            ]
        )
    )
    ok("enqueue", "--file", str(document), "--cwd", str(rig.folder))
    rig.start(2)

    assert cli("wait", "end", "right", "--timeout", "60").exit_code == 1
    ok("wait", "right", "--timeout", "60")
    shown = json.loads(ok("show", "end", "--json"))
    left = {"id": "left", "state": "dead", "reason": "dependency"}
    assert (shown["state"], shown["waits_for"]) == ("blocked", [left])
    assert re.search("^waits for +left .DEAD.$", ok("show", "end"), re.MULTILINE)

    (rig.folder / "mended").touch()
    ok("dlq", "retry", "left")
    ok("wait", "end", "--timeout", "60")
    log = lines_of(rig.folder / "log")
    assert (log[0], log[-1]) == ("top", "end")
    assert sorted(log[1:3]) == ["left", "right"]
