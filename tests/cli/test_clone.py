"""``clone``: the same job again, with other fields where options say so."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from store import JobState
from store.queue import Queue
from tests.cli.conftest import Cli, claimed, died, one_error, ran

Ok = Callable[..., str]
NOTHING_RUNS_IT = "No worker serves queue {}; start one with: queuectl-tui worker start\n"
GIVEN = {
    "id": "a",
    "argv": ["make", "-j 4"],
    "queue": "q",
    "priority": 7,
    "max_retries": 0,
    "timeout": 90,
    "stop_grace": 3,
    "cwd": "/tmp",
    "env": {"A": "1", "B": "2"},
    "label": "l",
    "backoff_base": 3,
    "fail_on": [64],
    "nice": 5,
    "keep_children": True,
}


def test_it_has_the_same_fields_and_what_was_captured_then(
    cli: Cli, ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_PLACE", "then")
    ok("enqueue", json.dumps(GIVEN))
    died(queue)
    monkeypatch.setenv("LC_PLACE", "now")

    result = cli("clone", "a")

    assert (result.exit_code, result.stderr) == (0, NOTHING_RUNS_IT.format("q"))
    clone = queue.job(result.stdout.strip())
    assert clone.id != "a"
    assert clone.as_new()._replace(id="a") == queue.job("a").as_new()
    assert (clone.state, clone.attempts, clone.last_error) == (JobState.PENDING, 0, None)
    lease = claimed(queue)
    assert (lease.job_id, lease.env["LC_PLACE"]) == (clone.id, "then")
    assert queue.job("a").state is JobState.DEAD


def test_neither_a_time_nor_a_hold_is_taken_over(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--delay", "1h", "--hold", "x")
    ok("clone", "a", "--id", "b")
    job = queue.job("b")
    assert not job.held
    assert job.run_at == job.created_at
    ok("clone", "a", "--id", "c", "--delay", "10m", "--hold")
    assert queue.job("c").held
    assert queue.job("c").run_at >= job.run_at + 600_000
    assert claimed(queue).job_id == "b"


def test_options_replace_fields(ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "3")
    ok("enqueue", json.dumps(GIVEN))
    shown = json.loads(
        ok("clone", "a", "--json", "--show-env", "-c", "ls", "--env", "B=x", "--env", "HERE",
           "--priority", "", "--label", "", "--queue", "other")
    )  # fmt: skip
    assert (shown["command"], shown["argv"]) == ("ls", None)
    assert shown["env"] == {"A": "1", "B": "x", "HERE": "3"}
    assert (shown["priority"], shown["label"], shown["queue"]) == (0, None, "other")
    assert shown["timeout"] == 90
    assert queue.job(ok("clone", "a", "--", "ls", "-l").strip()).argv == ("ls", "-l")


def test_dependencies_and_the_unique_key_are_kept(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "first", "x")
    ok("enqueue", "--id", "a", "--after", "first", "--unique-key", "k", "x")
    assert "unique_key 'k' is held by unfinished job a" in one_error(cli("clone", "a"))
    ok("cancel", "a")
    clone = queue.job(ok("clone", "a").strip())
    assert (clone.state, clone.depends_on, clone.unique_key) == (JobState.BLOCKED, ("first",), "k")
    free = queue.job(ok("clone", "a", "--unique-key", "", "--after", "").strip())
    assert (free.state, free.unique_key) == (JobState.PENDING, None)


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("nobody",), 1, "no such job: nobody"),
        (("a", "--id", "a"), 1, "id in use: a"),
        (("a", "--after", "nobody"), 2, "--depends-on[0]: no job 'nobody'"),
        (("a", "--priority", "x"), 2, "--priority: must be an integer"),
        (("a", "--command", "x", "--", "x"), 2, "not both"),
        (("a", "--env", "NOT_SET_HERE"), 2, "NOT_SET_HERE is not set here"),
        (("a", "b"), 2, "unexpected extra argument"),
    ],
)
def test_what_cannot_be_cloned_stores_nothing(
    words: tuple[str, ...], code: int, problem: str, cli: Cli, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--id", "a", "x")
    ran(queue)
    result = cli("clone", *words)
    assert result.exit_code == code
    assert problem in one_error(result)
    assert queue.count() == 1
