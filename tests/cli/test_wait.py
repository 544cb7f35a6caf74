"""``wait``: until jobs end, and what the exit code then says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from store.queue import Queue
from tests.cli.conftest import Cli, Program, claimed, died, ended, one_error, ran

Ok = Callable[..., str]


def test_all_completed(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    ran(queue)
    ran(queue)

    assert cli("wait", "a", "b").exit_code == 0


def test_one_died(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x","max_retries":0},{"id":"b","command":"x"}]')
    died(queue)
    ran(queue)

    assert cli("wait", "b").exit_code == 0
    assert cli("wait", "a", "b").exit_code == 1


def test_it_waits(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    process = program.start("wait", "--all")
    ran(queue)
    last = claimed(queue)
    assert process.poll() is None
    ended(queue, last)

    assert process.wait(10) == 0


def test_all_means_those_unfinished_now(cli: Cli, ok: Ok, queue: Queue) -> None:
    assert cli("wait", "--all").exit_code == 0
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    died(queue)

    assert cli("wait", "--all").exit_code == 0


@pytest.mark.parametrize("how", ["dead", "cancelled"])
def test_blocked_behind_what_will_not_complete(how: str, cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    ok("enqueue", "--id", "b", "--after", "a", "x")
    ok("enqueue", "--id", "c", "--after", "b", "x")
    if how == "dead":
        died(queue)
    else:
        ok("cancel", "a")

    assert cli("wait", "c", "--timeout", "5").exit_code == 1


def test_blocked_behind_what_may_complete(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    ok("enqueue", "--id", "c", "--after", "a,b", "x")
    ran(queue)

    assert cli("wait", "c", "--timeout", "0.1").exit_code == 124


def test_held_jobs_and_those_behind_them_have_ended(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    ok("enqueue", "--id", "c", "--after", "a", "x")
    with queue._database.write() as connection:
        connection.execute("UPDATE job SET held = 1, ready = 0 WHERE id = 'a'")

    assert cli("wait", "a", "c", "--timeout", "5").exit_code == 1
    result = cli("wait", "--all", "--timeout", "0.1")
    assert (result.exit_code, one_error(result)) == (124, "timed out; 1 unfinished: b")


def test_a_timeout(cli: Cli, ok: Ok) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    began = time.monotonic()

    result = cli("wait", "--all", "--timeout", "0.2")

    assert result.exit_code == 124
    assert one_error(result) == "timed out; 2 unfinished: a, b"
    assert 0.2 <= time.monotonic() - began < 2


def test_a_timeout_comes_however_much_changes(
    cli: Cli, ok: Ok, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("enqueue", "--id", "a", "x")
    monkeypatch.setattr("queuectl_tui.commands.wait.until_changed", lambda *_, **__: True)

    assert cli("wait", "a", "--timeout", "0.1").exit_code == 124


def test_a_deleted_job_has_ended(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    process = program.start("wait", "b", "a")
    ran(queue)
    ok("delete", "a")
    ran(queue)

    assert process.wait(10) == 1


def test_as_json(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x","max_retries":0},{"id":"b","command":"x"}]')
    ok("enqueue", "--id", "c", "--after", "a", "--env", "A=secret", "x")
    died(queue, stderr=b"oh\n")
    ran(queue)

    for words, code in (("b", "a", "c"), 1), (("b",), 0), (("--queue", "default"), 1):
        result = cli("wait", *words, "--json")

        assert (result.exit_code, result.stderr) == (code, "")
        ids = ("a", "b", "c") if words[0] == "--queue" else words
        assert json.loads(result.stdout) == [
            json.loads(ok("show", job_id, "--json")) for job_id in ids
        ]


def test_all_as_json(program: Program, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"},{"id":"c","command":"x"}]')
    ran(queue)
    process = program.start("wait", "--all", "--json")
    assert program.run("wait", "--all", "--json", "--timeout", "1").returncode == 124
    ran(queue)
    ran(queue)

    out, error = process.communicate(timeout=10)

    assert (process.returncode, error) == (0, b"")
    assert [(job["id"], job["state"]) for job in json.loads(out)] == [
        ("b", "completed"),
        ("c", "completed"),
    ]


def test_nothing_to_wait_for_as_json(ok: Ok) -> None:
    assert json.loads(ok("wait", "--all", "--json")) == []


def test_a_timeout_as_json(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')
    ran(queue)

    result = cli("wait", "a", "b", "--timeout", "0.1", "--json")

    assert result.exit_code == 124
    assert one_error(result) == "timed out; 1 unfinished: b"
    shown = [(job["state"], len(job["history"])) for job in json.loads(result.stdout)]
    assert shown == [("completed", 1), ("pending", 0)]


def test_who_was_deleted_meanwhile_is_left_out_of_json(
    cli: Cli, ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')

    def meanwhile(*_: object, **__: object) -> bool:
        ran(queue)
        ran(queue)
        queue.delete(["a"])
        return True

    monkeypatch.setattr("queuectl_tui.commands.wait.until_changed", meanwhile)

    result = cli("wait", "a", "b", "--json")

    assert result.exit_code == 1
    assert [job["id"] for job in json.loads(result.stdout)] == ["b"]


def test_a_dry_run_as_json(ok: Ok) -> None:
    ok("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')

    assert json.loads(ok("wait", "--all", "--dry-run", "--json")) == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("words", [(), ("a", "--all"), ("--all", "--timeout", "x")])
def test_bad_usage(words: tuple[str, ...], cli: Cli) -> None:
    assert cli("wait", *words).exit_code == 2
