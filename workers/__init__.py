"""What runs: the supervisor, its workers, one command's life."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from store import DEFAULT_POOL, open_store
from workers.control import (
    LeftAlready,
    as_seen,
    crew,
    has_gone,
    how_paused,
    leaders,
    living,
    start_detached,
    status,
    stop,
    up,
)

__all__ = [
    "LeftAlready",
    "as_seen",
    "crew",
    "has_gone",
    "how_paused",
    "leaders",
    "living",
    "run_supervisor",
    "start_detached",
    "status",
    "stop",
    "up",
]


def run_supervisor(
    url: str,
    *,
    pool: str = DEFAULT_POOL,
    count: int = 1,
    queues: Sequence[str] = (),
    narrate: Callable[[str], None],
    report: bool = False,
    until_empty: bool = False,
) -> int:
    """Supervise in this process until told to stop; the exit code.

    ``until_empty``: also leave once nothing in the queues goes on; 1 if a job died by then.
    ``narrate`` gets one line an event, with ``report`` also one for each job's start and end; what
    jobs printed may be in it, unescaped. Raises ``PoolRunning``.
    """
    from workers.supervisor import Supervisor

    queue = open_store(url, durable=False, patience=2.0, check=True)
    return Supervisor(
        queue,
        pool=pool,
        count=count,
        queues=queues,
        narrate=narrate,
        report=report,
        until_empty=until_empty,
    ).run()
