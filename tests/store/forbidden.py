"""What no row may ever be, as questions that must find nothing."""

from __future__ import annotations

_UNMET = (
    "SELECT 1 FROM dependency JOIN job AS needed ON needed.seq = dependency.needs"
    " WHERE dependency.job = job.seq AND needed.state <> 'completed' AND NOT"
    " (job.on_dependency_failure = 'run' AND needed.state IN ('dead', 'cancelled'))"
)
FORBIDDEN = {
    "leased means processing": "SELECT id FROM job"
    " WHERE (state = 'processing') <> (lease IS NOT NULL)",
    "the lease is the one running attempt": "SELECT job.id FROM job"
    " LEFT JOIN attempt ON attempt.job = job.seq AND attempt.state = 'running'"
    " GROUP BY job.seq HAVING count(attempt.id) > 1 OR max(attempt.id) IS NOT job.lease",
    "only running attempts have no end": "SELECT id FROM attempt"
    " WHERE (state = 'running') <> (finished_at IS NULL)",
    "numbers count the attempts": "SELECT job.id FROM job"
    " LEFT JOIN attempt ON attempt.job = job.seq GROUP BY job.seq"
    " HAVING count(attempt.id) <> job.number OR coalesce(max(attempt.number), 0) <> job.number",
    "numbers rise with time": "SELECT earlier.id FROM attempt AS earlier JOIN attempt AS later"
    " ON later.job = earlier.job AND later.number > earlier.number AND later.id < earlier.id",
    "no more attempts than started": "SELECT id FROM job WHERE attempts > number",
    "no more attempts than allowed": "SELECT id FROM job WHERE attempts > max_retries + 1"
    " OR (state IN ('pending', 'blocked', 'failed') AND attempts > max_retries)",
    "dead means exhausted": "SELECT id FROM job WHERE state = 'dead' AND attempts <= max_retries",
    "failed or running means attempted": "SELECT id FROM job"
    " WHERE state IN ('failed', 'processing', 'dead') AND attempts = 0",
    "ready is what a worker may take": "SELECT id FROM job"
    " WHERE ready AND (state NOT IN ('pending', 'failed') OR held_by IS NOT NULL)",
    "held is what waits, and isn't started": "SELECT id FROM job"
    " WHERE held AND (ready OR parked OR state NOT IN ('pending', 'blocked', 'failed'))",
    "parked is what could start but for its label": "SELECT id FROM job"
    " WHERE parked AND (ready OR held OR held_by IS NOT NULL OR label IS NULL"
    " OR state NOT IN ('pending', 'failed')"
    " OR queue NOT IN (SELECT name FROM queue WHERE max_per_label IS NOT NULL))",
    "where there is room for a label, its best are ready": """
        SELECT parked.id FROM job AS parked JOIN queue ON queue.name = parked.queue
        WHERE parked.parked AND queue.max_per_label > (
            SELECT count(*) FROM job WHERE lease IS NOT NULL
            AND queue = parked.queue AND label = parked.label
        ) + (
            SELECT count(*) FROM job WHERE ready + parked
            AND queue = parked.queue AND label = parked.label
            AND (-priority, seq) < (-parked.priority, parked.seq))""",
    "only what runs is asked to stop": "SELECT id FROM job"
    " WHERE (cancel_requested OR cancel_signal IS NOT NULL) AND state <> 'processing'",
    "the last attempt holds, and has ended": "SELECT job.id FROM job"
    " JOIN attempt ON attempt.job = job.seq AND attempt.number = job.number"
    " WHERE held_by IS NOT NULL AND (held_by <> attempt.id OR attempt.state = 'running')",
    "blocked means that something is unmet": "SELECT id FROM job"
    f" WHERE state = 'blocked' AND NOT EXISTS ({_UNMET})",
    "a key has one unfinished job": "SELECT unique_key FROM job WHERE unique_key IS NOT NULL"
    " AND state NOT IN ('completed', 'dead', 'cancelled')"
    " GROUP BY unique_key HAVING count(*) > 1",
}
