"""``hold`` and ``release``: who is meant, and what is said and shown."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from store.queue import Queue
from tests.cli.conftest import Cli, claimed, ended, one_error, ran

Ok = Callable[..., str]


@pytest.fixture(autouse=True)
def jobs(ok: Ok, queue: Queue) -> None:
    """done and runs; a of queue mail, b, and c behind it, wait."""
    ok("enqueue", "--id", "done", "x")
    ran(queue)
    ok("enqueue", "--id", "runs", "x")
    claimed(queue)
    ok("enqueue", "--id", "a", "--queue", "mail", "x")
    ok("enqueue", "--id", "b", "x")
    ok("enqueue", "--id", "c", "--after", "b", "x")


def held(ok: Ok) -> list[str]:
    return [job["id"] for job in json.loads(ok("list", "--held", "--json", "--sort", "id"))]


def test_named_jobs(cli: Cli, ok: Ok, queue: Queue) -> None:
    result = cli("hold", "a", "c")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "a: held\nc: held\n")
    assert cli("hold", "c", "b").stderr == "c: held already\nb: held\n"
    assert held(ok) == ["a", "b", "c"]
    assert queue.claim("w1") is None

    result = cli("release", "b", "c")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "b: released",
        "c: released",
        "No worker serves queue default; start one with: queuectl-tui worker start",
    ]
    assert cli("release", "b").stderr == "b: was not held\n"
    assert claimed(queue).job_id == "b"


@pytest.mark.parametrize("verb", ["hold", "release"])
@pytest.mark.parametrize("wrong", ["runs", "done", "nobody"])
def test_named_ids_are_all_or_nothing(verb: str, wrong: str, cli: Cli, ok: Ok) -> None:
    ok("hold", "a")
    for more in ((), ("--dry-run",)):
        result = cli(verb, "a", "b", wrong, *more)
        assert result.exit_code == 1
        assert wrong in one_error(result)
    assert held(ok) == ["a"]


def test_all_that_match(cli: Cli, ok: Ok) -> None:
    ok("hold", "b")
    assert ok("hold", "--search", "x", "--dry-run") == "a\nc\n"
    assert held(ok) == ["b"]
    assert cli("hold", "--search", "x").stderr == "2 held\n"
    assert ok("release", "--state", "blocked", "--dry-run") == "c\n"
    assert cli("release", "--queue", "mail").stderr.startswith("1 released\nNo worker serves queue")
    assert held(ok) == ["b", "c"]


@pytest.mark.parametrize(
    "words", [("hold",), ("release",), ("hold", "--state", "done"), ("hold", "a", "--queue", "x")]
)
def test_bad_usage_changes_nothing(words: tuple[str, ...], cli: Cli, ok: Ok) -> None:
    assert cli(*words).exit_code == 2
    assert held(ok) == []


def test_held_is_no_state_but_a_filter(cli: Cli, ok: Ok) -> None:
    ok("hold", "a")
    assert "held jobs are found by --filter held:yes" in one_error(cli("list", "--state", "held"))
    assert ok("list", "--filter", "held:yes", "--columns", "id", "--no-header") == "a\n"
    assert ok("cancel", "--filter", "held:yes", "--dry-run") == "a\n"


def test_it_is_seen(ok: Ok) -> None:
    ok("hold", "a", "c")
    listed = {line.split()[0]: line.split()[1] for line in ok("list").splitlines()[1:]}
    assert listed == {
        "done": "DONE", "runs": "RUNNING", "a": "HELD", "b": "PENDING", "c": "HELD"
    }  # fmt: skip
    shown = ok("show", "c")
    assert "HELD (BLOCKED)" in shown
    assert "held; release it with queuectl-tui release c, b (PENDING)" in shown
    of_a = json.loads(ok("show", "a", "--json"))
    assert (of_a["state"], of_a["held"]) == ("pending", True)
    assert "held" not in json.loads(ok("show", "b", "--json"))
    assert [job["id"] for job in json.loads(ok("list", "--state", "pending", "--json"))] == [
        "b", "a"
    ]  # fmt: skip


def test_who_waits_for_all_does_not_wait_for_what_is_held(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("hold", "a", "b")
    ended(queue, queue.leases("w1")[0])
    assert cli("wait", "--all", "--timeout", "20s").exit_code == 1
