"""Recurring jobs: a tick makes one job, however many supervisors look."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from store import doorbell, reads
from store.batch import Batch
from store.database import Database
from store.errors import InvalidInput, QueueError
from store.fielderrors import did_you_mean
from store.fields import FIELDS, to_json
from store.integrity import unpacked
from store.jobs import (
    FINISHED,
    Job,
    JobFilter,
    NewJob,
    OnDependencyFailure,
    Overlap,
    Schedule,
)
from store.settings import Settings

_LATE_MS = 10_000
"""A tick that no supervisor saw to within this time was missed."""

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_COLUMNS = "name, cron, every, tz, overlap, catch_up, paused, next_at, job"
_LAST = "(SELECT seq FROM job WHERE job.schedule = schedule.name ORDER BY tick DESC LIMIT 1)"
_SHORTEST = 1.0


class Schedules:
    """The schedules of a store."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Callable[[], int],
        random: Random,
        environment_id: Callable[[Mapping[str, str]], int | None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._random = random
        self._environment_id = environment_id

    def add(
        self,
        name: str,
        job: NewJob,
        *,
        cron: str | None = None,
        every: float | None = None,
        tz: str | None = None,
        overlap: Overlap = Overlap.SKIP,
        catch_up: bool = False,
        captured_env: Mapping[str, str] | None = None,
    ) -> Schedule:
        """Add a schedule: ``cron`` in zone ``tz`` (``None``: this machine's), or ``every`` seconds.

        Raises ``InvalidInput``, or ``QueueError`` when the name is taken.
        """
        zone = local_zone() if tz is None else tz
        now = self._clock()
        (first,) = first_ticks(cron, every, zone, now=now, count=1)
        environment = self._environment_id(captured_env or {})
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM schedule WHERE name = ?", (name,)).fetchone():
                raise QueueError(f"a schedule {name} exists already; remove it first")
            connection.execute(
                f"INSERT INTO schedule ({_COLUMNS}, environment, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
                (
                    *(name, cron, every, zone, overlap.value, catch_up, first),
                    *(_packed(job), environment, now),
                ),
            )
            added = self._named(connection, name)
        doorbell.ring(self._database.bells)
        return added

    def change(
        self,
        name: str,
        job: NewJob,
        *,
        cron: str | None,
        every: float | None,
        tz: str,
        overlap: Overlap,
        catch_up: bool,
    ) -> Schedule:
        """Give a schedule another job or other times; unless the times change, its next tick stays.

        Raises ``InvalidInput``, or ``QueueError`` when there is none of that name.
        """
        old = self.get(name)
        (first,) = first_ticks(cron, every, tz, now=self._clock(), count=1)
        same = (old.cron, old.every, old.tz) == (cron, every, tz)
        with self._database.write() as connection:
            connection.execute(
                "UPDATE schedule SET cron = ?, every = ?, tz = ?, overlap = ?, catch_up = ?,"
                " job = ?, next_at = CASE WHEN ? THEN next_at ELSE ? END WHERE name = ?",
                (*(cron, every, tz, overlap.value, catch_up), _packed(job), same, first, name),
            )
            changed = self._named(connection, name)
        doorbell.ring(self._database.bells)
        return changed

    def all(self) -> list[Schedule]:
        """Every schedule, by name."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, {_LAST} FROM schedule ORDER BY name"
            ).fetchall()
            return self._schedules(rows)

    def get(self, name: str) -> Schedule:
        """One schedule. Raises ``QueueError`` when there is none of that name."""
        with self._database.read() as connection:
            return self._named(connection, name)

    def _named(self, connection: sqlite3.Connection, name: str) -> Schedule:
        rows = connection.execute(
            f"SELECT {_COLUMNS}, {_LAST} FROM schedule WHERE name = ?", (name,)
        ).fetchall()
        for schedule in self._schedules(rows):
            return schedule
        known = [known for (known,) in connection.execute("SELECT name FROM schedule")]
        raise QueueError(f"no such schedule: {name}{did_you_mean(name, known)}")

    def set_paused(self, names: Sequence[str], paused: bool) -> None:
        """Pause schedules, or let them go on with their next tick from now."""
        chosen, now = [self.get(name) for name in names], self._clock()
        with self._database.write() as connection:
            for one in chosen:
                connection.execute(
                    "UPDATE schedule SET paused = ?, next_at = ? WHERE name = ?",
                    (paused, max(one.next_at, self._next(one, now)), one.name),
                )
        doorbell.ring(self._database.bells)

    def remove(self, names: Sequence[str]) -> None:
        """Remove schedules; the jobs they made stay."""
        for name in names:
            self.get(name)
        with self._database.write() as connection:
            connection.executemany(
                "DELETE FROM schedule WHERE name = ?", [(name,) for name in names]
            )

    def upcoming(self, schedule: Schedule, count: int = 5) -> list[int]:
        """The next ticks, UTC milliseconds."""
        now = self._clock()
        ticks = _ticks(schedule.cron, schedule.every, schedule.tz, after=now, last=schedule.next_at)
        return list(islice(ticks, count))

    def jobs(self, name: str, limit: int = 5) -> list[Job]:
        """The newest jobs that a schedule made, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT seq FROM job WHERE schedule = ? ORDER BY tick DESC LIMIT ?", (name, limit)
            ).fetchall()
            made = [seq for (seq,) in rows]
            return reads.jobs_at(self._database.query, made, JobFilter())

    def next_at(self) -> int | None:
        """When the next tick of any schedule is due (UTC milliseconds)."""
        with self._database.look() as connection:
            row = connection.execute(
                "SELECT min(next_at) FROM schedule WHERE paused = 0"
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def fire_due(self) -> list[str]:
        """Make the jobs of every tick that has come; their ids."""
        now, due = self._clock(), self.next_at()
        if due is None or due > now:
            return []
        made: list[str] = []
        with self._database.write() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, environment FROM schedule WHERE paused = 0 AND next_at <= ?",
                (now,),
            ).fetchall()
            for *row, environment in rows:
                made += self._fire(connection, _schedule(row, None), environment, now)
        if made:
            doorbell.ring(self._database.bells)
        return made

    def _fire(
        self, connection: sqlite3.Connection, one: Schedule, environment: int | None, now: int
    ) -> list[str]:
        made: list[str] = []
        for tick in self._due_ticks(one, now):
            job = self._job_of_tick(connection, one)
            if job is not None:
                batch = self._batch(job, one.name, tick, now=now)
                made += batch.insert(
                    connection,
                    now=now,
                    random=self._random,
                    environment=environment,
                    skip_existing=True,
                )
        connection.execute(
            "UPDATE schedule SET next_at = ? WHERE name = ?", (self._next(one, now), one.name)
        )
        return made

    def _due_ticks(self, one: Schedule, now: int) -> Iterator[int]:
        """Ticks that have come just now; before them one for all that were missed, if wanted."""
        if one.next_at < now - _LATE_MS and one.catch_up:
            yield one.next_at
        after = max(one.next_at - 1, now - _LATE_MS)
        for tick in _ticks(one.cron, one.every, one.tz, after=after, last=one.next_at):
            if tick > now:
                return
            yield tick

    def _job_of_tick(self, connection: sqlite3.Connection, one: Schedule) -> NewJob | None:
        """What this tick is to enqueue; ``None`` when it is left out."""
        unfinished = connection.execute(
            "SELECT id FROM job WHERE schedule = ?"
            f" AND state NOT IN ({', '.join('?' * len(FINISHED))}) ORDER BY tick DESC LIMIT 1",
            (one.name, *(state.value for state in FINISHED)),
        ).fetchone()
        if unfinished is None or one.overlap is Overlap.ALLOW:
            return one.job
        if one.overlap is Overlap.SKIP:
            return None
        return one.job._replace(
            depends_on=unfinished, on_dependency_failure=OnDependencyFailure.RUN
        )

    def _batch(self, job: NewJob, name: str, tick: int, *, now: int) -> Batch:
        batch = Batch(self._database.folder)
        batch.fill(
            [job],
            now=now,
            cwd=os.getcwd,
            settings=self._settings.values(),
            schedule=name,
            tick=tick,
        )
        return batch

    def _next(self, one: Schedule, now: int) -> int:
        return next(_ticks(one.cron, one.every, one.tz, after=now, last=one.next_at))

    def _schedules(self, rows: Sequence[Sequence[Any]]) -> list[Schedule]:
        """Of rows that end with the last job's ``seq``."""
        made = [row[-1] for row in rows if row[-1] is not None]
        jobs = reads.jobs_at(self._database.query, made, JobFilter()) if made else []
        last = {job.seq: job for job in jobs}
        return [_schedule(row, last.get(seq)) for *row, seq in rows]


def _schedule(row: Sequence[Any], last: Job | None) -> Schedule:
    name, cron, every, tz, overlap, catch_up, paused, next_at, job = row
    return Schedule(
        name=name,
        cron=cron,
        every=every,
        tz=tz,
        overlap=unpacked(Overlap, overlap, "schedule", name, "overlap"),
        catch_up=bool(catch_up),
        paused=bool(paused),
        next_at=next_at,
        job=unpacked(_unpacked, job, "schedule", name, "job"),
        last=last,
    )


def local_zone() -> str:
    """The IANA name of this machine's time zone; ``UTC`` where it has none."""
    linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    for name in (os.environ.get("TZ", "").lstrip(":"), linked):
        if name and _zone(name) is not None:
            return name
    return "UTC"


def first_ticks(
    cron: str | None, every: float | None, tz: str, *, now: int, count: int
) -> list[int]:
    """The first ticks of a schedule that begins ``now``. Raises ``InvalidInput``."""
    _check(cron, every, tz)
    return list(islice(_ticks(cron, every, tz, after=now, last=now), count))


def _check(cron: str | None, every: float | None, tz: str) -> None:
    if (cron is None) is (every is None):
        raise InvalidInput("a schedule needs either a cron expression or an interval")
    if every is not None and every < _SHORTEST:
        raise InvalidInput(f"every: must be at least {_SHORTEST:g} s, not {every:g}")
    if _zone(tz) is None:
        raise InvalidInput(f"tz: no such time zone: {tz[:60]!r}; a name such as Europe/Berlin")
    if cron is not None:
        from cronsim import CronSimError

        try:
            next(_ticks(cron, None, tz, after=0, last=0))
        except CronSimError as error:
            raise InvalidInput(f"cron: {cron[:60]!r}: {str(error).lower()}") from None
        except StopIteration:
            raise InvalidInput(f"cron: {cron[:60]!r} never comes") from None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _ticks(
    cron: str | None, every: float | None, tz: str, *, after: int, last: int
) -> Iterator[int]:
    """Ticks later than ``after`` (UTC milliseconds); intervals are counted from ``last``."""
    if every is not None:
        step = int(every * 1000)
        tick = last + max(0, (after - last) // step + 1) * step if after >= last else last
        while True:
            yield tick
            tick += step
    from cronsim import CronSim

    expression = _NICKNAMES.get((cron or "").strip().lower(), cron or "")
    begin = datetime.fromtimestamp(after / 1000, UTC).astimezone(ZoneInfo(tz))
    for moment in CronSim(expression, begin):
        yield int(moment.timestamp() * 1000)


def _packed(job: NewJob) -> str:
    return json.dumps({name: to_json(job, name) for name in FIELDS}, ensure_ascii=False)


def _unpacked(text: str) -> NewJob:
    given: dict[str, Any] = {
        name: FIELDS[name].kind.check(name, value)
        for name, value in json.loads(text).items()
        if value is not None and name != "run_at"  # a tick's job is due with its tick
    }
    return NewJob(**given)
