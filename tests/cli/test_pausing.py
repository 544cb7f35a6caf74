"""``pause`` and ``resume``: what they ask for, what they wait for, and what they say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from store import JobState, Lease, Pause, open_store
from store.queue import Queue
from tests.cli.conftest import Cli, claimed, ended, eventually, one_error

Ok = Callable[..., str]
PAUSED = Pause(asked=True, since=1)
REFUSED = Pause(asked=False, problem="another user's process can't be stopped: 42")


@pytest.fixture
def leases(ok: Ok, queue: Queue) -> dict[str, Lease]:
    """a, b and c run; d waits."""
    ok("enqueue", json.dumps([{"id": name, "command": "x"} for name in "abcd"]))
    return {lease.job_id: lease for lease in (claimed(queue) for _ in range(3))}


@contextmanager
def worker(queue: Queue, *answers: tuple[Lease, Pause]) -> Iterator[None]:
    """Does as it is asked, once it is: notes these answers, each on its attempt."""

    def work() -> None:
        mine = open_store(queue.url, durable=False)
        for lease, answer in answers:
            wanted = answer.since is not None or answer.problem is not None
            eventually(lambda lease=lease, wanted=wanted: mine.asked(lease).pause.asked is wanted)
            mine.note_pause(lease, answer)
        mine.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def pause(queue: Queue, lease: Lease) -> None:
    queue.pause([lease.job_id])
    queue.note_pause(lease, PAUSED)


def test_pause_returns_once_the_worker_has_done_it(
    cli: Cli, ok: Ok, queue: Queue, leases: dict[str, Lease]
) -> None:
    with worker(queue, (leases["a"], PAUSED), (leases["b"], PAUSED)):
        result = cli("pause", "a", "b")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "a: paused\nb: paused\n")
    shown = json.loads(ok("show", "a", "--json"))
    assert (shown["state"], shown["paused"]) == ("processing", True)
    assert "paused" not in json.loads(ok("show", "c", "--json"))
    listed = {line.split()[0]: line.split()[1] for line in ok("list").splitlines()[1:]}
    assert listed == {"a": "PAUSED", "b": "PAUSED", "c": "RUNNING", "d": "PENDING"}
    assert "PAUSED" in ok("show", "a")
    running = json.loads(ok("list", "--state", "running", "--json"))
    assert [job["id"] for job in running] == ["c", "b", "a"]


def test_resume_returns_once_the_worker_has_done_it(
    cli: Cli, queue: Queue, leases: dict[str, Lease]
) -> None:
    pause(queue, leases["a"])

    with worker(queue, (leases["a"], Pause(asked=True, seconds=4.0))):
        result = cli("resume", "a", "b")

    assert (result.exit_code, result.stderr) == (0, "a: resumed\nb: resumed\n")
    assert not queue.job("a").paused


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_named_ids_are_all_or_nothing(
    verb: str, cli: Cli, queue: Queue, leases: dict[str, Lease]
) -> None:
    if verb == "resume":
        pause(queue, leases["a"])
    before = queue.asked(leases["a"])

    for words in (("a", "d"), ("a", "nowhere")):
        result = cli(verb, *words)
        assert result.exit_code == 1
        one_error(result)
    assert queue.asked(leases["a"]) == before
    assert cli(verb).exit_code == 2
    assert cli(verb, "--state", "pending").exit_code == 2


def test_what_is_being_cancelled_is_not_paused(
    cli: Cli, queue: Queue, leases: dict[str, Lease]
) -> None:
    queue.cancel(["a"])

    assert "a is being cancelled" in one_error(cli("pause", "b", "a"))
    with worker(queue, (leases["b"], PAUSED), (leases["c"], PAUSED)):
        result = cli("pause", "--state", "running")

    assert (result.exit_code, result.stderr) == (0, "2 paused\n")
    assert not queue.asked(leases["a"]).pause.asked


def test_a_refusal_is_told_and_the_others_are_paused(
    cli: Cli, queue: Queue, leases: dict[str, Lease]
) -> None:
    with worker(queue, (leases["a"], PAUSED), (leases["b"], REFUSED)):
        result = cli("pause", "a", "b")

    assert result.exit_code == 1
    assert one_error(result) == "b runs on: another user's process can't be stopped: 42"
    assert queue.job("a").paused
    assert not queue.asked(leases["b"]).pause.asked

    with worker(queue, (leases["b"], PAUSED)):
        assert cli("pause", "b").exit_code == 0


@contextmanager
def ending(queue: Queue, lease: Lease, *, once_asked: bool) -> Iterator[None]:
    """The attempt ends as soon as it is asked to pause, or to go on."""

    def work() -> None:
        mine = open_store(queue.url, durable=False)
        eventually(lambda: mine.asked(lease).pause.asked is once_asked)
        ended(mine, lease)
        mine.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_one_that_ends_first_was_not_paused(
    cli: Cli, queue: Queue, leases: dict[str, Lease]
) -> None:
    with ending(queue, leases["a"], once_asked=True):
        result = cli("pause", "a")

    assert result.exit_code == 1
    assert one_error(result) == "a ended before it was paused"
    assert queue.job("a").state is JobState.COMPLETED
    assert one_error(cli("pause", "a")) == "a is DONE and cannot be paused"


def test_resumed_and_done_is_resumed(cli: Cli, queue: Queue, leases: dict[str, Lease]) -> None:
    pause(queue, leases["a"])

    with ending(queue, leases["a"], once_asked=False):
        result = cli("resume", "a")

    assert (result.exit_code, result.stderr) == (0, "a: resumed\n")
    assert not queue.job("a").paused


def test_a_silent_worker_is_named(cli: Cli, queue: Queue, leases: dict[str, Lease]) -> None:
    result = cli("pause", "a", "--timeout", "0.1")

    assert result.exit_code == 124
    said = one_error(result)
    assert said.startswith("not paused after 0.1s: a (worker w1 is silent)")
    assert queue.asked(leases["a"]).pause.asked


def test_filters_and_dry_runs(cli: Cli, ok: Ok, queue: Queue, leases: dict[str, Lease]) -> None:
    assert ok("pause", "--dry-run", "--search", "x") == "a\nb\nc\n"
    assert ok("pause", "--dry-run", "a") == "a\n"
    assert not queue.asked(leases["a"]).pause.asked
    pause(queue, leases["b"])
    assert ok("resume", "--dry-run", "--queue", "default") == "b\n"

    with worker(queue, (leases["b"], Pause(asked=True))):
        result = cli("resume", "--queue", "default")

    assert (result.exit_code, result.stderr) == (0, "1 resumed\n")
    assert cli("pause", "--label", "none").stderr == "0 paused\n"


def test_what_list_prints_can_be_enqueued(ok: Ok, queue: Queue, leases: dict[str, Lease]) -> None:
    pause(queue, leases["a"])
    printed = [job | {"id": None} for job in json.loads(ok("list", "--json"))]

    assert len(ok("enqueue", "-f", "-", stdin=json.dumps(printed)).split()) == 4
