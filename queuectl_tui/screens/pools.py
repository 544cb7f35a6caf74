"""Orders to the supervisor of a pool, from wherever one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.talk import complain, say
from store import InvalidInput, QueueError, Worker, WorkerKind

if TYPE_CHECKING:
    from store.queue import Queue


async def scale_pool(screen: Screen[Any], session: Session, count: int, pool: str | None) -> None:
    """Keeps ``count`` workers in ``pool``, or in the only pool that is up."""
    try:
        now = await session.call(Lane.CHANGES, lambda queue: _scale(queue, count, pool))
    except (QueueError, OSError) as error:
        complain(screen, str(error))
    else:
        say(screen, f"Pool {now.pool} keeps {now.count} workers")


def _scale(queue: Queue, count: int, pool: str | None) -> Worker:
    if pool is None:
        pools = [each.pool for each in queue.workers() if each.kind is WorkerKind.SUPERVISOR]
        if not pools:
            raise InvalidInput("No supervisor is up: w starts workers")
        if len(pools) > 1:
            raise InvalidInput(f"Which pool? {', '.join(pools)}")
        pool = pools[0]
    return queue.registry.order(pool, count=count)
