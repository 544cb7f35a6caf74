"""Filters in place of ids: ``cancel``, ``retry``, ``edit``, ``delete``, ``wait``, ``dlq``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from store import JobState
from store.queue import Queue
from tests.cli.conftest import Cli, claimed, died, one_error, ran
from tests.cli.test_control import on_a_terminal

Ok = Callable[..., str]


@pytest.fixture(autouse=True)
def jobs(ok: Ok, queue: Queue) -> None:
    """dead, done, gone (cancelled) and runs of queue mail; next of mail and other, with a label."""
    mail = ("enqueue", "--queue", "mail", "--max-retries", "0", "--id")
    ok(*mail, "dead", "x")
    died(queue)
    ok(*mail, "done", "x")
    ran(queue)
    ok(*mail, "gone", "x")
    ok("cancel", "gone")
    ok(*mail, "runs", "x")
    claimed(queue)
    ok(*mail, "next", "--env", "TOKEN=secret", "y")
    ok("enqueue", "--id", "other", "--label", "l", "find me")


def states(queue: Queue) -> dict[str, str]:
    return {job.id: job.state.value for job in queue.jobs()}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("cancel", "--queue", "mail"), ["runs", "next"]),
        (("cancel", "--state", "PENDING"), ["next", "other"]),
        (("cancel", "--search", "FIND"), ["other"]),
        (("cancel", "--label", "l", "--queue", "mail"), []),
        (("cancel", "next", "runs"), ["next", "runs"]),
        (("retry", "--queue", "mail"), ["dead", "gone"]),
        (("retry", "--queue", "mail", "--state", "done"), ["done"]),
        (("retry", "done"), ["done"]),
        (("delete", "--queue", "mail"), ["dead", "done", "gone"]),
        (("delete", "--state", "dead", "--state", "cancelled"), ["dead", "gone"]),
        (("edit", "--in-queue", "mail", "--label", "x"), ["dead", "done", "gone", "next"]),
        (("edit", "--with-label", "l", "--queue", "mail"), ["other"]),
        (("wait", "--queue", "mail"), ["dead", "done", "gone", "runs", "next"]),
        (("wait", "--all"), ["runs", "next", "other"]),
        (("dlq", "retry", "--queue", "mail"), ["dead"]),
        (("dlq", "retry", "--all"), ["dead"]),
        (("dlq", "delete", "--search", "nothing"), []),
    ],
)
def test_a_dry_run_prints_who_is_meant(
    words: tuple[str, ...], meant: list[str], ok: Ok, queue: Queue
) -> None:
    before = queue.jobs()

    assert ok(*words, "--dry-run").split() == meant
    assert queue.jobs() == before


def test_cancel(cli: Cli, queue: Queue) -> None:
    assert cli("cancel", "--queue", "mail").stderr == "1 cancelled, 1 running: being stopped\n"
    assert cli("cancel", "--status", "blocked").stderr == "0 cancelled\n"
    assert queue.job("runs").cancel_requested
    assert states(queue)["next"] == "cancelled"
    assert states(queue)["other"] == "pending"


def test_retry_leaves_completed_jobs_alone_unless_told(cli: Cli, ok: Ok, queue: Queue) -> None:
    assert cli("retry", "--queue", "mail").stderr.startswith("2 to run again\n")
    assert states(queue)["done"] == "completed"
    assert (states(queue)["dead"], states(queue)["gone"]) == ("pending", "pending")

    ok("retry", "--queue", "mail", "--state", "completed")
    assert states(queue)["done"] == "pending"


def test_delete_needs_yes(cli: Cli, ok: Ok, queue: Queue) -> None:
    result = cli("delete", "--queue", "mail")
    assert (result.exit_code, "--yes (3 jobs)" in one_error(result)) == (2, True)
    assert queue.count() == 6

    code, shown = on_a_terminal(b"n\n", "delete", "--queue", "mail")
    assert (code, "Delete 3 jobs" in shown, queue.count()) == (1, True, 6)

    ok("delete", "--queue", "mail", "--yes")
    assert set(states(queue)) == {"runs", "next", "other"}


def test_dlq_retry(ok: Ok, queue: Queue) -> None:
    ok("dlq", "retry", "--queue", "mail")

    assert (states(queue)["dead"], states(queue)["gone"]) == ("pending", "cancelled")


@pytest.mark.parametrize("words", [("dlq", "retry", "--all"), ("retry", "--label", "keyed")])
def test_those_are_retried_whose_unique_keys_are_free(
    words: tuple[str, ...], cli: Cli, ok: Ok, queue: Queue
) -> None:
    ok("cancel", "--state", "pending")
    ok("dlq", "delete", "--all", "--yes")
    for at in range(8):
        ok(*("enqueue", "--id", f"k{at}", "--label", "keyed", "--max-retries", "0"), "x")
        ok("edit", f"k{at}", "--unique-key", "k" if at < 7 else "free")
        died(queue)
    keys = ", ".join(f"k{at} (unique_key 'k' is held by k6)" for at in (5, 4, 3, 2, 1))
    told = f"6 jobs left as they are: {keys}, 1 more"

    dry = cli(*words, "--dry-run")
    assert (dry.exit_code, dry.stdout.split(), one_error(dry)) == (1, ["k6", "k7"], told)
    assert states(queue)["k6"] == "dead"
    named = cli(*words[: words.index("retry") + 1], "k5", "k6", "--dry-run")
    assert (named.exit_code, named.stdout) == (1, "")

    done = cli(*words)
    assert (done.exit_code, one_error(done)) == (1, told)
    assert done.stderr.startswith("2 ")
    assert (states(queue)["k6"], states(queue)["k5"]) == ("pending", "dead")

    again = cli(*words[: words.index("retry") + 1], "k5")
    assert (again.exit_code, "held by unfinished job k6" in one_error(again)) == (1, True)


def test_wait_counts_those_that_have_ended(cli: Cli, ok: Ok) -> None:
    assert cli("wait", "--queue", "mail", "--state", "completed").exit_code == 0
    assert cli("wait", "--queue", "mail", "--state", "completed", "--state", "dead").exit_code == 1
    assert cli("wait", "--queue", "mail", "--timeout", "0.1").exit_code == 124
    result = cli("wait", "--label", "mistyped")
    assert (result.exit_code, one_error(result)) == (1, "no job matches")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("cancel",), 2, "Give ids, or a filter such as --queue"),
        (("cancel", "next", "--queue", "mail"), 2, "not both"),
        (("cancel", "--state", "dead"), 2, "DEAD jobs cannot be cancelled"),
        (("cancel", "--label", ""), 2, "--label"),
        (("retry", "--state", "pending"), 2, "PENDING jobs cannot be retried"),
        (("delete", "--search", "", "--yes"), 2, "--search"),
        (("delete", "--dry-run", "next"), 1, "next is PENDING and cannot be deleted"),
        (("edit", "--label", "x"), 2, "such as --in-queue"),
        (("edit", "--state", "running", "--label", "x"), 2, "RUNNING jobs cannot be edited"),
        (("wait", "--all", "--queue", "mail"), 2, "--all"),
        (("dlq", "retry", "--queue", ""), 2, "--queue"),
        (("dlq", "retry", "next"), 1, "next is PENDING"),
    ],
)
def test_what_is_refused(
    words: tuple[str, ...], code: int, error: str, cli: Cli, queue: Queue
) -> None:
    before = queue.jobs()

    result = cli(*words)

    assert (result.exit_code, error in one_error(result)) == (code, True)
    assert queue.jobs() == before


# -- edit


def test_only_given_fields_change(cli: Cli, ok: Ok, queue: Queue) -> None:
    before = queue.job("next")

    assert cli("edit", "next", "--priority", "7", "--queue", "gpu").stderr == "next: edited\n"

    after = queue.job("next")
    assert (after.priority, after.queue) == (7, "gpu")
    for name in ("command", "cwd", "env", "max_retries", "run_at", "timeout", "created_at"):
        assert getattr(after, name) == getattr(before, name)


def test_a_masked_env_keeps_its_values(ok: Ok, queue: Queue) -> None:
    ok("edit", "next", "--env", "A=1", "--env", "EMPTY=")
    assert queue.job("next").env == {"TOKEN": "secret", "A": "1", "EMPTY": ""}

    ok("edit", "next", "--unset-env", "A", "--env", "TOKEN=new")
    assert queue.job("next").env == {"TOKEN": "new", "EMPTY": ""}
    assert claimed(queue).env["TOKEN"] == "new"


def test_an_env_variable_as_it_is_here(
    cli: Cli, ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "m")
    ok("edit", "next", "--env", "MINE")
    assert queue.job("next").env["MINE"] == "m"
    monkeypatch.delenv("MINE")
    assert cli("edit", "next", "--env", "MINE").exit_code == 2


def test_every_field(ok: Ok, queue: Queue) -> None:
    ok(
        *("edit", "next", "--delay", "1h", "--max-retries", "7", "--timeout", "10m"),
        *("--stop-grace", "3", "--backoff-base", "1.5", "--after", "runs", "--unique-key", "k"),
        *("--label", "nightly", "--cwd", "/tmp", "--on-dependency-failure", "run"),
        *("--command", "make all"),
    )
    job = queue.job("next")
    assert (job.max_retries, job.timeout, job.stop_grace, job.backoff_base) == (7, 600, 3, 1.5)
    assert (job.depends_on, job.state) == (("runs",), JobState.BLOCKED)
    assert (job.unique_key, job.label, job.cwd, job.line) == ("k", "nightly", "/tmp", "make all")
    assert job.on_dependency_failure.value == "run"
    assert 3_590_000 < job.run_at - queue.now() <= 3_600_000

    cleared = ("--after", "--unique-key", "--label", "--stop-grace", "--backoff-base", "--timeout")
    ok("edit", "next", *(word for name in cleared for word in (name, "")), "--", "make", "a b")
    job = queue.job("next")
    assert (job.depends_on, job.state, job.argv) == ((), JobState.PENDING, ("make", "a b"))
    assert (job.unique_key, job.label, job.stop_grace, job.backoff_base) == (None,) * 4
    assert (job.timeout, job.max_retries, job.command) == (0, 7, None)


def test_edit_of_several_is_all_or_nothing(cli: Cli, ok: Ok, queue: Queue) -> None:
    before = queue.jobs()

    for ids, code in ((("next", "runs"), 1), (("next", "nowhere"), 1)):
        assert cli("edit", *ids, "--label", "x").exit_code == code
        assert queue.jobs() == before
    assert cli("edit", "--in-queue", "mail", "--queue", "gpu").stderr == "4 edited\n"
    assert {job.id for job in queue.jobs() if job.queue == "gpu"} == {
        "dead",
        "done",
        "gone",
        "next",
    }


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("next",), 2, "Give a field to change"),
        (("next", "--priority", "5000"), 2, "--priority: must be an integer"),
        (("next", "--priority", "high"), 2, "--priority"),
        (("next", "--queue", ""), 2, "--queue: "),
        (("next", "--command", " "), 2, "command: must not be blank"),
        (("next", "--command", "x", "--", "y"), 2, "not both"),
        (("next", "--", "echo hi"), 2, "drop `--`"),
        (("next", "--after", "next"), 2, "wait for itself"),
        (("next", "--after", "nowhere"), 2, "nowhere"),
        (("next", "--env", "A=***"), 2, "--env.A: "),
        (("next", "--unique-key", "taken"), 1, "held by unfinished job holder"),
        (("runs", "--label", "x"), 1, "runs is RUNNING and cannot be edited"),
        (("nowhere", "--label", "x"), 1, "no such job"),
    ],
)
def test_edits_that_are_refused(
    words: tuple[str, ...], code: int, error: str, cli: Cli, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--id", "holder", "--unique-key", "taken", "x")
    before = queue.jobs()

    result = cli("edit", *words)

    assert (result.exit_code, error in one_error(result)) == (code, True)
    assert queue.jobs() == before
