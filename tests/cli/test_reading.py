"""``list``, ``show`` and ``status``: the JSON that scripts rely on, and tables for people."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Callable

import pytest

import workers
from queuectl_tui.output import worker_to_json
from store import AttemptState, Outcome, ProcessIdentity, Stream, WorkerKind
from store.queue import Queue
from tests.cli.conftest import (
    Cli,
    Program,
    claimed,
    died,
    ended,
    eventually,
    next_line,
    one_error,
    ran,
)
from workers.journal import Journal
from workers.processes import identify, start_clock

Ok = Callable[..., str]
HOSTILE = "[/red] \x1b]0;pwned\x07 \x1b[2J \x85\x9b31m \u202e 日本語"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

JOB = [
    *("id", "command", "argv", "state", "queue", "priority", "label", "attempts", "max_retries"),
    *("timeout", "stop_grace", "run_at", "cwd", "env", "depends_on", "unique_key", "backoff_base"),
    *("created_at", "updated_at", "started_at", "finished_at", "exit_code", "signal"),
    *("last_error", "worker"),
]
ATTEMPT = [
    *("attempt", "state", "started_at", "finished_at", "worker", "exit_code", "signal", "error"),
    *("cpu_seconds", "max_rss_bytes", "stdout_bytes", "stderr_bytes", "stdout_file"),
    "stderr_file",
]
WORKER = [
    *("id", "kind", "pool", "pid", "host", "state", "job", "attempt", "done", "failed"),
    *("started_at", "heartbeat_age", "cpu_percent", "rss_bytes", "queues"),
]


# -- list


def test_a_fresh_job_as_json(ok: Ok) -> None:
    ok("enqueue", "--id", "a", "--env", "A=1", "--timeout", "1m", "--cwd", "/tmp", "echo hi")

    [job] = json.loads(ok("list", "--json"))

    assert list(job) == [*JOB, "waits_for"]
    assert TIME.fullmatch(job["created_at"])
    assert job["run_at"] == job["created_at"] == job["updated_at"]
    assert job == {
        **dict.fromkeys(JOB),
        **{name: job[name] for name in ("run_at", "created_at", "updated_at")},
        "id": "a",
        "command": "echo hi",
        "state": "pending",
        "queue": "default",
        "priority": 0,
        "attempts": 0,
        "max_retries": 3,
        "timeout": 60,
        "cwd": "/tmp",
        "env": {"A": "***"},
        "depends_on": [],
        "waits_for": [{"reason": "no_worker", "text": "no worker is up"}],
    }


def test_numbers_are_whole_where_they_can_be(ok: Ok) -> None:
    ok("enqueue", "--timeout", "1.5", "--backoff-base", "2", "--stop-grace", "10", "x")

    assert '"timeout": 1.5, "stop_grace": 10, ' in ok("list", "--json")
    assert '"backoff_base": 2, ' in ok("list", "--json")


def test_an_empty_list(ok: Ok) -> None:
    assert json.loads(ok("list", "--json")) == []
    assert ok("list").splitlines() == ["ID  STATE  QUEUE  PRI  TRY  CREATED  EXIT  COMMAND"]


def test_env_is_masked_unless_asked_for(ok: Ok) -> None:
    ok("enqueue", "--id", "a", "--env", "TOKEN=secret", "x")

    for words in (("list", "--json"), ("show", "a"), ("show", "a", "--json")):
        assert "secret" not in ok(*words)
        assert "secret" in ok(*words, "--show-env") or words == ("list",)


def test_filters_sorting_and_pages(ok: Ok, queue: Queue) -> None:
    ok("enqueue", '[{"id":"a","command":"x","queue":"mail","priority":5,"label":"one"}]')
    died_document = '{"id":"b","command":"find me","max_retries":0}'
    ok("enqueue", died_document)
    ran(queue)
    died(queue)
    ok("enqueue", "--id", "c", "y")

    def ids(*words: str) -> list[str]:
        return [job["id"] for job in json.loads(ok("list", "--json", *words))]

    assert ids() == ["c", "b", "a"]
    assert ids("--reverse") == ["a", "b", "c"]
    assert ids("--limit", "1", "--offset", "1") == ["b"]
    assert ids("-n", "1", "--offset", "1", "--status", "dead", "--status", "done") == ["a"]
    assert ids("--limit", "9223372036854775807", "--offset", "1")[0] == "b"
    assert ids("--offset", "9223372036854775807") == []
    assert ids("--state", "DEAD") == ids("--state", "dead") == ["b"]
    assert ids("--state", "Done", "--state", "PENDING") == ["c", "a"]
    assert ids("--queue", "mail") == ids("--label", "one") == ["a"]
    assert ids("--search", "FIND") == ["b"]
    assert ids("--sort", "priority", "--reverse")[0] == "a"
    assert ids("--sort", "id") == ["a", "b", "c"]
    assert ids("--sort", "created-at") == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--state", "runing"), "did you mean running?"),
        (("--state", "x"), "one of pending"),
        (("--sort", "colour"), "one of created"),
        (("--limit", "-1"), "--limit"),
        (("--limit", "9223372036854775808"), "not in the range 0<=x<=9223372036854775807"),
        (("--offset", "9223372036854775808", "--json"), "not in the range"),
    ],
)
def test_bad_filters(words: tuple[str, ...], error: str, cli: Cli) -> None:
    result = cli("list", *words)

    assert result.exit_code == 2
    assert error in one_error(result)


def test_tables_show_a_hundred(cli: Cli, ok: Ok) -> None:
    ok("enqueue", "-", stdin='{"command":"x"}\n' * 150)

    result = cli("list")

    assert len(result.stdout.splitlines()) == 101
    assert result.stderr == "100 of 150\n"
    assert len(ok("list", "--limit", "120").splitlines()) == 121
    assert len(json.loads(ok("list", "--json"))) == 150


def test_a_table_fits(ok: Ok, monkeypatch: pytest.MonkeyPatch) -> None:
    ok("enqueue", "--queue", "q" * 60, "echo " + "日本" * 100)
    assert "日本" * 100 in ok("list")

    monkeypatch.setenv("COLUMNS", "80")

    assert all(len(line) <= 80 for line in ok("list").splitlines())
    assert "…" in ok("list")


# -- Text from outside


def hostile_job(ok: Ok, queue: Queue) -> None:
    document = {"id": "h", "command": HOSTILE, "label": HOSTILE, "max_retries": 0, "argv": None}
    ok("enqueue", json.dumps(document))
    died(queue, error=HOSTILE, stderr=HOSTILE.encode())


@pytest.mark.parametrize(
    "words", [("list",), ("show", "h"), ("dlq", "list"), ("logs", "h"), ("status",)]
)
def test_nothing_reaches_the_terminal_unescaped(
    words: tuple[str, ...], cli: Cli, ok: Ok, queue: Queue
) -> None:
    hostile_job(ok, queue)

    result = cli(*words)

    for text in (result.stdout, result.stderr):
        assert all(char.isprintable() or char == "\n" for char in text)
    if words != ("status",):
        assert r"[/red] \x1b]0;pwned\x07 \x1b[2J" in result.stdout + result.stderr
        assert "日本語" in result.stdout + result.stderr


@pytest.mark.parametrize(
    "words", [("list", "--json"), ("show", "h", "--json"), ("logs", "h", "--json")]
)
def test_json_is_utf8_without_controls(words: tuple[str, ...], ok: Ok, queue: Queue) -> None:
    hostile_job(ok, queue)

    text = ok(*words)

    assert "日本語" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert r"\u0085" in text
    value = json.loads(text)
    assert HOSTILE in (value[0] if isinstance(value, list) else value).values()


@pytest.mark.parametrize("words", [("show", HOSTILE), ("list", "--sort", HOSTILE), (HOSTILE,)])
def test_errors_are_escaped(words: tuple[str, ...], cli: Cli) -> None:
    result = cli(*words)

    assert result.exit_code in (1, 2)
    one_error(result)
    assert all(char.isprintable() or char == "\n" for char in result.stderr)


# -- show


def test_on_whom_a_blocked_job_waits(ok: Ok, queue: Queue) -> None:
    for name in ("a", "b", "c"):
        ok("enqueue", "--id", name, "--max-retries", "0", "x")
    ok("enqueue", "--id", "held", "--after", "a,b,c", "x")
    ok("enqueue", "--id", "bold", "--after", "a,b,c", "--on-dependency-failure", "run", "x")
    died(queue)
    ran(queue)

    def waits_for(job_id: str) -> list[tuple[str, str]]:
        needed = json.loads(ok("show", job_id, "--json")).get("waits_for", [])
        return [(one["id"], one["state"]) for one in needed]

    assert waits_for("held") == [("a", "dead"), ("c", "pending")]
    assert waits_for("bold") == [("c", "pending")]
    assert waits_for("a") == []
    assert re.search("^waits for +a .DEAD., c .PENDING.$", ok("show", "held"), re.MULTILINE)
    assert "waits for" not in ok("show", "a")


def test_history_as_json(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    ran(queue, state=AttemptState.TIMED_OUT, exit_code=None, error="timed out", stderr=b"12345")
    ok("retry", "a")
    ran(queue, stdout=b"hi\n")

    job = json.loads(ok("show", "a", "--json"))

    assert list(job) == [*JOB, "pid", "history"]
    first, second = job["history"]
    assert list(first) == ATTEMPT
    assert (first["attempt"], first["state"], first["error"]) == (1, "timed_out", "timed out")
    assert (first["stderr_bytes"], first["cpu_seconds"], first["max_rss_bytes"]) == (5, 0.5, 1024)
    assert (second["attempt"], second["state"], second["exit_code"]) == (2, "completed", 0)
    assert second["stdout_bytes"] == 3
    assert TIME.fullmatch(second["finished_at"])
    assert (job["state"], job["exit_code"], job["worker"]) == ("completed", 0, "w1")


def test_a_running_attempt_tells_what_it_has_printed(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue, "w1")
    (attempt,) = json.loads(ok("show", "a", "--json"))["history"]
    assert (attempt["stdout_bytes"], attempt["stderr_bytes"]) == (0, 0)
    queue.folders.scratch("w1", Stream.STDOUT).write_bytes(b"x" * 3000)
    queue.folders.scratch("w1", Stream.STDERR).write_bytes(b"oh\n")

    (attempt,) = json.loads(ok("show", "a", "--json"))["history"]
    assert (attempt["state"], attempt["stdout_bytes"], attempt["stderr_bytes"]) == (
        *("running", 3000, 3),
    )
    assert re.search("^ +1  RUNNING .* 2.9 KB  -$", ok("show", "a"), re.MULTILINE)
    queue.release(lease, Outcome(AttemptState.RELEASED))


def test_where_the_output_is(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    lease = claimed(queue, "w1")
    scratch = [queue.folders.scratch("w1", stream) for stream in Stream]
    for path in scratch:
        path.write_bytes(b"")
    (attempt,) = json.loads(ok("show", "a", "--json"))["history"]
    assert [attempt["stdout_file"], attempt["stderr_file"]] == [str(path) for path in scratch]
    assert " ".join(map(str, scratch)) in ok("show", "a")

    kept = queue.folders.kept(lease.attempt_id, Stream.STDERR)
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"x" * 40_000)
    ended(queue, lease, stdout=b"hi\n")
    (attempt,) = json.loads(ok("show", "a", "--json"))["history"]
    assert (attempt["stdout_file"], attempt["stderr_file"]) == (None, str(kept))
    kept.unlink()
    assert re.search("^output +in the store$", ok("show", "a"), re.MULTILINE)


def test_the_pid_of_a_running_command(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    assert json.loads(ok("show", "a", "--json"))["pid"] is None
    lease, journal = claimed(queue, "w1"), Journal(queue.folders.journal("w1"))
    journal.starting(lease.attempt_id)
    assert json.loads(ok("show", "a", "--json"))["pid"] is None
    with subprocess.Popen(["sleep", "60"]) as command:
        journal.started(lease.attempt_id, command.pid, start_clock())
        assert json.loads(ok("show", "a", "--json"))["pid"] == command.pid
        assert re.search(f"^pid +{command.pid}$", ok("show", "a"), re.MULTILINE)
        journal.started(lease.attempt_id, command.pid, 1)  # then it is another's pid by now
        assert json.loads(ok("show", "a", "--json"))["pid"] is None
        journal.started(lease.attempt_id + 1, command.pid, start_clock())
        assert json.loads(ok("show", "a", "--json"))["pid"] is None
        journal.started(lease.attempt_id, command.pid, start_clock())
        command.kill()
    assert json.loads(ok("show", "a", "--json"))["pid"] is None
    journal.close()


def test_history_as_a_table(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    died(queue, error="exit code 3: no such file")

    text = ok("show", "a")

    assert re.search(r"^state +DEAD$", text, re.MULTILINE)
    assert re.search(r"^ +1  FAILED .* exit code 3: no such file$", text, re.MULTILINE)


@pytest.mark.parametrize("words", [("show", "nowhere"), ("logs", "nowhere"), ("wait", "nowhere")])
def test_no_such_job(words: tuple[str, ...], cli: Cli) -> None:
    result = cli(*words)

    assert result.exit_code == 1
    assert one_error(result) == "no such job: nowhere"


# -- status


def test_status_as_json(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--queue", "mail", "x")
    ok("enqueue", "x")
    ran(queue)

    status = json.loads(ok("status", "--json"))

    assert list(status) == [
        *("counts", "workers", "queues", "oldest_pending_seconds", "completed_per_minute")
    ]
    assert status["counts"] == {
        **dict.fromkeys(("pending", "blocked", "processing", "failed", "dead", "cancelled"), 0),
        "pending": 1,
        "completed": 1,
    }
    assert status["workers"] == {"up": 0, "busy": 0, "stale": 0}
    shape = {"name", "paused", "max_running", "pending", "processing"}
    assert [each.keys() - {"waits_for"} for each in status["queues"]] == [shape, shape]
    assert status["oldest_pending_seconds"] >= 0
    assert status["completed_per_minute"] == 1


def test_status_of_an_empty_store(ok: Ok) -> None:
    assert json.loads(ok("status", "--json"))["oldest_pending_seconds"] is None
    assert "PENDING" in ok("status")


@pytest.mark.parametrize("how", ["delayed", "edited"])
def test_a_job_that_is_due_counts_as_waiting_without_a_supervisor(how: str, ok: Ok) -> None:
    ok("enqueue", "--id", "a", "--delay", "0.05" if how == "delayed" else "0", "x")
    if how == "edited":
        ok("edit", "a", "--priority", "1")

    eventually(lambda: json.loads(ok("status", "--json"))["oldest_pending_seconds"] is not None)
    [queue] = json.loads(ok("queue", "list", "--json"))
    assert queue["oldest_pending_seconds"] >= 0


def test_status_goes_on(program: Program, ok: Ok, queue: Queue) -> None:
    process = program.start("status", "--watch", "--json")
    assert json.loads(next_line(process))["counts"]["pending"] == 0
    ok("enqueue", "x")
    assert json.loads(next_line(process))["counts"]["pending"] == 1


def test_the_list_goes_on(program: Program, ok: Ok) -> None:
    process = program.start("list", "--watch", "--json", "--queue", "mail")
    assert json.loads(next_line(process)) == []
    ok("enqueue", "--queue", "mail", "--id", "a", "x")
    assert [job["id"] for job in json.loads(next_line(process))] == ["a"]


def test_the_list_goes_on_for_people(program: Program, ok: Ok) -> None:
    process = program.start("list", "--watch", "--limit", "1")
    assert next_line(process).startswith(b"ID ")
    assert next_line(process) == b"\n"
    ok("enqueue", "--id", "a", "x")
    assert next_line(process).startswith(b"ID ")
    assert next_line(process).startswith(b"a ")


# -- workers


def test_a_worker_as_json(queue: Queue) -> None:
    worker = queue.registry.register(WorkerKind.WORKER, pool="p", host="h", queues=("mail",))
    queue.registry.identify(worker, ProcessIdentity(7, 1, "b"))
    queue.registry.heartbeat(worker)

    shown = worker_to_json(queue.workers()[0])

    assert list(shown) == WORKER
    assert (shown["kind"], shown["state"], shown["pid"]) == ("worker", "idle", 7)
    assert (shown["queues"], shown["job"], shown["attempt"]) == (["mail"], None, None)


def test_who_was_killed_here_is_stale_at_once(ok: Ok, queue: Queue) -> None:
    process = subprocess.Popen(["sleep", "60"])
    identity = identify(process.pid)
    assert identity is not None
    here, boot = socket.gethostname(), identity.boot_id
    for host, known in (
        (here, identity),
        ("elsewhere", identity._replace(boot_id="another")),
        (here, identity._replace(boot_id=f"{boot.partition(' ')[0]} pid:[7]")),
    ):
        worker = queue.registry.register(WorkerKind.WORKER, pool="p", host=host, identity=known)
        queue.registry.heartbeat(worker)

    def states() -> list[str]:
        return [worker["state"] for worker in json.loads(ok("worker", "list", "--json"))]

    def counted() -> dict[str, int]:
        return dict(json.loads(ok("status", "--json"))["workers"])

    assert states() == ["idle", "idle", "idle"]
    assert counted() == {"up": 3, "busy": 0, "stale": 0}
    assert len(workers.up(queue)) == 3
    process.kill()
    process.wait()
    assert states() == ["stale", "idle", "idle"]
    assert "STALE" in ok("worker", "list")
    assert counted() == {"up": 2, "busy": 0, "stale": 1}
    assert "2 up, 0 busy, 1 stale" in ok("status")
    assert [worker.id for worker in workers.up(queue)] == ["w2", "w3"]


def test_a_running_job_has_a_worker(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "x")
    claimed(queue)

    [job] = json.loads(ok("list", "--json", "--state", "RUNNING"))

    assert (job["state"], job["worker"], job["attempts"]) == ("processing", "w1", 1)
    eventually(lambda: queue.job("a").started_at is not None)
