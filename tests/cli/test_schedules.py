"""``schedule``: recurring jobs, added, listed, shown, paused and removed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store import AttemptState, JobFilter, open_store
from store.queue import Queue
from tests.cli.conftest import Cli, one_error, ran
from tests.cli.test_control import on_a_terminal
from tests.workers.rig import Rig, until

Ok = Callable[..., str]


def fire(db: Path, queue: Queue, seconds: float) -> list[str]:
    """What ticks make that come within ``seconds`` from now."""
    ahead = open_store(str(db), durable=False, clock=lambda: queue.now() + int(seconds * 1000))
    made = ahead.schedules.fire_due()
    ahead.close()
    return made


def test_a_schedule_with_every_option(ok: Ok, queue: Queue, tmp_path: Path) -> None:
    ok(
        *("schedule", "add", "nightly", "--cron", "0 3 * * *", "--tz", "Europe/Berlin"),
        *("--overlap", "queue", "--catch-up", "--queue", "night", "--priority", "5"),
        *("--max-retries", "1", "--timeout", "2h", "--env", "A=secret", "--label", "backup"),
        *("--cwd", str(tmp_path), "--", "./backup.sh", "a b"),
    )

    [one] = json.loads(ok("schedule", "list", "--json"))
    assert one == {
        "name": "nightly",
        "cron": "0 3 * * *",
        "every": None,
        "tz": "Europe/Berlin",
        "overlap": "queue",
        "catch_up": True,
        "paused": False,
        "next_at": one["next_at"],
        "command": None,
        "argv": ["./backup.sh", "a b"],
        "queue": "night",
        "last_job": None,
    }
    job = queue.schedules.get("nightly").job
    assert (job.priority, job.max_retries, job.timeout) == (5, 1, 7200)
    assert (job.env, job.label, job.cwd) == ({"A": "secret"}, "backup", str(tmp_path))
    shown = ok("schedule", "show", "nightly")
    assert "./backup.sh 'a b'" in shown
    assert "secret" not in shown


def test_next_ticks_and_last_results(ok: Ok, db: Path, queue: Queue) -> None:
    ok("schedule", "add", "beat", "--every", "5", "--max-retries", "0", "--overlap", "allow", "x")
    first, second = fire(db, queue, 10)
    ran(queue)
    ran(queue, state=AttemptState.FAILED, exit_code=3)

    shown = json.loads(ok("schedule", "show", "beat", "--json"))
    assert len(shown["upcoming"]) == 5
    assert shown["upcoming"][0] > shown["next_at"][:10]
    assert [(job["id"], job["state"]) for job in shown["last_jobs"]] == [
        (second, "dead"),
        (first, "completed"),
    ]
    assert shown["last_job"] == {"id": second, "state": "dead"}
    assert json.loads(ok("show", first, "--json"))["schedule"] == "beat"
    _, row = ok("schedule", "list").splitlines()
    assert row.split()[:3] == ["beat", "every", "5.0s"]
    assert f"{second}  DEAD" in row
    assert "DONE" in ok("schedule", "show", "beat")


def test_a_job_takes_along_where_its_schedule_was_added(
    ok: Ok, db: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "m")
    ok("schedule", "add", "beat", "--every", "5", "--env", "MINE", "x")
    monkeypatch.delenv("MINE")

    assert len(fire(db, queue, 5)) == 1
    lease = ran(queue)
    assert (lease.env["MINE"], lease.cwd, lease.command) == ("m", os.getcwd(), "x")


def test_pause_resume_and_remove(cli: Cli, ok: Ok, db: Path, queue: Queue) -> None:
    ok("schedule", "add", "beat", "--every", "10", "x")

    assert cli("schedule", "pause", "beat").stderr == "beat: paused\n"
    assert fire(db, queue, 30) == []
    [one] = json.loads(ok("schedule", "list", "--json"))
    assert (one["paused"], one["next_at"]) == (True, None)
    assert json.loads(ok("schedule", "show", "beat", "--json"))["upcoming"] == []
    ok("schedule", "resume", "beat")
    assert len(fire(db, queue, 10)) == 1

    assert cli("schedule", "remove", "beat", "nowhere").exit_code == 1
    assert cli("schedule", "remove", "beat").stderr == "beat: removed\n"
    assert json.loads(ok("schedule", "list", "--json")) == []
    assert queue.count() == 1


def test_removal_asks_on_a_terminal(ok: Ok) -> None:
    ok("schedule", "add", "beat", "--every", "10", "x")

    code, shown = on_a_terminal(b"n\n", "schedule", "remove", "beat")
    assert (code, "Remove beat?" in shown) == (1, True)
    assert on_a_terminal(b"", "schedule", "remove", "--yes", "beat")[0] == 0
    assert json.loads(ok("schedule", "list", "--json")) == []


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("new", "x"), 2, "--cron EXPR or --every"),
        (("new", "--cron", "@daily", "--every", "5", "x"), 2, "--cron or --every, not both"),
        (("new", "--every", "5", "--tz", "UTC", "x"), 2, "--tz goes with --cron"),
        (("new", "--cron", "61 * * * *", "x"), 2, "cron"),
        (("new", "--cron", "@daily", "--tz", "Nowhere/Land", "x"), 2, "no such time zone"),
        (("new", "--every", "0.1", "x"), 2, "every"),
        (("new", "--every", "5"), 2, "After the name"),
        (("new", "--every", "5", "a", "b"), 2, "After the name"),
        (("new", "--every", "5", "a", "--", "b"), 2, "both sides"),
        (("new", "--every", "5", "--", "echo hi"), 2, "drop `--`"),
        (("new", "--every", "5", "--priority", "9999", "x"), 2, "--priority"),
        (("new", "--every", "5", "--overlap", "never", "x"), 2, "--overlap"),
        (("new", "--every", "5", "--env", "", "x"), 2, "--env: give NAME"),
        (("new", "--every", "5", "--env", "QUEUECTL_NOT_SET", "x"), 2, "is not set here"),
        (("a b", "--every", "5", "x"), 2, "not a name"),
        (("beat", "--every", "5", "x"), 1, "exists already"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], code: int, error: str, cli: Cli, ok: Ok) -> None:
    ok("schedule", "add", "beat", "--every", "10", "x")

    result = cli("schedule", "add", *words)

    assert (result.exit_code, error in one_error(result)) == (code, True)
    assert len(json.loads(ok("schedule", "list", "--json"))) == 1


def test_an_unknown_name(cli: Cli, ok: Ok) -> None:
    ok("schedule", "add", "beat", "--every", "10", "x")

    for verb in ("show", "pause", "resume", "remove"):
        result = cli("schedule", verb, "baet")
        assert (result.exit_code, "did you mean beat?" in one_error(result)) == (1, True)


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("rig"))
    monkeypatch.setenv("QUEUECTL_DB", made.queue.url)
    yield made
    made.close()


def test_a_tick_makes_one_job_though_a_supervisor_is_killed(ok: Ok, rig: Rig) -> None:
    supervisors = [rig.start(1, pool=name) for name in ("one", "two")]
    ok("schedule", "add", "beat", "--every", "1s", "--overlap", "allow", "true")
    begun = rig.queue.schedules.get("beat").next_at
    made = JobFilter(schedule="beat")

    until(lambda: rig.queue.count(made) >= 15)
    os.kill(supervisors[0].pid, signal.SIGKILL)
    until(lambda: rig.queue.now() >= begun + 29_500)
    ok("schedule", "remove", "beat")

    with closing(sqlite3.connect(rig.queue.path)) as reader:
        rows = reader.execute("SELECT tick FROM job WHERE schedule = 'beat' ORDER BY tick")
        ticks = [(tick - begun) / 1000 for (tick,) in rows]
    assert len(set(ticks)) == len(ticks)
    half_a_minute = [tick for tick in ticks if tick < 30]
    assert 29 <= len(half_a_minute) <= 31
    assert set(half_a_minute) <= set(range(30))
