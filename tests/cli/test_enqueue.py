"""Jobs in: every way that there is, and what is said about it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from store import JobState, Order, ProcessIdentity, WorkerKind
from store.queue import Queue
from tests.cli.conftest import Cli, Program, one_error, ran

Ok = Callable[..., str]


# -- Sources


def test_a_line_for_the_shell(ok: Ok, queue: Queue) -> None:
    job_id = ok("enqueue", "make && ./run").strip()

    job = queue.job(job_id)
    assert (job.command, job.argv, job.cwd) == ("make && ./run", None, os.getcwd())


@pytest.mark.parametrize("line", ["{ echo a; }", "[ -f x ] && rm x"])
def test_shell_lines_that_begin_with_a_bracket(line: str, ok: Ok, queue: Queue) -> None:
    assert queue.job(ok("enqueue", line).strip()).command == line


@pytest.mark.parametrize(
    "vector", [["make", "-j4"], ["true"], ['{"id":"x"}'], ["echo", "--", "a b", ""], ["sh", "--id"]]
)
def test_an_argument_vector(vector: list[str], ok: Ok, queue: Queue) -> None:
    job_id = ok("enqueue", "--queue", "q", "--", *vector).strip()

    job = queue.job(job_id)
    assert (job.command, job.argv, job.queue) == (None, tuple(vector), "q")


def test_a_program_whose_name_has_a_blank(ok: Ok, queue: Queue, tmp_path: Path) -> None:
    script = tmp_path / "my script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)

    assert queue.job(ok("enqueue", "--", str(script)).strip()).argv == (str(script),)


def test_inline_json(ok: Ok, queue: Queue) -> None:
    assert ok("enqueue", '{"id":"job1","command":"sleep 2"}') == "job1\n"
    assert ok("enqueue", ' [{"id":"a","command":"x"},{"id":"b","argv":["y"]}]') == "a\nb\n"
    assert queue.count() == 3


@pytest.mark.parametrize(
    "words", [("--enqueue", "F"), ("--enqueue=F",), ("enqueue", "--file", "F")]
)
def test_a_file(words: tuple[str, ...], ok: Ok, tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text('\ufeff{"id":"a","command":"x"}\n{"id":"b","command":"y"}\n')

    assert ok(*(word.replace("F", str(path)) for word in words)) == "a\nb\n"


@pytest.mark.parametrize("words", [("enqueue", "-"), ("--enqueue", "-"), ("enqueue", "-f", "-")])
def test_standard_input(words: tuple[str, ...], ok: Ok) -> None:
    assert ok(*words, stdin='{"id":"a","command":"x"}') == "a\n"


def test_root_options_around_the_file(ok: Ok, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")

    assert ok("--db", other, "--enqueue", "-", "--json", stdin='{"id":"a","command":"x"}')
    assert ok("list", "--db", other).count("\n") == 2
    assert ok("list").count("\n") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "Give a line"),
        (("echo", "hi"), "Several words"),
        (("a", "--", "b"), "Words on both sides"),
        (("--",), "give a program"),
        (("--", "echo hi"), "drop `--`"),
        (("--", '{"command": "echo hi"}'), "drop `--`"),
        (("--file", "x", "y"), "not both"),
        (("--file", "/nowhere/jobs.json"), "No such file"),
        (("--file", "/"), "directory"),
        (("--file", ""), "--file: must not be empty"),
        (("-c", "x", "y"), "not both"),
        (("-c", "x", "--", "y"), "not both"),
        (("-c", "x", "--file", "y"), "not both"),
        (("-c", ""), "command: must not be blank"),
        (("--each", "", "--", "true"), "--each: must not be empty"),
        (("",), "command: must not be blank"),
        (("--follow", "--json", "x"), "--follow"),
        (("--priority", "5000", "x"), "--priority: must be an integer"),
        (("--priority", "high", "x"), "--priority"),
        (("--max-retries", "1.0", "x"), "--max-retries"),
        (("--timeout", "soon", "x"), "--timeout: must be a duration"),
        (("--at", "noon", "x"), "--run-at: must be a time"),
        (("--delay", "5", "--at", "10:00", "x"), "--delay: give run_at or delay"),
        (("--after", "a b", "x"), "--depends-on[0]: "),
        (("--after", "nowhere", "x"), "--depends-on[0]: no job 'nowhere'"),
        (("--after", "nowhere", '{"command": "x"}'), "--depends-on[0]: no job 'nowhere'"),
        (("--env", "=x", "x"), '--env."": '),
        (("--env", "A=***", "x"), "--env.A: "),
        (("--env", "", "x"), "--env: give NAME"),
        (("--env", "QUEUECTL_NOT_SET", "x"), "QUEUECTL_NOT_SET is not set here"),
        (("--env", "QUEUECTL_NOT_SET", "--dry-run", "x"), "QUEUECTL_NOT_SET is not set here"),
        (("--id", "a b", "x"), "--id: "),
        (("--label", "x" * 201, "x"), "--label: "),
        (("--backoff-base", "nan", "x"), "--backoff-base: "),
        (("--no-such", "x"), "--no-such"),
        (("--quue", "x", "x"), "did you mean"),
    ],
)
def test_bad_usage(words: tuple[str, ...], error: str, cli: Cli, queue: Queue) -> None:
    result = cli("enqueue", *words)

    assert result.exit_code == 2
    assert error.lower() in one_error(result).lower()
    assert queue.count() == 0


@pytest.mark.parametrize("word", ["job.json", "@job.json", "./job.json", "list"])
def test_a_file_of_jobs_that_is_given_as_a_command(
    word: str, cli: Cli, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("job.json", "list"):
        Path(name).write_text('{"command": "true"}')

    result = cli("enqueue", word)

    assert (result.exit_code, queue.count()) == (2, 0)
    assert one_error(result).endswith(f"for the jobs in it, give --file {word.removeprefix('@')}")


def test_a_file_that_is_a_command(
    ok: Ok, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run.sh", "tool", "true", "job.json"):
        Path(name).write_text("")
    Path("tool").chmod(0o755)

    for line in ("./run.sh", "./tool", "true", "cat job.json", "./missing.json"):
        ok("enqueue", line)
        assert queue.jobs(limit=1)[0].command == line
    ok("enqueue", "--command", "job.json")
    assert queue.jobs(limit=1)[0].command == "job.json"


def test_a_line_as_an_option(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "-c", '{"command": "x"}', "--label", "l")

    (job,) = queue.jobs()
    assert (job.command, job.label) == ('{"command": "x"}', "l")


# -- Options


def test_every_option(
    ok: Ok, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ok("enqueue", '[{"id":"n1","command":"x"},{"id":"n2","command":"x"},{"id":"n3","command":"x"}]')

    ok(
        *("enqueue", "--id", "j", "--queue", "mail", "--priority", "-5", "--delay", "1h"),
        *("--max-retries", "7", "--timeout", "10m", "--stop-grace", "3", "--backoff-base", "1.5"),
        *("--depends-on", "n1,n2", "--after", "n3", "--env", "A=b=c", "--unique-key", "k"),
        *("--label", "nightly", "--cwd", "sub", "./run"),
    )

    job = queue.job("j")
    assert (job.queue, job.priority, job.max_retries) == ("mail", -5, 7)
    assert (job.timeout, job.stop_grace, job.backoff_base) == (600, 3, 1.5)
    assert (job.depends_on, job.state) == (("n1", "n2", "n3"), JobState.BLOCKED)
    assert (dict(job.env), job.unique_key, job.label) == ({"A": "b=c"}, "k", "nightly")
    assert job.cwd == str(tmp_path / "sub")
    assert 3_590_000 < job.run_at - queue.now() <= 3_600_000


def test_options_replace_what_json_says(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--queue", "night", '[{"id":"a","command":"x","queue":"day"}]')

    assert queue.job("a").queue == "night"


@pytest.mark.parametrize("option", ["--at", "--run-at"])
def test_run_at(option: str, ok: Ok) -> None:
    [job] = json.loads(ok("enqueue", option, "2030-01-02T03:04:05+01:00", "x", "--json"))

    assert job["run_at"] == "2030-01-02T02:04:05.000Z"


# -- The environment


def environment(queue: Queue) -> dict[str, str]:
    lease = ran(queue)
    return dict(lease.env)


def test_the_environment_is_taken_along(
    ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/venv")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("MINE", "m")

    ok("enqueue", "--env", "MINE", "--env", "VIRTUAL_ENV=/other", "x")

    seen = environment(queue)
    assert (seen["VIRTUAL_ENV"], seen["LC_TIME"], seen["MINE"]) == ("/other", "C", "m")
    assert seen["PATH"] == os.environ["PATH"]
    assert "SECRET" not in seen


def test_a_refused_batch_leaves_no_environment_behind(
    cli: Cli, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "m")

    assert cli("enqueue", "--env", "MINE", '[{"command": "x"}, {"command": ""}]').exit_code == 2
    assert cli("enqueue", "--env", "MINE", '{"command": "x", "depends_on": ["no"]}').exit_code == 2

    count = queue._database.connection().execute("SELECT count(*) FROM environment").fetchone()
    assert count == (0,)


def test_a_clean_environment(ok: Ok, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "m")

    ok("enqueue", "--clean-env", "--env", "MINE", "--env", "A=1", "x")

    assert environment(queue) == {"MINE": "m", "A": "1"}


def test_bytes_that_are_no_text_stay_behind(program: Program, queue: Queue) -> None:
    program.environ["LC_BAD"] = os.fsdecode(b"\xff")

    assert program.run("enqueue", "x").returncode == 0
    assert "LC_BAD" not in environment(queue)


# -- All or nothing


def test_an_id_in_use(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "b", "x")

    result = cli("enqueue", '[{"id":"a","command":"x"},{"id":"b","command":"x"}]')

    assert result.exit_code == 1
    assert "b" in one_error(result)
    assert [job.id for job in queue.jobs()] == ["b"]


def test_a_key_in_use(cli: Cli, ok: Ok) -> None:
    ok("enqueue", "--unique-key", "k", "--id", "a", "x")

    result = cli("enqueue", "--unique-key", "k", "x")

    assert result.exit_code == 1
    assert "job a" in one_error(result)


def test_a_dry_run_stores_nothing(cli: Cli, ok: Ok, queue: Queue) -> None:
    result = cli("enqueue", "--dry-run", '[{"id":"a","command":"x"}]')

    assert (result.exit_code, result.stdout) == (0, "a\n")
    assert "nothing was stored" in result.stderr
    assert queue.count() == 0
    ok("enqueue", "--id", "a", "x")
    assert cli("enqueue", "--dry-run", "--id", "a", "x").exit_code == 1


# -- Export and import


def test_what_is_listed_can_be_enqueued_elsewhere(ok: Ok, queue: Queue, tmp_path: Path) -> None:
    ok("enqueue", "--id", "done", "x")
    ran(queue)
    ok("enqueue", "--id", "next", "--after", "done", "--env", "A=secret", "--label", "ü\x85", "y")
    ok("enqueue", "--id", "later", "--at", "2030-01-01T00:00:00Z", "--", "z", "a b")
    exported = ok("list", "--json", "--show-env")
    other = ("--db", str(tmp_path / "other.db"))

    assert ok(*other, "enqueue", "-", stdin=exported) == "later\nnext\n"

    imported = {job["id"]: job for job in json.loads(ok(*other, "list", "--json", "--show-env"))}
    for job in json.loads(exported):
        if job["id"] in imported:
            same = set(job) - {"created_at", "updated_at", "depends_on"}
            assert {name: imported[job["id"]][name] for name in same} == {
                name: job[name] for name in same
            }
    assert imported["next"]["depends_on"] == []


def test_skipped_jobs_are_counted(cli: Cli, ok: Ok, queue: Queue) -> None:
    document = '[{"command":"x","state":"completed"},{"command":"y","state":"cancelled"}]'

    result = cli("enqueue", "-", stdin=document)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 skipped (1 cancelled, 1 completed)" in result.stderr
    assert queue.count() == 0
    assert len(ok("enqueue", "--all-states", "-", stdin=document).splitlines()) == 2


def test_a_masked_export_is_refused(cli: Cli, ok: Ok) -> None:
    ok("enqueue", "--env", "TOKEN=t", "x")

    result = cli("enqueue", "-", stdin=ok("list", "--json"))

    assert result.exit_code == 2
    assert "jobs[0].env.TOKEN" in one_error(result)


# -- Output


def test_ids_or_json(ok: Ok) -> None:
    assert re.fullmatch(r"[0-9a-z]{11}\n", ok("enqueue", "x"))
    [job] = json.loads(ok("enqueue", "--env", "A=1", "x", "--json"))
    assert job["env"] == {"A": "***"}


HINT = "No worker serves queue {}; start one with: queuectl-tui worker start\n"


def test_a_hint_when_no_worker_serves_the_queue(cli: Cli, queue: Queue) -> None:
    assert cli("enqueue", "x").stderr == HINT.format("default")

    worker = queue.registry.register(WorkerKind.WORKER, pool="p", host="h", queues=("mail",))
    queue.registry.identify(worker, ProcessIdentity(1, 1, "b"))
    queue.registry.heartbeat(worker)

    assert cli("enqueue", "--queue", "mail", "x").stderr == ""
    assert cli("enqueue", "x").stderr == HINT.format("default")


def test_a_large_batch(ok: Ok, queue: Queue) -> None:
    lines = "".join(f'{{"id":"j{number}","command":"x"}}\n' for number in range(20_000))

    assert ok("enqueue", "-", stdin=lines).split() == [f"j{number}" for number in range(20_000)]
    assert queue.count() == 20_000


def test_the_ids_of_a_large_batch_are_made_and_printed_in_order(ok: Ok, queue: Queue) -> None:
    lines = '{"command":"x"}\n' * 2_345

    told = json.loads(ok("enqueue", "--dry-run", "--json", "-", stdin=lines))
    ids = ok("enqueue", "-", stdin=lines)

    assert len({one["id"] for one in told}) == 2_345
    assert ids == "".join(f"{job.id}\n" for job in queue.jobs(order=Order()))
