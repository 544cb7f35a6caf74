"""Questions to the store: rows in, frozen values out. Nothing here changes anything."""

from __future__ import annotations

import json
import operator
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import Any

import peewee
from peewee import fn

from store.errors import NoSuchJob
from store.fields import UNPACKED, read_column
from store.integrity import unpacked
from store.jobs import (
    Attempt,
    AttemptState,
    ErrorGroup,
    Job,
    JobFilter,
    JobState,
    Order,
    Term,
)
from store.models import AttemptRow, JobRow

_PAUSED = """
    CASE WHEN lease IS NULL THEN 0 ELSE EXISTS (
        SELECT 1 FROM attempt WHERE attempt.id = lease AND paused_since IS NOT NULL) END
"""
_ELSEWHERE = ("depends_on", "paused")
_JOB_NAMES = (*(name for name in Job._fields if name not in _ELSEWHERE), "paused")
_JOB_FIELDS = (*(getattr(JobRow, name) for name in _JOB_NAMES[:-1]), peewee.SQL(_PAUSED))
_ATTEMPT_FIELDS = (
    AttemptRow.id,
    AttemptRow.number,
    AttemptRow.state,
    AttemptRow.worker,
    AttemptRow.started_at,
    AttemptRow.finished_at,
    AttemptRow.exit_code,
    AttemptRow.signal,
    AttemptRow.error,
    AttemptRow.cpu_seconds,
    AttemptRow.max_rss_bytes,
    AttemptRow.stdout_bytes,
    AttemptRow.stderr_bytes,
    AttemptRow.children_ended,
)
STATE_RANK = {
    state.value: rank
    for rank, state in enumerate(
        (
            JobState.PROCESSING,
            JobState.FAILED,
            JobState.PENDING,
            JobState.BLOCKED,
            JobState.DEAD,
            JobState.CANCELLED,
            JobState.COMPLETED,
        )
    )
}
_ORDER_TERMS: Mapping[str, Any] = {
    "created": JobRow.seq,
    "updated": JobRow.updated_at,
    "finished": JobRow.finished_at,
    "state": peewee.Case(JobRow.state, tuple(STATE_RANK.items())),
    "queue": JobRow.queue,
    "priority": JobRow.priority,
    "attempts": JobRow.attempts,
    "run_at": JobRow.run_at,
    "exit": JobRow.exit_code,
    "id": JobRow.id,
    "command": fn.COALESCE(JobRow.command, JobRow.argv),
}


def one_job(database: peewee.Database, job_id: str) -> Job:
    query = JobRow.select(*_JOB_FIELDS).where(JobRow.id == job_id)
    for job in _jobs(database, query):
        return job
    raise NoSuchJob(job_id)


def named(database: peewee.Database, ids: Sequence[str]) -> list[Job]:
    """The jobs with these ids, in their order, without those that aren't there."""
    listed = peewee.SQL("(SELECT value FROM json_each(?))", (json.dumps([*ids]),))
    query = JobRow.select(*_JOB_FIELDS).where(JobRow.id.in_(listed))
    found = {job.id: job for job in _jobs(database, query)}
    return [found[job_id] for job_id in ids if job_id in found]


def jobs(
    database: peewee.Database, wanted: JobFilter, order: Order, limit: int | None, offset: int
) -> list[Job]:
    return list(_jobs(database, _listed(_JOB_FIELDS, wanted, order, limit, offset)))


def places(
    database: peewee.Database, wanted: JobFilter, order: Order, limit: int | None, offset: int
) -> array[int]:
    """Row numbers of what ``jobs`` would return: eight bytes a job."""
    query = _listed((JobRow.seq,), wanted, order, limit, offset)
    return array("q", (row[0] for row in query.tuples().iterator(database)))


def ids(
    database: peewee.Database, wanted: JobFilter, order: Order, limit: int | None, offset: int
) -> list[str]:
    query = _listed((JobRow.id,), wanted, order, limit, offset)
    return [row[0] for row in query.tuples().execute(database)]


def ids_at(database: peewee.Database, rows: Sequence[int]) -> tuple[list[str], frozenset[str]]:
    """The ids of the jobs in these rows, the oldest first, and their queues."""
    query = JobRow.select(JobRow.id, JobRow.queue).where(_in_rows(rows)).order_by(JobRow.seq)
    found = query.tuples().execute(database)
    return [row[0] for row in found], frozenset(row[1] for row in found)


def jobs_at(database: peewee.Database, rows: Sequence[int], wanted: JobFilter) -> list[Job]:
    """Those of the jobs in these rows that match, in the order of the rows."""
    query = JobRow.select(*_JOB_FIELDS).where(_in_rows(rows), *conditions(wanted))
    found = {job.seq: job for job in _jobs(database, query)}
    return [found[seq] for seq in rows if seq in found]


def count(database: peewee.Database, wanted: JobFilter) -> int:
    by_state = JobFilter(states=wanted.states, queue=wanted.queue)
    if wanted == by_state:  # the kept counts know
        sql, parameters = "SELECT coalesce(sum(jobs), 0) FROM job_count WHERE 1", []
        if wanted.states:
            sql += f" AND state IN ({', '.join('?' * len(wanted.states))})"
            parameters += [state.value for state in wanted.states]
        if wanted.queue is not None:
            sql += " AND queue = ?"
            parameters.append(wanted.queue)
        row = _execute(database, sql, parameters).fetchone()
    else:
        query = JobRow.select(fn.COUNT(JobRow.seq)).where(*conditions(wanted))
        row = query.tuples().execute(database)[0]
    return int(row[0])


def history(database: peewee.Database, job_seq: int) -> list[Attempt]:
    query = (
        AttemptRow.select(*_ATTEMPT_FIELDS)
        .where(AttemptRow.job == job_seq)
        .order_by(AttemptRow.number)
    )
    return [_attempt(row) for row in query.tuples().execute(database)]


def histories(database: peewee.Database, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """The attempts, oldest first, of each of these jobs that has any."""
    query = (
        AttemptRow.select(JobRow.id, *_ATTEMPT_FIELDS)
        .join(JobRow, on=JobRow.seq == AttemptRow.job)
        .where(JobRow.id.in_(peewee.SQL("(SELECT value FROM json_each(?))", (json.dumps([*ids]),))))
        .order_by(AttemptRow.job, AttemptRow.number)
    )
    found: dict[str, list[Attempt]] = {}
    for job_id, *row in query.tuples().execute(database):
        found.setdefault(job_id, []).append(_attempt(row))
    return found


def error_groups(database: peewee.Database, wanted: JobFilter) -> list[ErrorGroup]:
    error = fn.COALESCE(JobRow.last_error, peewee.SQL("''"))
    query = (
        JobRow.select(error, fn.COUNT(JobRow.seq), fn.MAX(JobRow.id))
        .where(JobRow.state == JobState.DEAD.value, *conditions(wanted))
        .group_by(error)
        .order_by(fn.COUNT(JobRow.seq).desc(), error)
    )
    return [ErrorGroup(*row) for row in query.tuples().execute(database)]


def matching(database: peewee.Database, wanted: JobFilter) -> list[int]:
    """Row numbers of the jobs that match, oldest first."""
    query = JobRow.select(JobRow.seq).where(*conditions(wanted)).order_by(JobRow.seq)
    return [row[0] for row in query.tuples().execute(database)]


def matching_below(
    database: peewee.Database, wanted: JobFilter, below: int | None, limit: int
) -> list[int]:
    """Row numbers of the newest jobs that match before row ``below``, newest first."""
    query = JobRow.select(JobRow.seq).where(*conditions(wanted))
    if below is not None:
        query = query.where(JobRow.seq < below)
    query = query.order_by(JobRow.seq.desc()).limit(limit)
    return [row[0] for row in query.tuples().execute(database)]


def still_matching(database: peewee.Database, wanted: JobFilter, rows: Sequence[int]) -> list[int]:
    """Those of the rows whose jobs match, newest first."""
    query = JobRow.select(JobRow.seq).where(_in_rows(rows), *conditions(wanted))
    return [row[0] for row in query.order_by(JobRow.seq.desc()).tuples().execute(database)]


def count_by_state(database: peewee.Database, wanted: JobFilter) -> dict[JobState, int]:
    """How many jobs match, by state; without the states that none is in."""
    query = JobRow.select(JobRow.state, fn.COUNT(JobRow.seq)).where(*conditions(wanted))
    found = query.group_by(JobRow.state).tuples().execute(database)
    return {JobState(state): jobs for state, jobs in found}


def unneeded(
    database: peewee.Database,
    wanted: JobFilter,
    before: int | None,
    *,
    limit: int,
    among: Sequence[int] | None = None,
) -> list[int]:
    """Row numbers of jobs that match and no unfinished one needs, last changed before a time."""
    query = JobRow.select(JobRow.seq).where(
        *conditions(wanted), JobRow.seq.not_in(peewee.SQL(_NEEDED))
    )
    if before is not None:
        query = query.where(JobRow.updated_at < before)
    if among is not None:
        query = query.where(_in_rows(among))
    query = query.order_by(JobRow.seq).limit(limit)
    return [row[0] for row in query.tuples().execute(database)]


_NEEDED = """
    (SELECT needs FROM dependency JOIN job AS waiting ON waiting.seq = dependency.job
     WHERE waiting.state NOT IN ('completed', 'dead', 'cancelled'))
"""


def _in_rows(rows: Sequence[int]) -> Any:
    return peewee.SQL("seq IN (SELECT value FROM json_each(?))", (json.dumps([*rows]),))


def conditions(wanted: JobFilter) -> list[Any]:
    """``wanted`` as conditions that must all hold."""
    found: list[Any] = [peewee.SQL("1")]
    if wanted.states:
        found.append(JobRow.state.in_(sorted(state.value for state in wanted.states)))
    if wanted.queue is not None:
        found.append(JobRow.queue == wanted.queue)
    if wanted.label is not None:
        found.append(JobRow.label == wanted.label)
    if wanted.exit_code is not None:
        found.append(JobRow.exit_code == wanted.exit_code)
    if wanted.error is not None:
        found.append(fn.COALESCE(JobRow.last_error, peewee.SQL("''")) == wanted.error)
    if wanted.schedule is not None:
        found.append(JobRow.schedule == wanted.schedule)
    if wanted.held is not None:
        found.append(peewee.SQL(_HELD if wanted.held else "held = 0"))
    if wanted.up_to is not None:
        found.append(JobRow.seq <= wanted.up_to)
    found += map(_condition, wanted.terms)
    if wanted.search:
        fields = (JobRow.id, JobRow.command, JobRow.argv, JobRow.label)
        found.append(
            fn.COALESCE(fields[0].contains(wanted.search), 0)
            | fn.COALESCE(fields[1].contains(wanted.search), 0)
            | fn.COALESCE(fields[2].contains(wanted.search), 0)
            | fn.COALESCE(fields[3].contains(wanted.search), 0)
        )
    return found


_ANYWHERE = (JobRow.id, JobRow.command, JobRow.argv, JobRow.label, JobRow.last_error)
_NOW = "(julianday('now') - 2440587.5) * 86400000"
_TERM_COLUMNS: Mapping[str, Any] = {
    "state": JobRow.state,
    "queue": JobRow.queue,
    "label": JobRow.label,
    "error": JobRow.last_error,
    "worker": JobRow.worker,
    "exit": JobRow.exit_code,
    "took": peewee.SQL(f"(coalesce(finished_at, {_NOW}) - started_at) / 1000"),
    "age": peewee.SQL(f"({_NOW} - created_at) / 1000"),
}
_COMPARED: Mapping[str, Callable[[Any, float], Any]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}


def _condition(term: Term) -> Any:
    """A term as a condition that is never NULL, so that it can be turned round."""
    columns = _ANYWHERE if not term.field else (_TERM_COLUMNS.get(term.field),)
    found = reduce(operator.or_, (_test(term, column) for column in columns))
    return found == 0 if term.negated else found


def _test(term: Term, column: Any) -> Any:
    (value, *_) = term.values
    if term.field == "held":
        return JobRow.held == (value == "yes")
    if term.test == "has":
        found = column.contains(value)
    elif term.test == "~":
        found = column.regexp(value)
    elif term.field in ("exit", "took", "age"):
        found = _COMPARED[term.test](column, float(value))
    else:
        found = column.in_(term.values)
    return fn.COALESCE(found, 0)


_HELD = "seq IN (SELECT seq FROM job INDEXED BY job_on_hold WHERE held = 1)"
"""So phrased, held jobs are found without a look at the others."""


def _execute(database: peewee.Database, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
    cursor: sqlite3.Cursor = database.execute_sql(sql, parameters)  # type: ignore[no-untyped-call]
    return cursor


def _listed(
    fields: Sequence[Any], wanted: JobFilter, order: Order, limit: int | None, offset: int
) -> Any:
    query = JobRow.select(*fields).where(*conditions(wanted)).order_by(*_terms(order))
    if limit is not None:
        query = query.limit(limit)
    elif offset:
        query = query.limit(-1)
    return query.offset(offset) if offset else query


def _jobs(database: peewee.Database, query: Any) -> Iterator[Job]:
    rows = list(query.tuples().execute(database))
    blocked_by = _dependencies(database, [row[0] for row in rows])
    for row in rows:
        yield _job(row, blocked_by.get(row[0], ()))


def _job(row: tuple[Any, ...], depends_on: tuple[str, ...]) -> Job:
    values = dict(zip(_JOB_NAMES, row, strict=True))
    job_id = values["id"]
    for name in UNPACKED:
        read = partial(read_column, name)
        values[name] = unpacked(read, values[name], "job", job_id, name)
    values["state"] = unpacked(JobState, values["state"], "job", job_id, "state")
    values["cancel_requested"] = bool(values["cancel_requested"])
    values["paused"] = bool(values["paused"])
    return Job(**values, depends_on=depends_on)


def _attempt(row: Sequence[Any]) -> Attempt:
    state = unpacked(AttemptState, row[2], "attempt", row[0], "state")
    return Attempt(row[0], row[1], state, *row[3:])


def _dependencies(database: peewee.Database, job_seqs: list[int]) -> dict[int, tuple[str, ...]]:
    if _execute(database, "SELECT 1 FROM dependency LIMIT 1").fetchone() is None:
        return {}
    found: dict[int, tuple[str, ...]] = {}
    rows = _execute(
        database,
        "SELECT dependency.job, needed.id FROM json_each(?) AS wanted"
        " JOIN dependency ON dependency.job = wanted.value"
        " JOIN job AS needed ON needed.seq = dependency.needs ORDER BY needed.seq",
        (json.dumps(job_seqs),),
    )
    for job_seq, needed in rows:
        found[job_seq] = (*found.get(job_seq, ()), needed)
    return found


def _terms(order: Order) -> list[Any]:
    term = _ORDER_TERMS[order.column]
    directed = term.desc() if order.reverse else term.asc()
    tie = JobRow.seq.desc() if order.reverse else JobRow.seq.asc()
    return [directed] if term is JobRow.seq else [directed, tie]
