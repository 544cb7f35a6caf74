"""Counting what is done: the throughput of queues, and what each worker has completed or failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from store import overview


class Score(NamedTuple):
    """What the end of an attempt counts as."""

    bucket: int
    queue: str
    worker: str
    completed: bool


class Tally:
    """Scores on their way into the store. It doesn't change: a transaction may be undone."""

    def __init__(self, scores: Mapping[Score, int] | None = None) -> None:
        self._scores = scores or {}

    def __bool__(self) -> bool:
        return bool(self._scores)

    def plus(self, score: Score | None) -> Tally:
        if score is None:
            return self
        return Tally({**self._scores, score: self._scores.get(score, 0) + 1})

    def counted(self, connection: sqlite3.Connection) -> Tally:
        """Count them in the caller's transaction; what is left, which is nothing."""
        for (bucket, queue, worker, completed), jobs in self._scores.items():
            done, failed = (jobs, 0) if completed else (0, jobs)
            connection.execute(
                "INSERT INTO throughput VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " completed = completed + excluded.completed, failed = failed + excluded.failed",
                (bucket, queue, done, failed),
            )
            connection.execute(
                "UPDATE worker SET done = done + ?, failed = failed + ? WHERE seq = ?",
                (done, failed, overview.worker_seq(worker)),
            )
        return Tally()
