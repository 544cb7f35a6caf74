"""The retry policy: pure arithmetic over what is known when an attempt has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.timespec import MAX_DURATION

if TYPE_CHECKING:
    from collections.abc import Callable


def backoff_seconds(
    attempts: int,
    *,
    base: float,
    delay: float = 1.0,
    longest: float = 0.0,
    jitter: float = 0.0,
    chance: Callable[[], float] | None = None,
) -> float:
    """The wait after the *n*-th attempt: ``delay * base ** n``, at most ``longest`` (0: no limit).

    All in seconds. With ``jitter`` it is up to that share of it shorter or longer: ``chance`` gives
    a number from 0 to 1.
    """
    limit = longest or MAX_DURATION
    try:
        wait = min(delay * float(base) ** attempts, limit)
    except OverflowError:
        wait = limit if delay else 0.0
    if jitter and chance is not None:
        wait *= 1 + jitter * (2 * chance() - 1)
    return wait


def exhausted(attempts: int, max_retries: int) -> bool:
    """Whether the attempt that just failed was the last: ``max_retries`` follow the first."""
    return attempts > max_retries
