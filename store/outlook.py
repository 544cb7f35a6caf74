"""What is to come of jobs: whether anything more happens to them by itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from store.jobs import JobState, Outlook


def outlooks(connection: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, Outlook]:
    """How the jobs with these ids stand, without those that aren't there."""
    rows = connection.execute(_STATES, (json.dumps(ids),)).fetchall()
    blocked = [seq for _, seq, state, held in rows if state == JobState.BLOCKED and not held]
    stuck = _stuck(connection, blocked) if blocked else frozenset()
    return {
        job_id: (_OVER if held or seq in stuck else _BY_STATE)[state]
        for job_id, seq, state, held in rows
    }


def _stuck(connection: sqlite3.Connection, blocked: Sequence[int]) -> frozenset[int]:
    """Those, and maybe others, that wait for what won't come without a person."""
    rows = connection.execute(_STUCK, (json.dumps(blocked),))
    return frozenset(seq for (seq,) in rows)


_BY_STATE = {state.value: Outlook(state, state.finished) for state in JobState}
_OVER = {state.value: Outlook(state, True) for state in JobState}
_STATES = """
    SELECT job.id, job.seq, job.state, job.held
    FROM json_each(?) AS wanted JOIN job ON job.id = wanted.value
"""
_STUCK = """
    WITH RECURSIVE needed (seq) AS (
        SELECT value FROM json_each(?)
        UNION
        SELECT dependency.needs FROM needed
        JOIN job ON job.seq = needed.seq AND job.state = 'blocked'
        JOIN dependency ON dependency.job = needed.seq),
    stuck (seq) AS (
        SELECT job.seq FROM needed JOIN job ON job.seq = needed.seq
        WHERE job.held = 1
        OR job.state = 'blocked' AND job.on_dependency_failure <> 'run' AND EXISTS (
            SELECT 1 FROM dependency JOIN job AS other ON other.seq = dependency.needs
            WHERE dependency.job = job.seq AND other.state IN ('dead', 'cancelled'))
        UNION
        SELECT dependency.job FROM stuck
        JOIN dependency ON dependency.needs = stuck.seq
        JOIN job ON job.seq = dependency.job AND job.state = 'blocked')
    SELECT seq FROM stuck
"""
