"""``cancel``, ``retry``, ``delete``, ``prune``, ``dlq``: all or nothing; the worst asks first."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store import JobState, open_store
from store.queue import Queue
from tests.cli.conftest import PROJECT, Cli, claimed, died, one_error, ran

Ok = Callable[..., str]
NOBODY = "No worker serves queue default; start one with: queuectl-tui worker start\n"
TWO = '[{"id":"a","command":"x","max_retries":0},{"id":"b","command":"y","max_retries":0}]'


def ids(ok: Ok) -> list[str]:
    return sorted(job["id"] for job in json.loads(ok("list", "--json")))


# -- cancel, retry, delete


def test_cancel_a_waiting_and_a_running_job(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", TWO)
    claimed(queue)

    result = cli("cancel", "a", "b")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "a: is being stopped\nb: cancelled\n"
    assert queue.job("a").cancel_requested
    assert queue.job("b").state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cancel", "b", "b"), "b: cancelled\n"),
        (("retry", "a", "a"), "a: PENDING\n"),
        (("delete", "a", "a"), "a: deleted\n"),
        (("dlq", "delete", "a", "a"), "1 deleted\n"),
        (("edit", "b", "b", "--label", "l"), "b: edited\n"),
    ],
)
def test_a_job_that_is_named_twice_counts_once(
    words: tuple[str, ...], said: str, cli: Cli, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", TWO)
    died(queue)

    assert cli(*words).stderr.splitlines(keepends=True)[:2] in ([said], [said, NOBODY])


@pytest.mark.parametrize("name", ["INT", "SIGINT", "int", "2"])
def test_cancel_takes_a_signal(name: str, cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue)
    ok("enqueue", "--id", "b", "x")

    assert cli("cancel", "a", "b", "--signal", name).exit_code == 0

    assert queue.asked(lease).signal == signal.SIGINT
    assert queue.job("b").state is JobState.CANCELLED
    ok("cancel", "--state", "running")
    assert queue.asked(lease).signal is None


@pytest.mark.parametrize(
    ("name", "hint"), [("TERMM", "did you mean term?"), ("0", "such as"), ("9999999", "such as")]
)
def test_cancel_refuses_what_is_no_signal(name: str, hint: str, cli: Cli, ok: Ok) -> None:
    ok("enqueue", "--id", "a", "x")
    result = cli("cancel", "a", "--signal", name)
    assert result.exit_code == 2
    assert f"no such signal: {name}" in one_error(result)
    assert hint in one_error(result)
    assert cli("show", "a").stdout.count("PENDING") == 1


@pytest.mark.parametrize("verb", ["cancel", "retry", "delete"])
def test_all_or_nothing(verb: str, cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", TWO)
    if verb != "cancel":
        died(queue)
    before = ok("list", "--json")

    assert cli(verb, "a", "nowhere").exit_code == 1
    assert ok("list", "--json") == before
    assert cli(verb).exit_code == 2


def test_wrong_states(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", TWO)
    ran(queue)

    for words in (("cancel", "b", "a"), ("retry", "a", "b"), ("delete", "a", "b")):
        result = cli(*words)
        assert result.exit_code == 1
        one_error(result)
    assert queue.job("a").state is JobState.COMPLETED
    assert queue.job("b").state is JobState.PENDING


def test_retry_starts_over(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", TWO)
    died(queue)

    assert cli("retry", "a").stderr == f"a: PENDING\n{NOBODY}"

    assert (queue.job("a").state, queue.job("a").attempts) == (JobState.PENDING, 0)
    assert len(queue.history("a")) == 1


def test_delete(ok: Ok, queue: Queue) -> None:
    ok("enqueue", TWO)
    died(queue)

    ok("delete", "a")

    assert ids(ok) == ["b"]


# -- prune


@pytest.fixture
def finished(ok: Ok, queue: Queue) -> None:
    """a is dead, b completed, c cancelled, d pending."""
    ok("enqueue", TWO)
    died(queue)
    ran(queue)
    ok("enqueue", '[{"id":"c","command":"x"},{"id":"d","command":"x"}]')
    ok("cancel", "c")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((), ["d"]),
        (("--state", "DEAD"), ["b", "c", "d"]),
        (("--state", "done", "--state", "cancelled"), ["a", "d"]),
        (("--older-than", "1h"), ["a", "b", "c", "d"]),
        (("--older-than", "0"), ["d"]),
    ],
)
def test_prune(words: tuple[str, ...], left: list[str], ok: Ok) -> None:
    gone = sorted(ok("prune", "--dry-run", *words).split())
    assert ids(ok) == ["a", "b", "c", "d"]

    ok("prune", "--yes", *words)

    assert ids(ok) == left
    assert gone == sorted({"a", "b", "c", "d"} - set(left))


@pytest.mark.usefixtures("finished")
def test_an_age_needs_a_unit(cli: Cli, ok: Ok) -> None:
    result = cli("prune", "--yes", "--older-than", "30")

    assert result.exit_code == 2
    assert one_error(result).endswith("30 what? give 30s or 30d")
    assert ids(ok) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("finished")
def test_prune_of_unfinished_jobs(cli: Cli, ok: Ok) -> None:
    result = cli("prune", "--yes", "--state", "pending")

    assert result.exit_code == 2
    assert "PENDING" in one_error(result)
    assert "d" in ids(ok)


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("words", [("prune",), ("dlq", "delete", "--all")])
def test_bulk_deletes_need_yes_without_a_terminal(words: tuple[str, ...], cli: Cli, ok: Ok) -> None:
    result = cli(*words)

    assert result.exit_code == 2
    assert "--yes" in one_error(result)
    assert ids(ok) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("finished")
def test_one_job_is_one_job(cli: Cli, ok: Ok) -> None:
    assert "(1 job)" in one_error(cli("dlq", "delete", "--all"))
    assert "(3 jobs)" in one_error(cli("prune"))
    assert "Delete 1 dead job with its logs?" in on_a_terminal(b"n\n", "dlq", "delete", "--all")[1]
    assert "Delete 3 jobs with their logs?" in on_a_terminal(b"n\n", "prune")[1]


# -- dlq


@pytest.fixture
def dead(ok: Ok, queue: Queue) -> None:
    """a and b are dead, b of queue mail with a label; c is pending."""
    ok("enqueue", "--max-retries", "0", "--id", "a", "x")
    ok("enqueue", "--max-retries", "0", "--id", "b", "--queue", "mail", "--label", "l", "find me")
    died(queue, error="exit code 3: oops")
    died(queue)
    ok("enqueue", "--id", "c", "x")


@pytest.mark.usefixtures("dead")
def test_the_dlq_lists_dead_jobs(ok: Ok) -> None:
    def listed(*words: str) -> list[str]:
        return [job["id"] for job in json.loads(ok("dlq", "list", "--json", *words))]

    assert listed() == ["b", "a"]
    assert (
        listed("--queue", "mail") == listed("--label", "l") == listed("--search", "find") == ["b"]
    )
    assert listed("--queue", "none") == []
    assert "exit code 3: oops" in ok("dlq", "list")


@pytest.mark.usefixtures("dead")
def test_dlq_retry(ok: Ok, queue: Queue) -> None:
    ok("dlq", "retry", "--all", "--queue", "mail")
    assert (queue.job("b").state, queue.job("b").attempts) == (JobState.PENDING, 0)
    assert queue.job("a").state is JobState.DEAD

    ok("dlq", "retry", "a")
    assert queue.job("a").state is JobState.PENDING
    assert len(queue.history("a")) == 1


@pytest.mark.usefixtures("dead")
def test_dlq_delete(ok: Ok) -> None:
    ok("dlq", "delete", "a")
    assert ids(ok) == ["b", "c"]

    ok("dlq", "delete", "--all", "--yes")
    assert ids(ok) == ["c"]


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize("verb", ["retry", "delete"])
def test_the_dlq_is_for_dead_jobs(verb: str, cli: Cli, ok: Ok) -> None:
    before = ok("list", "--json")

    assert cli("dlq", verb, "a", "c").exit_code == 1
    assert cli("dlq", verb, "a", "nowhere").exit_code == 1
    for words in ((), ("a", "--all"), ("a", "--queue", "mail"), ("--queue", "")):
        assert cli("dlq", verb, *words).exit_code == 2
    assert ok("list", "--json") == before


# -- On a terminal


def on_a_terminal(answer: bytes, *words: str) -> tuple[int, str]:
    """Exit code and what stood on the terminal, after ``answer`` was typed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "queuectl_tui", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=PROJECT,
    )
    os.close(slave)
    os.write(master, answer)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # the other side has closed
        pass
    os.close(master)
    return process.wait(10), shown.decode()


@pytest.mark.usefixtures("dead")
def test_bulk_deletes_ask(ok: Ok) -> None:
    code, shown = on_a_terminal(b"n\n", "dlq", "delete", "--all")
    assert code == 1
    assert "Delete 2 dead jobs" in shown
    assert "find me" in shown
    assert "nothing was changed" in shown
    assert ids(ok) == ["a", "b", "c"]

    assert on_a_terminal(b"y\n", "dlq", "delete", "--all")[0] == 0
    assert ids(ok) == ["c"]


@pytest.mark.usefixtures("dead")
def test_yes_answers(ok: Ok) -> None:
    code, shown = on_a_terminal(b"", "dlq", "delete", "--all", "--yes")

    assert code == 0
    assert "?" not in shown
    assert ids(ok) == ["c"]


@pytest.mark.parametrize(("ran_for", "asked"), [(30_000, False), (125_000, True)])
def test_cancel_asks_about_what_has_run_for_long(
    ran_for: int, asked: bool, db: Path, ok: Ok, queue: Queue
) -> None:
    ok("enqueue", TWO)
    past = open_store(str(db), durable=False, clock=lambda: queue.now() - ran_for)
    assert past.claim("w1") is not None
    past.close()

    code, shown = on_a_terminal(b"n\n", "cancel", "a")

    assert bool(re.search("a  ran 2m..s  x", shown)) is asked
    assert (code, queue.job("a").cancel_requested) == ((1, False) if asked else (0, True))
