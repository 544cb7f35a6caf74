"""One table of a job's fields: whatever has a field agrees with it."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from store import Job, NewJob, OnDependencyFailure
from store.fielderrors import FieldError
from store.fields import COLUMNS, FIELDS, to_json, typed
from store.jobspec import changed_job, new_job, read_jobs
from store.queue import Queue

from .conftest import START
from .steps import add, claim

GIVEN: dict[str, Any] = {
    "id": "all-of-it",
    "command": "make 'a b' && ./run",
    "argv": ("printf", "%s\n", "a b", ""),
    "queue": "net",
    "priority": -7,
    "run_at": START + 5_000,
    "max_retries": 0,
    "timeout": 1_036_800.0,
    "stop_grace": 0.25,
    "backoff_base": 1.5,
    "backoff_delay": 30.0,
    "backoff_max": 0.0,
    "backoff_jitter": 0.125,
    "fail_on": (3, "64-78", "timeout", "signal", "lost"),
    "success_exit_codes": (0, 2),
    "nice": 19,
    "keep_children": True,
    "cwd": "/var/a folder",
    "env": {"A": "1 2", "EMPTY": "", "é": "'"},
    "label": "two words",
    "unique_key": "key of it",
    "held": True,
    "on_dependency_failure": OnDependencyFailure.RUN,
    "depends_on": ("first", "second"),
    "delay": 90.5,
}
"""A value of every field that isn't its default."""
NOT_WITH = {"command": "argv", "delay": "run_at"}
EVERY_FIELD = pytest.mark.parametrize("name", list(NewJob._fields))


def _job(name: str) -> NewJob:
    """A job that has the field ``name``, and all others that go with it."""
    left_out = NOT_WITH.get(name) or next((one for one, it in NOT_WITH.items() if it == name), "")
    apart = {left_out, *(other for one, other in NOT_WITH.items() if name not in (one, other))}
    return NewJob(**{field: value for field, value in GIVEN.items() if field not in apart})


def test_the_table_has_the_fields_of_a_job_and_the_columns_come_first() -> None:
    assert set(FIELDS) == set(NewJob._fields) == set(GIVEN)
    assert {name for name, field in FIELDS.items() if field.stored} <= set(Job._fields)
    assert NewJob._fields[: len(COLUMNS)] == COLUMNS
    assert all(FIELDS[name].default != value for name, value in GIVEN.items())


@EVERY_FIELD
def test_a_field_survives_the_way_through_the_store(queue: Queue, name: str) -> None:
    add(queue, "first", "second")
    given = _job(name)
    queue.enqueue([given])
    stored = queue.job("all-of-it")
    if name == "delay":
        assert stored.run_at == START + 90_500
    else:
        assert getattr(stored, name) == GIVEN[name]
        renewed = given if name == "run_at" else stored.as_new()
        assert getattr(renewed, name) == GIVEN[name]


@EVERY_FIELD
def test_a_field_is_printed_as_a_document_has_it(name: str) -> None:
    if name == "run_at":
        return  # printed as a time, which is told to the millisecond
    document = {"command": "true"} if name not in ("command", "argv") else {}
    document[name] = json.loads(json.dumps(to_json(_job(name), name)))
    (job,) = read_jobs(BytesIO(json.dumps(document).encode()), now=START, cwd="/")
    assert getattr(job, name) == GIVEN[name]


@EVERY_FIELD
def test_a_field_is_typed_as_it_is_read(name: str) -> None:
    if name == "run_at":
        return  # a form asks for a delay
    field = FIELDS[name]
    assert field.kind.check(name, field.kind.parse(typed(_job(name), name))) == GIVEN[name]


@EVERY_FIELD
def test_a_field_survives_being_in_a_schedule(queue: Queue, name: str) -> None:
    if name in ("run_at", "delay"):
        return  # a tick's job is due with its tick
    queue.schedules.add("s", _job(name), every=60)
    assert getattr(queue.schedules.get("s").job, name) == GIVEN[name]


@EVERY_FIELD
def test_an_edit_changes_what_is_given_and_nothing_else(queue: Queue, name: str) -> None:
    if name in ("id", "held", "run_at"):
        return  # an id stays, and hold, release and a delay have their own ways
    add(queue, "first", "second")
    queue.enqueue([NewJob(id="plain", command="true", cwd="/")])
    before = queue.job("plain")
    new = changed_job(before.as_new(), {name: to_json(_job(name), name)}, now=START)
    after = queue.edit("plain", new)
    allowed = {name, *({"command", "argv"} if name in ("command", "argv") else ())}
    allowed |= {"delay": {"run_at"}, "depends_on": {"state"}}.get(name, set())
    changed = {
        field
        for field in Job._fields
        if getattr(after, field) != getattr(before, field) and field != "updated_at"
    }
    assert changed <= allowed
    assert changed


def test_a_field_that_is_cleared_has_its_default() -> None:
    old = _job("command")
    for name, field in FIELDS.items():
        if field.clearable:
            new = changed_job(old, {name: None}, now=START)
            assert getattr(new, name) == field.default
            assert new._replace(**{name: getattr(old, name)}) == old


def test_another_kind_of_command_replaces_the_one_before() -> None:
    old = NewJob(command="true")
    assert changed_job(old, {"argv": ["ls"]}, now=0) == NewJob(argv=("ls",))
    assert changed_job(NewJob(argv=("ls",)), {"command": "true"}, now=0) == old
    with pytest.raises(FieldError, match="missing"):
        changed_job(old, {"command": None}, now=0)
    with pytest.raises(FieldError, match="not both"):
        changed_job(old, {"command": "a", "argv": ["b"]}, now=0)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"fail_on": ["x"]}, r"fail_on\[0\]: must be an exit code, a range such as '64-78', or"),
        ({"fail_on": [256]}, r"fail_on\[0\]"),
        ({"fail_on": ["9-256"]}, r"fail_on\[0\]"),
        ({"fail_on": ["9-8"]}, r"fail_on\[0\]"),
        ({"fail_on": "timeout"}, "fail_on: must be an array"),
        ({"fail_on": [True]}, r"fail_on\[0\]"),
        ({"fail_on": ["0-3"]}, "fail_on: 0 is one of success_exit_codes"),
        ({"fail_on": [3], "success_exit_codes": [0, 3]}, "fail_on: 3 is one of"),
        ({"success_exit_codes": []}, "success_exit_codes: must be an array of exit codes"),
        ({"success_exit_codes": [-1]}, r"success_exit_codes\[0\]: must be an exit code from 0"),
        ({"success_exit_codes": ["0"]}, r"success_exit_codes\[0\]"),
        ({"nice": 20}, "nice: must be an integer from 0 to 19"),
        ({"nice": -1}, "nice"),
        ({"keep_children": 1}, "keep_children: must be true or false"),
        ({"held": "yes"}, "held: must be true or false"),
        ({"backoff_jitter": 1.01}, "backoff_jitter: must be a number from 0 to 1"),
        ({"backoff_delay": "soon"}, "backoff_delay: must be a duration"),
        ({"backoff_max": -1}, "backoff_max: must be a duration"),
    ],
)
def test_what_a_field_cannot_be_is_refused(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        new_job({"command": "true", **fields}, now=START, cwd="/")


def test_a_held_job_is_not_started(queue: Queue) -> None:
    add(queue, "kept", held=True, priority=9)
    add(queue, "other")
    assert claim(queue).job_id == "other"
    assert queue.claim("w1") is None
