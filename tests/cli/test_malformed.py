"""Malformed input: exit code 2, one line that says where, and nothing stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store.queue import Queue
from tests.cli.conftest import Cli, Program
from tests.store.malformed import MALFORMED, Malformed

_NAMES = [case.name for case in MALFORMED]


@pytest.mark.parametrize("case", MALFORMED, ids=_NAMES)
def test_a_malformed_file(case: Malformed, cli: Cli, queue: Queue, tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_bytes(case.document)

    result = cli("enqueue", "--file", str(path))

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {path}: {case.place}")
    assert len(result.stderr.splitlines()) == 1
    assert queue.count() == 0


@pytest.mark.parametrize("case", MALFORMED[::17], ids=_NAMES[::17])
@pytest.mark.parametrize("words", [("enqueue", "-"), ("--enqueue", "-"), ("enqueue", "--file=-")])
def test_malformed_input_of_the_program(
    case: Malformed, words: tuple[str, ...], program: Program, queue: Queue
) -> None:
    result = program.run(*words, stdin=case.document)

    assert result.returncode == 2
    assert result.stdout == b""
    assert result.stderr.decode().startswith(f"Error: stdin: {case.place}")
    assert len(result.stderr.splitlines()) == 1
    assert queue.count() == 0


def test_malformed_inline(cli: Cli, queue: Queue) -> None:
    result = cli("enqueue", '{"command": "x", "max_retries": true}')

    assert result.exit_code == 2
    assert result.stderr == (
        "Error: jobs[0].max_retries: must be an integer from 0 to 1000, not true\n"
    )
    assert queue.count() == 0


NINES = "9" * 20


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ('{"cmd": "x"}', "cmd: unknown field; did you mean command?"),
        ('{"command": "x", "after": ["a"]}', "after: unknown field; did you mean depends_on?"),
        ('{"command": "x", "foo": null}', "foo: unknown field"),
        ('{"command": "x", "max_retires": null}', "max_retires: unknown field; did you mean"),
        (
            f'{{"command": "x", "priority": {"9" * 5000}}}',
            f"priority: must be an integer from -1000 to 1000, not {NINES}… (too large)",
        ),
        (
            f'{{"command": "x", "timeout": {"9" * 5000}}}',
            f"timeout: must be at most 10 years, not {NINES}… (too large)",
        ),
        (
            f'{{"command": "x", "delay": -{"9" * 5000}}}',
            'delay: must be a duration such as 90, "10m" or "1h30m", not -',
        ),
        (
            f'{{"command": "x", "backoff_base": {"9" * 5000}}}',
            f"backoff_base: must be a number of 1 or more, not {NINES}… (too large)",
        ),
    ],
)
def test_what_is_said_about_a_field(job: str, error: str, cli: Cli, queue: Queue) -> None:
    result = cli("enqueue", "-", stdin=job)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: stdin: jobs[0].{error}")
    assert "Infinity" not in result.stderr
    assert queue.count() == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_than_utf_8(encoding: str, cli: Cli) -> None:
    result = cli("enqueue", "-", stdin='{"command": "x"}\n{"command": "y"}\n'.encode(encoding))

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: stdin: the input must be UTF-8, not UTF-16")


@pytest.mark.parametrize("field", ["id", "unique_key"])
def test_what_is_given_twice_in_one_batch(field: str, cli: Cli, queue: Queue) -> None:
    document = json.dumps([{"command": "x", field: "z"}, {"command": "y", field: "z"}])

    result = cli("enqueue", "-", stdin=document)

    assert result.exit_code == 2
    assert f"jobs[1].{field}: " in result.stderr
    assert "twice in this batch" in result.stderr
    assert queue.count() == 0


def test_a_key_that_is_given_twice_and_held_is_in_use(cli: Cli, queue: Queue) -> None:
    cli("enqueue", "--unique-key", "z", "--id", "holder", "x")

    result = cli("enqueue", "--unique-key", "z", '[{"command":"x"},{"command":"y"}]')

    assert result.exit_code == 1
    assert result.stderr == "Error: unique_key 'z' is held by unfinished job holder\n"


def test_what_only_the_store_can_know(cli: Cli, queue: Queue) -> None:
    result = cli("enqueue", '[{"command": "x"}, {"command": "y", "depends_on": ["nowhere"]}]')

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: jobs[1].depends_on[0]: ")
    assert queue.count() == 0


def test_an_unknown_dependency_is_found_by_its_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text(
        '{"command": "x", "state": "completed"}\n\n{"command": "y", "id": "y"}\n'
        '{"command": "z", "depends_on": ["y", "nowhere"]}\n'
    )

    result = cli("enqueue", "--file", str(path))

    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {path}: line 4: depends_on[1]: no job 'nowhere'")
