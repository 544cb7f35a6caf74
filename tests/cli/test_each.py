"""``enqueue --each``: a job for each line, and only what is new with ``--if-exists skip``."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import AttemptState, Order
from store.queue import Queue
from tests.cli.conftest import Cli, Program, one_error, ran

Ok = Callable[..., str]


def vectors(queue: Queue) -> list[tuple[str, ...]]:
    return [job.argv or () for job in queue.jobs(None, Order())]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("{}",), ("cat", "dir.d/a b.tar.gz")),
        (("{.}",), ("cat", "dir.d/a b.tar")),
        (("{/}",), ("cat", "a b.tar.gz")),
        (("{//}",), ("cat", "dir.d")),
        (("{/.}",), ("cat", "a b.tar")),
        (("-x{.}.mkv{}", "{nothing}"), ("cat", "-xdir.d/a b.tar.mkvdir.d/a b.tar.gz", "{nothing}")),
        ((), ("cat", "dir.d/a b.tar.gz")),
        (("-n",), ("cat", "-n", "dir.d/a b.tar.gz")),
    ],
)
def test_placeholders(
    words: tuple[str, ...], expected: tuple[str, ...], ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--each", "-", "--", "cat", *words, stdin="dir.d/a b.tar.gz\n")

    assert vectors(queue) == [expected]


def test_parts_of_plain_and_hidden_names(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--each", "-", "--", "x", "{.}", "{//}", stdin="plain\n.hidden\n/root.txt\na.d/b")

    assert [vector[1:] for vector in vectors(queue)] == [
        ("plain", "."),
        (".hidden", "."),
        ("/root", "/"),
        ("a.d/b", "a.d"),
    ]


HOSTILE = [
    "; rm -rf ~",
    "$(reboot)",
    "'",
    '"',
    "{}{.}",
    "--id",
    "-",
    " blank ",
    "\t",
    "ü\x1b[2J",
    "a\r",
]


def test_hostile_lines_are_arguments(ok: Ok, queue: Queue, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes("\n\n".join(HOSTILE).encode())

    printed = ok("enqueue", "--each", str(lines), "--", "echo", "<{}>").split()

    assert vectors(queue) == [("echo", f"<{line}>") for line in HOSTILE]
    assert printed == [job.id for job in queue.jobs(None, Order())]


def test_lines_parted_by_nul(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "-0", "--each", "-", "--", "cat", stdin="a\nb\0\0c\0")

    assert vectors(queue) == [("cat", "a\nb"), ("cat", "c")]


def test_options_are_those_of_every_job(ok: Ok, queue: Queue) -> None:
    words = ("--queue", "film", "--max-retries", "1", "--id", "film-{/.}", "--label", "of {}")
    ok(
        "enqueue",
        "--each",
        "-",
        *words,
        "--unique-key",
        "{}",
        "--",
        "x",
        stdin="d/1.avi\nd/2.avi\n",
    )

    first, second = queue.jobs(None, Order())
    assert (first.id, first.label, first.unique_key) == ("film-1", "of d/1.avi", "d/1.avi")
    assert (second.id, second.queue, second.max_retries) == ("film-2", "film", 1)


@pytest.mark.parametrize(
    ("words", "stdin", "error"),
    [
        (("--each", "-"), "a", "put `--` before a program"),
        (("--each", "-", "cat {}"), "a", "put `--` before a program"),
        (("--each", "-", "--"), "a", "give a program"),
        (("--each", "-", "--file", "x", "--", "cat"), "a", "not both"),
        (("-0", "--", "cat"), "", "-0 goes with --each"),
        (("--each", "/nowhere/list", "--", "cat"), "", "/nowhere/list: No such file"),
        (
            ("--each", "-", "--", "cat"),
            b"a\ncaf\xe9\x1b.mov\n",
            'stdin: line 2: not UTF-8: "caf\\xe9\\x1b.mov"',
        ),
        (("--each", "a", "--each", "b", "--", "cat"), "", "given twice"),
        (("--file", "a", "-f", "b"), "", "given twice"),
        (("--each", "-", "--", "cat"), b"a\n\n\0\n", "stdin: line 3: argv[1]: "),
        (
            ("--each", "-", "--", "cat"),
            "a\n" + "x" * 200_000,
            "line 2: argv: an argument must be at",
        ),
        (("--each", "-", "--", "{}"), "a\n \n", "line 2: argv[0]: must name a program"),
        (
            ("--each", "-", "--id", "{//}{/}", "--if-exists", "skip", "--", "cat"),
            "a/bc\nab/c\n",
            'line 2: --id: "abc" is used twice',
        ),
        (
            ("--each", "-", "--id", "{}", "--", "cat"),
            "a\nb\na\n",
            'line 3: --id: "a" is used twice',
        ),
        (("--each", "-", "--label", "{}", "--", "cat"), "x" * 201, "line 1: --label: "),
        (("--each", "-", "--priority", "5000", "--", "cat"), "a", "line 1: --priority: "),
    ],
)
def test_what_is_refused(
    words: tuple[str, ...], stdin: str | bytes, error: str, cli: Cli, queue: Queue
) -> None:
    result = cli("enqueue", *words, stdin=stdin)

    assert (result.exit_code, error in one_error(result)) == (2, True)
    assert queue.count() == 0


@pytest.mark.parametrize("stdin", ["", "\n\n"])
@pytest.mark.parametrize("more", [(), ("--follow",), ("--dry-run",)])
def test_an_empty_list_is_nothing_to_do(
    stdin: str, more: tuple[str, ...], cli: Cli, queue: Queue
) -> None:
    result = cli("enqueue", "--each", "-", *more, "--", "cat", stdin=stdin)

    assert (result.exit_code, result.stdout, queue.count()) == (0, "", 0)
    assert "stdin: no line in it, so no job\n" in result.stderr
    assert cli("enqueue", "--file", "-", stdin=stdin).exit_code == 2


# -- Placeholders and what only looks like one


def test_placeholders_in_variables_and_the_folder(ok: Ok, queue: Queue, tmp_path: Path) -> None:
    ok(
        *("enqueue", "--each", "-", "--cwd", "{//}", "--env", "NAME=of {/.}", "--", "cat"),
        stdin=f"{tmp_path}/a b.txt\nhere.txt\n",
    )

    first, second = queue.jobs(None, Order())
    assert (first.cwd, first.env) == (str(tmp_path), {"NAME": "of a b"})
    assert (second.cwd, second.env) == (str(Path.cwd()), {"NAME": "of here"})


@pytest.mark.parametrize("braces", ["{1}", "{..}", "{#}", "{/..}", "{-2}", "{_}"])
def test_braces_that_mean_nothing_are_refused(braces: str, cli: Cli, queue: Queue) -> None:
    for option in ("--id", "--label", "--unique-key", "--env", "--cwd"):
        value = f"A=x{braces}" if option == "--env" else f"x{braces}"
        result = cli("enqueue", "--each", "-", option, value, "--", "cat", "{}", stdin="a")
        assert (result.exit_code, f'"{braces}" is no' in one_error(result)) == (2, True)
    result = cli("enqueue", "--each", "-", "--", "cat", f"x{braces}", stdin="a")
    assert (result.exit_code, f'argv: "{braces}" is no' in one_error(result)) == (2, True)
    assert cli("enqueue", "--each", "-", "--env", "{}=x", "--", "cat", stdin="a").exit_code == 2
    assert queue.count() == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("{1}", "{}"), ("{1}", "line")),
        (("{print $1}",), ("{print $1}", "line")),
        (("${1}",), ("${1}", "line")),
        (("{{1}",), ("{1}", "line")),
        (("{{}",), ("{}", "line")),
        (("{{{}}",), ("{line}",)),
        (("{{.Name}}", '{"a":{}}'), ("{{.Name}}", '{"a":line}')),
    ],
)
def test_other_braces_are_text(
    words: tuple[str, ...], expected: tuple[str, ...], ok: Ok, queue: Queue
) -> None:
    ok("enqueue", "--each", "-", "--", "cat", *words, stdin="line")

    assert vectors(queue) == [("cat", *expected)]


# -- Ids from any text


@pytest.mark.parametrize(
    ("line", "job_id"),
    [
        ("films/1.mov", "film-1"),
        ("My Film.mov", "film-My-Film-51958231"),
        ("My-Film.mov", "film-My-Film"),
        ("Käse\x1b.mov", "film-K-se--8d0877c5"),
        (f"{'x' * 123}.mov", f"film-{'x' * 123}"),
        (f"{'x' * 124}.mov", f"film-{'x' * 114}-a3dc6de7"),
    ],
)
def test_ids_of_any_text(line: str, job_id: str, ok: Ok) -> None:
    words = ("--id", "film-{/.}", "--if-exists", "skip", "--", "true")
    assert ok("enqueue", "--each", "-", "-0", *words, stdin=f"{line}\0") == f"{job_id}\n"
    assert ok("enqueue", "--each", "-", "-0", *words, stdin=f"{line}\0") == ""


def test_an_id_begins_with_a_letter_or_digit(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--each", "-", "--id", "{}", "--", "cat", stdin=".a\n_a\n--\n ü\n")

    ids = [job.id for job in queue.jobs(None, Order())]
    assert [name[:2] for name in ids[:2]] == ["a-", "a-"]
    assert all(len(name.removeprefix("a-")) == 8 for name in ids)
    assert len({*ids}) == 4


# -- Only what is new


def test_a_nightly_rerun_adds_only_what_is_new(program: Program, queue: Queue) -> None:
    lines = "".join(f"films/{number}.avi\n" for number in range(10_000)).encode()
    words = ("enqueue", "--each", "-", "--id", "film-{/.}", "--if-exists", "skip", "--", "x", "{}")

    first = program.run(*words, stdin=lines)
    again = program.run(*words, stdin=b"films/new.avi\n" + lines)

    assert (first.returncode, first.stdout.count(b"\n")) == (0, 10_000)
    assert b"skipped" not in first.stderr
    assert (again.returncode, again.stdout) == (0, b"film-new\n")
    assert b"10000 skipped: the id or the unique key is in use\n" in again.stderr
    assert queue.count() == 10_001


def test_ids_and_keys_in_use_are_left_out_or_refused(cli: Cli, ok: Ok, queue: Queue) -> None:
    document = '[{"id":"a","command":"x","unique_key":"k"},{"id":"b","command":"x"}]'
    ok("enqueue", "--id", "other", "--unique-key", "k", "x")

    assert cli("enqueue", document).exit_code == 1
    assert cli("enqueue", "--if-exists", "error", document).exit_code == 1
    assert ok("enqueue", "--if-exists", "skip", document) == "b\n"
    result = cli("enqueue", "--if-exists", "skip", "--json", document)
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert "2 skipped" in result.stderr
    assert queue.count() == 2


def test_of_lines_that_make_one_id_the_first_counts(cli: Cli, queue: Queue) -> None:
    words = ("--id", "{/}", "--if-exists", "skip", "--", "cat")
    result = cli("enqueue", "--each", "-", *words, stdin="1/a\n2/a\n")

    assert (result.exit_code, result.stdout) == (0, "a\n")
    assert "1 skipped" in result.stderr
    assert vectors(queue) == [("cat", "1/a")]


def test_what_lines_depend_on_is_named_by_its_option(cli: Cli, ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "known", "x")
    words = ("--id", "{}", "--if-exists", "skip", "--after", "nowhere", "--", "cat")
    result = cli("enqueue", "--each", "-", *words, stdin="known\nnew\n")

    assert result.exit_code == 2
    assert one_error(result).startswith("--depends-on[0]: no job 'nowhere'")
    assert queue.count() == 1


def test_fifty_processes_with_one_key_make_one_job(program: Program, queue: Queue) -> None:
    with ThreadPoolExecutor(50) as pool:
        codes = [*pool.map(lambda _: program.run("enqueue", "--unique-key", "k", "x"), range(50))]

    assert sorted(done.returncode for done in codes) == [0, *[1] * 49]
    assert queue.count() == 1


def test_what_becomes_of_a_job_whose_dependency_fails(ok: Ok, queue: Queue) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "x")
    ok("enqueue", "--id", "b", "--after", "a", "--on-dependency-failure", "cancel", "x")
    ok("enqueue", "--id", "c", "--after", "a", "--on-dependency-failure", "run", "x")
    ran(queue, state=AttemptState.FAILED, exit_code=1)

    assert [queue.job(name).state.value for name in "bc"] == ["cancelled", "pending"]
