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

from queuectl_tui.queue_limits import rate_text, start_rate
from store import NewJob
from store.queue import Queue
from store.timespec import parse_time
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
        "max_per_label": None,
        "rate": None,
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


def test_limits_to_what_begins_in_a_time_and_runs_with_a_label(ok: Ok, queue: Queue) -> None:
    ok("queue", "set", "api", "--rate", "2/1m", "--max-per-label", "1", "--max-running", "9")
    api = listed(ok, "api")
    assert (api["max_running"], api["max_per_label"]) == (9, 1)
    assert api["rate"] == {"starts": 2, "seconds": 60, "opens_at": None}
    assert "  9, 1 per label, 2/1m  " in ok("queue", "list")

    for _ in range(3):
        ok("enqueue", "--queue", "api", "--label", "red", "x")
    before = queue.now()
    first = claimed(queue)
    assert queue.claim("w1") is None
    ok("enqueue", "--queue", "api", "--label", "blue", "x")
    assert claimed(queue).job_id != first.job_id
    opens_at = listed(ok, "api")["rate"]["opens_at"]  # type: ignore[index]
    assert before <= parse_time(opens_at, 0) - 60_001 <= queue.now()

    ok("queue", "set", "api", "--rate", "none", "--max-per-label", "none")
    assert (listed(ok, "api")["max_per_label"], listed(ok, "api")["rate"]) == (None, None)
    assert [claimed(queue).queue, claimed(queue).queue] == ["api", "api"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10/1m", (10, 60)), ("1/s", (1, 1)), ("5/0.5", (5, 0.5)), (" 7 / 1h30m ", (7, 5400))],
)
def test_a_rate_as_people_write_it(text: str, expected: tuple[int, float]) -> None:
    rate = start_rate(text)
    assert rate == expected
    assert rate is not None
    assert start_rate(rate_text(rate)) == rate


def test_an_empty_queue_is_removed(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("queue", "set", "api", "--max-running", "1")
    ok("enqueue", "--queue", "mail", "--id", "a", "x")
    refused = cli("queue", "remove", "api", "mail")
    assert refused.exit_code == 1
    assert "queue mail has 1 job," in one_error(refused)
    assert cli("queue", "remove", "api").stderr == "Queue api is removed\n"
    ok("cancel", "a")
    ok("delete", "a")
    ok("queue", "remove", "mail", "mail")
    assert json.loads(ok("queue", "list", "--json")) == []


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("set", "mail", "--rate", "10"), 2, "--rate"),
        (("set", "mail", "--rate", "10/"), 2, "such as 10/1m"),
        (("set", "mail", "--rate", "0/1m"), 2, "pause the queue"),
        (("set", "mail", "--rate", "1000000/1m"), 2, "1 to 10000"),
        (("set", "mail", "--rate", "-1/1m"), 2, "--rate"),
        (("set", "mail", "--rate", "10/0"), 2, "0.001s to 366d"),
        (("set", "mail", "--rate", "10/1y"), 2, "such as 10/1m"),
        (("set", "mail", "--max-per-label", "0"), 2, "--max-per-label"),
        (("remove",), 2, "NAME"),
        (("remove", "mail"), 1, "queue mail has 1 job, finished ones included"),
        (("remove", "mial"), 1, "no such queue: mial; did you mean mail?"),
        (("set", "mail"), 2, "--rate or --slot-env"),
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


def test_a_rate_holds_over_all_workers_and_a_restart(ok: Ok, rig: Rig) -> None:
    ok("queue", "set", "api", "--rate", "4/1s")
    line = f"date +%s%N >> {rig.folder}/begun"
    ids = rig.queue.enqueue(NewJob(command=line, queue="api", cwd="/") for _ in range(12))
    rig.start(4)
    until(lambda: len(lines_of(rig.folder / "begun")) >= 5)
    rig.stop()
    rig.start(4)
    ok("wait", *ids, "--timeout", "60")

    claims = sorted(attempt.started_at for job in ids for attempt in rig.queue.history(job))
    assert len(claims) >= 12
    assert all(fifth - first > 1000 for first, fifth in zip(claims, claims[4:], strict=False))


def test_no_more_run_with_a_label_than_the_queue_allows(ok: Ok, rig: Rig) -> None:
    ok("queue", "set", "api", "--max-per-label", "1")
    line = 'echo "+ {0}" >> log; sleep 0.1; echo "- {0}" >> log'
    for label in ("red", "blue"):
        for _ in range(4):
            ok("enqueue", "--queue", "api", "--label", label, "--cwd", str(rig.folder),
               line.format(label))  # fmt: skip
    rig.start(4)
    ok("wait", "--all", "--timeout", "60")

    log = [line.split() for line in lines_of(rig.folder / "log")]
    for label in ("red", "blue"):
        assert [mark for mark, whose in log if whose == label] == ["+", "-"] * 4
    most = max(accumulate(1 if mark == "+" else -1 for mark, _ in log))
    assert most <= 2


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
