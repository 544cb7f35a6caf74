"""A job among those that wait for each other: what it needs, and what needs it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from store.jobs import Job, JobFilter

if TYPE_CHECKING:
    import peewee

MOST_LINKS = 200
"""So many at most are followed each way, the nearest first."""

_ABOVE = """
    WITH RECURSIVE link (job, needs) AS (
        SELECT job, needs FROM dependency WHERE job = ?1
        UNION SELECT dependency.job, dependency.needs
        FROM link JOIN dependency ON dependency.job = link.needs LIMIT ?2)
    SELECT job, needs FROM link
"""
_BELOW = """
    WITH RECURSIVE link (job, needs) AS (
        SELECT job, needs FROM dependency WHERE needs = ?1
        UNION SELECT dependency.job, dependency.needs
        FROM link JOIN dependency ON dependency.needs = link.job LIMIT ?2)
    SELECT needs, job FROM link
"""


class Chain(NamedTuple):
    """``needs`` are the jobs that each waits for, ``needed_by`` those that wait for it, by id.

    ``complete`` is False where there are more links than were followed.
    """

    jobs: Mapping[str, Job]
    needs: Mapping[str, tuple[str, ...]]
    needed_by: Mapping[str, tuple[str, ...]]
    complete: bool


def read_chain(connection: sqlite3.Connection, query: peewee.Database, job_seq: int) -> Chain:
    """The chain of the job in this row."""
    above = connection.execute(_ABOVE, (job_seq, MOST_LINKS + 1)).fetchall()
    below = connection.execute(_BELOW, (job_seq, MOST_LINKS + 1)).fetchall()
    if not above and not below:
        return Chain({}, {}, {}, complete=True)
    from store import reads

    links = [*above[:MOST_LINKS], *below[:MOST_LINKS]]
    seqs = list(dict.fromkeys(seq for link in links for seq in link))
    jobs = {job.seq: job for job in reads.jobs_at(query, seqs, JobFilter())}
    return Chain(
        {job.id: job for job in jobs.values()},
        _by_id(above[:MOST_LINKS], jobs),
        _by_id(below[:MOST_LINKS], jobs),
        complete=max(len(above), len(below)) <= MOST_LINKS,
    )


def _by_id(links: list[tuple[int, int]], jobs: Mapping[int, Job]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one, other in links:
        found[jobs[one].id] = (*found.get(jobs[one].id, ()), jobs[other].id)
    return found
