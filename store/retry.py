"""The retry policy: pure arithmetic over what is known when an attempt has failed."""

from __future__ import annotations

from store.timespec import MAX_DURATION


def backoff_seconds(base: float, attempts: int, longest: float) -> float:
    """``base ** attempts`` seconds, at most ``longest``: exponential backoff without jitter.

    Where ``longest`` is 0 it is as long as any duration may be.
    """
    longest = longest or MAX_DURATION
    try:
        return min(float(base) ** attempts, longest)
    except OverflowError:
        return longest


def exhausted(attempts: int, max_retries: int) -> bool:
    """Whether the attempt that just failed was the last: ``max_retries`` follow the first."""
    return attempts > max_retries
