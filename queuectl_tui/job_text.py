"""The fields of a job as people read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from store import Job
from store.fields import FIELDS, is_default, typed


def uncommon_fields(job: Job, besides: Collection[str]) -> Iterator[tuple[str, str]]:
    """Label and text of the fields of which the job has another value than most.

    Those named in ``besides`` are left out. The text isn't escaped.
    """
    for name, field in FIELDS.items():
        if name not in besides and name in Job._fields and not is_default(job, name):
            yield field.label.lower(), typed(job, name)


def whole_state(job: Job) -> str:
    """Its state as it is shown, and what is to be known beside it."""
    if job.held:
        return f"{job.shown_state} ({job.state.label})"
    return f"{job.shown_state} (cancel requested)" if job.cancel_requested else job.shown_state
