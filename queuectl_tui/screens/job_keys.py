"""Which keys of the job screen have nothing to do: a hint names only what works."""

from __future__ import annotations

from queuectl_tui.screens.job_picture import JobPicture
from store import JobState

_READING = ("log.search", "log.wrap", "log.save")


def idle_keys(picture: JobPicture, tab: str, *, alone: bool) -> frozenset[str]:
    """The ids of their bindings, in ``tab``; ``alone`` where the job has no chain."""
    state, number = picture.job.state, picture.number
    numbers = [attempt.number for attempt in picture.attempts]
    in_log = tab == "output" and number is not None
    works = {
        "job.retry": state.retryable,
        "job.cancel": state.cancellable,
        "job.pause_job": state is JobState.PROCESSING,
        "job.hold_job": state.holdable,
        "job.edit": state.editable,
        "job.chain": tab != "chain",
        "job.stream": in_log,
        "job.older": in_log and number != numbers[0],
        "job.newer": in_log and number != numbers[-1],
        "log.bottom": picture.live,
        "table.open": bool(numbers) if tab == "attempts" else not alone,
        **dict.fromkeys(_READING, in_log),
    }
    return frozenset(name for name, does in works.items() if not does)
