"""Named queues: pause them, bound what runs of them, give what runs one of several slots."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from store import doorbell, overview
from store.database import Database
from store.errors import QueueError
from store.fielderrors import did_you_mean
from store.jobs import JobState, Leftover, QueueDepth
from store.late import Late

if TYPE_CHECKING:
    from store import leftover
else:
    leftover = Late("store.leftover")


class Queues:
    """The queues of a store. One exists from its first job, or its first ``set``, on."""

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
                for info in overview.queues(connection)
            ]

    def goes_on(self, names: Sequence[str]) -> bool:
        """Whether in these queues (none: all) a job runs, or will without anybody's doing.

        What is held, in a paused queue or blocked behind what doesn't run will not.
        """
        with self._database.read() as connection:
            return leftover.goes_on(connection, json.dumps(names))

    def left(self, names: Sequence[str]) -> Leftover:
        """What is left in these queues (none: all) when nothing in them goes on."""
        with self._database.read() as connection:
            return leftover.left(connection, json.dumps(names))

    def died(self, names: Sequence[str], since: int) -> int:
        """How many jobs of these queues (none: all) are dead, and died since then (UTC ms)."""
        with self._database.read() as connection:
            return leftover.died(connection, json.dumps(names), since)

    def set_paused(self, names: Sequence[str] | None, paused: bool) -> list[str]:
        """Pause or resume queues (``None``: all); their names. Raises ``QueueError``: unknown."""
        with self._database.write() as connection:
            chosen = self._known(connection, names)
            connection.executemany(
                "UPDATE queue SET paused = ? WHERE name = ?", [(paused, name) for name in chosen]
            )
        doorbell.ring(self._database.bells)
        return chosen

    def set_max_running(self, name: str, most: int | None) -> None:
        """At most ``most`` jobs of the queue run at once, over all workers; ``None``: no limit."""
        self._set(name, "max_running = ?", most)

    def set_slots(self, name: str, variable: str | None, values: Sequence[str] = ()) -> None:
        """Each running job gets one of ``values`` in ``variable``; no more run than there are."""
        given = None if variable is None else json.dumps(list(values), ensure_ascii=False)
        self._set(name, "slot_name = ?, slot_values = ?", variable, given)

    def _set(self, name: str, assignment: str, *values: object) -> None:
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING", (name,)
            )
            connection.execute(f"UPDATE queue SET {assignment} WHERE name = ?", (*values, name))
        doorbell.ring(self._database.bells)

    def _known(self, connection: sqlite3.Connection, names: Sequence[str] | None) -> list[str]:
        known = [name for (name,) in connection.execute("SELECT name FROM queue ORDER BY name")]
        for name in names or ():
            if name not in known:
                raise QueueError(f"no such queue: {name}{did_you_mean(name, known)}")
        return known if names is None else list(dict.fromkeys(names))
