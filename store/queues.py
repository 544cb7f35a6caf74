"""Named queues: pause them, bound what runs of them, give what runs one of several slots."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store import doorbell, overview
from store.database import Database
from store.errors import QueueError
from store.fielderrors import did_you_mean
from store.jobs import JobState, Leftover, QueueDepth, Rate
from store.late import Late

if TYPE_CHECKING:
    from store import label_limits, leftover
else:
    label_limits = Late("store.label_limits")
    leftover = Late("store.leftover")

_MAKE = "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING"


class Queues:
    """The queues of a store. One exists from its first job, pause or ``set`` on."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[QueueDepth]:
        """Every queue by name, with what waits and runs in it."""
        with self._database.read() as connection:
            now = self._clock()
            counts = overview.queue_counts(connection)
            completed = overview.queue_throughput(connection, now)
            return [
                QueueDepth(
                    info,
                    {state: counts.get((info.name, state.value), 0) for state in JobState},
                    overview.oldest_pending(connection, now, queue=info.name)
                    if info.pending
                    else None,
                    completed.get(info.name, 0.0),
                )
                for info in overview.queues(connection, now)
            ]

    def goes_on(self, names: Sequence[str], served: Sequence[str] = ()) -> bool:
        """Whether in these queues (none: all) a job runs, or will without anybody's doing.

        What is held, in a paused queue, or blocked behind such a job, a dead one, or one of a queue
        that is not ``served`` (none: all are) will not.
        """
        with self._database.read() as connection:
            return leftover.goes_on(connection, json.dumps(names), json.dumps(served))

    def left(self, names: Sequence[str]) -> Leftover:
        """What is left in these queues (none: all) when nothing in them goes on."""
        with self._database.read() as connection:
            return leftover.left(connection, json.dumps(names))

    def died(self, names: Sequence[str], since: int) -> int:
        """How many jobs of these queues (none: all) are dead, and died since then (UTC ms)."""
        with self._database.read() as connection:
            return leftover.died(connection, json.dumps(names), since)

    def paused(self) -> list[str]:
        """The names of those that are paused."""
        with self._database.look() as connection:
            rows = connection.execute("SELECT name FROM queue WHERE paused = 1 ORDER BY name")
            return [name for (name,) in rows]

    def running_by_label(self) -> dict[tuple[str, str], int]:
        """How many jobs run with each label, in queues that limit that; by queue and label."""
        with self._database.read() as connection:
            return label_limits.running(connection)

    def set_paused(self, names: Sequence[str] | None, paused: bool) -> list[str]:
        """Pause or resume queues (``None``: all); their names.

        One that isn't there yet is made to be paused; to resume it raises ``QueueError``.
        """
        with self._database.write() as connection:
            if paused:
                connection.executemany(_MAKE, [(name,) for name in names or ()])
            chosen = self._known(connection, names)
            connection.executemany(
                "UPDATE queue SET paused = ? WHERE name = ?", [(paused, name) for name in chosen]
            )
        doorbell.ring(self._database.bells)
        return chosen

    def set_max_running(self, name: str, most: int | None) -> None:
        """At most ``most`` jobs of the queue run at once, over all workers; ``None``: no limit."""
        self._set(name, "max_running = ?", most)

    def set_rate(self, name: str, rate: Rate | None) -> None:
        """Begin no more attempts than ``rate`` allows in any window of its length."""
        self._set(name, "rate_starts = ?, rate_seconds = ?", *(rate or (None, None)))

    def set_max_per_label(self, name: str, most: int | None) -> None:
        """At most ``most`` jobs of the queue with the same label run at once; those without a
        label have no such limit."""
        with self._change(name) as connection:
            known = "SELECT max_per_label FROM queue WHERE name = ?"
            (before,) = connection.execute(known, (name,)).fetchone()
            connection.execute("UPDATE queue SET max_per_label = ? WHERE name = ?", (most, name))
            if before is not None and (most is None or most > before):
                more = None if most is None else most - before
                label_limits.let_in_more(connection, name, more)

    def set_slots(self, name: str, variable: str | None, values: Sequence[str] = ()) -> None:
        """Each running job gets one of ``values`` in ``variable``; no more run than there are."""
        given = None if variable is None else json.dumps(list(values), ensure_ascii=False)
        self._set(name, "slot_name = ?, slot_values = ?", variable, given)

    def remove(self, names: Sequence[str]) -> list[str]:
        """Forget queues and their limits; their names. All or none.

        Raises ``QueueError`` when one is unknown or has jobs, be it finished ones.
        """
        with self._database.write() as connection:
            chosen = self._known(connection, names)
            for name in chosen:
                _require_empty(connection, name)
            for forget in _FORGET:
                connection.executemany(forget, [(name,) for name in chosen])
        return chosen

    def _set(self, name: str, assignment: str, *values: object) -> None:
        with self._change(name) as connection:
            connection.execute(f"UPDATE queue SET {assignment} WHERE name = ?", (*values, name))

    @contextmanager
    def _change(self, name: str) -> Iterator[sqlite3.Connection]:
        """A transaction about a queue, which is made if it isn't there; workers are told."""
        with self._database.write() as connection:
            connection.execute(_MAKE, (name,))
            yield connection
        doorbell.ring(self._database.bells)

    def _known(self, connection: sqlite3.Connection, names: Sequence[str] | None) -> list[str]:
        known = [name for (name,) in connection.execute("SELECT name FROM queue ORDER BY name")]
        for name in names or ():
            if name not in known:
                raise QueueError(f"no such queue: {name}{did_you_mean(name, known)}")
        return known if names is None else list(dict.fromkeys(names))


def _require_empty(connection: sqlite3.Connection, name: str) -> None:
    (jobs,) = connection.execute(_HOW_MANY_JOBS, (name,)).fetchone()
    if jobs:
        raise QueueError(
            f"queue {name} has {jobs:,} job{'' if jobs == 1 else 's'}, finished ones included;"
            " only a queue without any can be removed"
        )


_HOW_MANY_JOBS = "SELECT coalesce(sum(jobs), 0) FROM job_count WHERE queue = ?"
_FORGET = (
    "DELETE FROM queue WHERE name = ?",
    "DELETE FROM queue_start WHERE queue = ?",
    "DELETE FROM job_count WHERE queue = ?",
)
