"""``list --columns`` and ``--no-header``: one name for each column, wherever it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from queuectl_tui.commands.columns import canonical, names, sort_column
from queuectl_tui.output import job_to_json
from queuectl_tui.widgets.job_columns import dead_columns, job_columns
from store import SORT_COLUMNS, Job
from store.fields import FIELDS
from store.queue import Queue
from tests.cli.conftest import Cli, died, one_error, ran

Ok = Callable[..., str]


@pytest.fixture(autouse=True)
def jobs(ok: Ok, queue: Queue) -> None:
    """dead and done ran; waits is held, and depends on done."""
    ok("enqueue", "--id", "dead", "--max-retries", "0", "--env", "TOKEN=secret", "exit 3")
    died(queue)
    ok("enqueue", "--id", "done", "--label", "two words", "--", "make", "-j 4")
    ran(queue)
    ok("enqueue", "--id", "waits", "--hold", "--after", "done", "--timeout", "90", "x")


def test_columns_in_the_order_that_was_asked_for(ok: Ok) -> None:
    listed = ok("list", "--columns", "state,id,exit,label,try,argv")
    assert [re.split(r" {2,}", line) for line in listed.splitlines()] == [
        ["STATE", "ID", "EXIT", "LABEL", "TRY", "ARGV"],
        ["HELD", "waits", "-", "-", "0/4", "-"],
        ["DONE", "done", "0", "two words", "1/4", "make '-j 4'"],
        ["DEAD", "dead", "3", "-", "1/1", "-"],
    ]


def test_no_heading_for_scripts(ok: Ok) -> None:
    assert ok("list", "--columns", "id", "--no-header") == "waits\ndone\ndead\n"
    assert ok("list", "--no-header", "--state", "running") == ""
    assert ok("dlq", "list", "--no-header").split()[:2] == ["dead", "default"]
    assert ok("dlq", "list", "--columns", "id,last_error", "--no-header") == "dead  exit code 3\n"
    assert ok("queue", "list", "--no-header").split()[0] == "default"
    assert ok("schedule", "list", "--no-header") == ""
    assert ok("worker", "list", "--no-header") == ""


def test_what_a_job_waits_for_took_and_was_given(ok: Ok) -> None:
    told = ok("list", "--state", "pending", "--no-header", "--columns", "waits_for,next,timeout")
    assert told.startswith("held; release it with queuectl-tui release waits, no worker is up")
    assert told.split()[-2:] == ["waits", "1m30s"]
    took = ok("list", "--search", "make", "--no-header", "--columns", "took")
    assert re.fullmatch(r"[\d.]+m?s\n", took)
    assert ok("list", "--state", "dead", "--columns", "env", "--no-header") == "TOKEN=***\n"
    shown = ok("list", "--state", "dead", "--columns", "env", "--no-header", "--show-env")
    assert shown == "TOKEN=secret\n"


def test_every_name_of_a_job_is_a_column(cli: Cli, queue: Queue) -> None:
    job = queue.job("dead")
    known = {*job_to_json(job), *({*FIELDS} & {*Job._fields}), "schedule", "paused", "waits_for"}
    known |= {column.name for column in (*job_columns(8), *dead_columns(8))}
    assert {canonical(name) for name in known} <= {*names()}
    assert {canonical(name) for name in SORT_COLUMNS} <= {*names()}
    result = cli("list", "--columns", ",".join(sorted(known)))
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4


def test_what_the_app_sorts_a_column_by_is_what_sort_takes() -> None:
    for column in (*job_columns(8), *dead_columns(8)):
        if column.sort is not None:
            assert sort_column(column.name) == column.sort


@pytest.mark.parametrize("name", ["try", "attempts", "TRY"])
def test_sort_knows_the_same_names(name: str, ok: Ok) -> None:
    listed = ok("list", "--sort", name, "--columns", "id", "--no-header")
    assert listed.split()[0] == "waits"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("list", "--columns", "id,tok"), "no such column: tok; did you mean took?"),
        (("list", "--columns", "zzz"), "no such column: zzz; one of "),
        (("list", "--columns", ","), "name some columns"),
        (("list", "--columns", "id", "--json"), "--columns goes without --json"),
        (("list", "--no-header", "--json"), "--no-header goes without --json"),
        (("dlq", "list", "--columns", "id", "--json"), "--columns goes without --json"),
        (("queue", "list", "--no-header", "--json"), "--no-header goes without --json"),
        (("worker", "list", "--no-header", "--json"), "--no-header goes without --json"),
        (("schedule", "list", "--no-header", "--json"), "--no-header goes without --json"),
        (("list", "--sort", "stat"), "no such column: stat; did you mean state?"),
    ],
)
def test_bad_usage(words: tuple[str, ...], problem: str, cli: Cli) -> None:
    result = cli(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in one_error(result)


def test_json_stays_as_it_is(ok: Ok) -> None:
    assert [job["id"] for job in json.loads(ok("list", "--json"))] == ["waits", "done", "dead"]
