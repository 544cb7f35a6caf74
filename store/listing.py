"""Any part of a sorted, filtered list, and where a job stands in it, without sorting all of it.

Everything is thought of in ascending order; a reversed list is turned round at the end. Rows are
found by number first, from whatever is nearest: an end of the list, or the job that is followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import peewee
from peewee import SQL, fn

from store import reads
from store.jobs import JobFilter, JobState, Order, Placing, Window
from store.models import JobRow, Queries

_LOWEST = -(1 << 63)  # what has no value comes first
_RANKED = " ".join(f"WHEN '{state}' THEN {rank}" for state, rank in reads.STATE_RANK.items())
_KEYS: Mapping[str, str] = {
    "created": "seq",
    "updated": "updated_at",
    "finished": f"coalesce(finished_at, {_LOWEST})",
    "state": f"CASE state {_RANKED} END",
    "queue": "queue",
    "priority": "priority",
    "attempts": "attempts",
    "run_at": "run_at",
    "exit": f"coalesce(exit_code, {_LOWEST})",
    "id": "id",
    "command": "coalesce(command, argv)",
}
_FEW = 1_000
"""So many rows are kept by number instead of looked for again, or skipped without a thought."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """``length`` rows of the list, sorted by ``key`` and then by arrival.

    ``first_seq`` is set where it holds every row of the table and no number is missing. ``place``
    is where the followed job stands in it, as far as the counting told.
    """

    wanted: JobFilter
    key: str
    length: int
    rows: Sequence[int] | None = None
    first_seq: int | None = None
    place: int | None = None

    @property
    def conditions(self) -> list[Any]:
        if self.rows is not None:
            return [SQL("seq IN (SELECT value FROM json_each(?))", (json.dumps(self.rows),))]
        return reads.conditions(self.wanted)


@dataclass(frozen=True, slots=True)
class _Row:
    """The job that is followed: what it is sorted by."""

    seq: int
    key: Any
    state: JobState
    queue: str

    def is_in(self, wanted: JobFilter) -> bool:
        in_state = not wanted.states or self.state in wanted.states
        return in_state and wanted.queue in (None, self.queue)

    def before(self, key: str) -> SQL:
        if key == "seq":
            return SQL("seq < ?", (self.seq,))
        return SQL(f"({key}, seq) < (?, ?)", (self.key, self.seq))

    def from_here(self, key: str) -> SQL:
        if key == "seq":
            return SQL("seq >= ?", (self.seq,))
        return SQL(f"({key}, seq) >= (?, ?)", (self.key, self.seq))


def window(
    database: Queries,
    wanted: JobFilter,
    order: Order,
    *,
    offset: int | Placing,
    limit: int,
    follow: str | None,
) -> Window:
    """What ``Queue.window`` describes; of one moment if the caller has a transaction open."""
    followed = None if follow is None else _find(database, wanted, order, follow)
    stretches = _stretches(database, wanted, order, followed)
    total = sum(stretch.length for stretch in stretches)
    position = None
    if followed is not None:
        stretches = [_with_place(database, stretch, followed) for stretch in stretches]
        position = _position(stretches)
        if position is not None and order.reverse:
            position = total - 1 - position
    start = offset if isinstance(offset, int) else offset(total, position)
    first, last = min(start, total), min(start + limit, total)
    if order.reverse:
        first, last = total - last, total - first
    rows: list[int] = []
    for stretch in stretches:
        begin, end = max(0, first), min(stretch.length, last)
        if begin < end:
            rows += _part(database, stretch, begin, end, followed)
        first, last = first - stretch.length, last - stretch.length
    if order.reverse:
        rows.reverse()
    return Window(total, start, tuple(reads.jobs_at(database, rows, JobFilter())), position)


def outside(database: Queries, ids: Sequence[str], wanted: JobFilter) -> list[str]:
    """Those of ``ids`` whose jobs don't match, or are not there, in their order."""
    named = JobRow.id.in_(SQL("(SELECT value FROM json_each(?))", (json.dumps([*ids]),)))
    query = JobRow.select(JobRow.id).where(named, *reads.conditions(wanted))
    inside = {job_id for (job_id,) in _run(database, query)}
    return [job_id for job_id in ids if job_id not in inside]


def _find(database: Queries, wanted: JobFilter, order: Order, job_id: str) -> _Row | None:
    key = SQL(_KEYS[order.column])
    query = JobRow.select(JobRow.seq, key, JobRow.state, JobRow.queue)
    for seq, value, state, queue in _run(
        database, query.where(JobRow.id == job_id, *reads.conditions(wanted))
    ):
        return _Row(seq, value, JobState(state), queue)
    return None


# How long the list is ----------------------------------------------------------------------------


def _stretches(
    database: Queries, wanted: JobFilter, order: Order, followed: _Row | None
) -> list[_Stretch]:
    if wanted != JobFilter(states=wanted.states, queue=wanted.queue):
        return [_counted(database, wanted, _KEYS[order.column], followed)]
    kept = {
        (queue, JobState(state)): jobs
        for queue, state, jobs in database.execute_sql(_COUNTS)
        if (not wanted.states or JobState(state) in wanted.states) and wanted.queue in (None, queue)
    }
    if order.column == "state":
        return [
            _Stretch(
                wanted._replace(states=frozenset({JobState(state)})),
                "seq",
                sum(jobs for key, jobs in kept.items() if key[1] == state),
            )
            for state in reads.STATE_RANK
            if not wanted.states or JobState(state) in wanted.states
        ]
    if order.column == "queue":
        lengths: dict[str, int] = {}
        for (queue, _), jobs in sorted(kept.items()):
            lengths[queue] = lengths.get(queue, 0) + jobs
        return [
            _Stretch(wanted._replace(queue=queue), "seq", length)
            for queue, length in lengths.items()
        ]
    stretch = _Stretch(wanted, _KEYS[order.column], sum(kept.values()))
    if order.column == "created" and wanted == JobFilter():
        ((first, last),) = database.execute_sql(_ENDS).fetchall()
        if first is not None and last - first + 1 == stretch.length:
            return [replace(stretch, first_seq=first)]
    return [stretch]


def _counted(database: Queries, wanted: JobFilter, key: str, followed: _Row | None) -> _Stretch:
    """No count is kept of what is looked for: a few are remembered, many are counted."""
    conditions = reads.conditions(wanted)
    few = _run(database, JobRow.select(JobRow.seq).where(*conditions).limit(_FEW + 1))
    if len(few) <= _FEW:
        return _Stretch(wanted, key, len(few), rows=[seq for (seq,) in few])
    before = SQL("0") if followed is None else followed.before(key)
    count = JobRow.select(fn.COUNT(JobRow.seq), fn.SUM(before)).where(*conditions)
    ((length, place),) = _run(database, count)
    return _Stretch(wanted, key, length, place=None if followed is None else place)


# Where a job stands, and what stands around it ---------------------------------------------------


def _with_place(database: Queries, stretch: _Stretch, row: _Row) -> _Stretch:
    """The stretch with the place of the followed job, if it is in it."""
    if stretch.place is not None or not row.is_in(stretch.wanted):
        return stretch
    if stretch.first_seq is not None:
        return replace(stretch, place=row.seq - stretch.first_seq)
    late = _is_late(database, row)
    side = row.from_here(stretch.key) if late else row.before(stretch.key)
    count = JobRow.select(fn.COUNT(JobRow.seq)).where(*stretch.conditions, side)
    ((number,),) = _run(database, count)
    return replace(stretch, place=stretch.length - number if late else number)


def _is_late(database: Queries, row: _Row) -> bool:
    """Whether most jobs came before: then those after it are quicker to count."""
    ((first, last),) = database.execute_sql(_ENDS).fetchall()
    return bool(row.seq > (first + last) / 2)


def _position(stretches: Sequence[_Stretch]) -> int | None:
    passed = 0
    for stretch in stretches:
        if stretch.place is not None:
            return passed + stretch.place
        passed += stretch.length
    return None


def _part(
    database: Queries, stretch: _Stretch, first: int, last: int, followed: _Row | None
) -> list[int]:
    """Row numbers of places ``first`` to ``last``, skipping no more of the others than needed."""
    if stretch.first_seq is not None:
        return list(range(stretch.first_seq + first, stretch.first_seq + last))
    from_end = stretch.length - last
    place = stretch.place
    if followed is not None and place is not None and _is_far(first, last, place, from_end):
        after = _rows(
            database,
            stretch,
            followed.from_here(stretch.key),
            max(0, first - place),
            last - max(first, place),
        )
        before = _rows(
            database,
            stretch,
            followed.before(stretch.key),
            max(0, place - last),
            min(last, place) - first,
            turned=True,
        )
        return before[::-1] + after
    if first <= from_end:
        return _rows(database, stretch, SQL("1"), first, last - first)
    return _rows(database, stretch, SQL("1"), from_end, last - first, turned=True)[::-1]


def _is_far(first: int, last: int, place: int, from_end: int) -> bool:
    """Whether there are fewer rows to skip from ``place`` than from the ends."""
    return max(first - place, place - last, _FEW) < min(first, from_end)


def _rows(
    database: Queries,
    stretch: _Stretch,
    where: SQL,
    offset: int,
    limit: int,
    *,
    turned: bool = False,
) -> list[int]:
    if limit <= 0:
        return []
    terms = [JobRow.seq] if stretch.key == "seq" else [SQL(stretch.key), JobRow.seq]
    query = (
        JobRow.select(JobRow.seq)
        .where(*stretch.conditions, where)
        .order_by(*(peewee.Desc(term) if turned else peewee.Asc(term) for term in terms))
        .limit(limit)
        .offset(offset)
    )
    return [seq for (seq,) in _run(database, query)]


def _run(database: Queries, query: Any) -> list[tuple[Any, ...]]:
    return list(query.tuples().execute(database))


_COUNTS = "SELECT queue, state, jobs FROM job_count"
_ENDS = "SELECT (SELECT min(seq) FROM job), (SELECT max(seq) FROM job)"
