"""Every field of a job, for reading. Values of ``env`` are never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.content import Content

from queuectl_tui.text import duration, escape, escape_lines, local_time, signal_name
from store import Job

_WIDTH = 14
_MASK = "***"


def field_lines(job: Job, now: int) -> Content:
    """One field a line, its name before it; fields that don't apply are left out."""
    lines: list[Content] = []
    for name, value in _fields(job, now):
        first, *rest = value.split("\n")
        lines.append(Content.assemble((f"{name:<{_WIDTH}}", "dim"), first))
        lines += [Content(" " * _WIDTH + line) for line in rest]
    return Content("\n").join(lines)


def _fields(job: Job, now: int) -> Iterator[tuple[str, str]]:
    for name, value in _all_fields(job, now):
        if value:
            yield name, value


def _all_fields(job: Job, now: int) -> Iterable[tuple[str, str]]:
    def moment(ms: int | None) -> str:
        return "" if ms is None else local_time(ms, now)

    return (
        ("id", escape(job.id)),
        ("label", escape(job.label or "")),
        ("command", escape_lines(job.command or "")),
        ("argv", "\n".join(escape(word) for word in job.argv or ())),
        ("state", job.state.label + (" (cancel requested)" if job.cancel_requested else "")),
        ("queue", escape(job.queue)),
        ("priority", str(job.priority)),
        ("attempts", f"{job.attempts} of {job.max_retries + 1}"),
        ("max retries", str(job.max_retries)),
        ("exit code", "" if job.exit_code is None else str(job.exit_code)),
        ("signal", "" if job.signal is None else signal_name(job.signal)),
        ("last error", escape_lines(job.last_error or "")),
        ("worker", escape(job.worker or "")),
        ("created", moment(job.created_at)),
        ("due", moment(job.run_at)),
        ("started", moment(job.started_at)),
        ("finished", moment(job.finished_at)),
        ("updated", moment(job.updated_at)),
        ("timeout", duration(job.timeout) if job.timeout else "none"),
        ("stop grace", "" if job.stop_grace is None else duration(job.stop_grace)),
        ("backoff base", "" if job.backoff_base is None else f"{job.backoff_base:g}"),
        ("folder", escape(job.cwd)),
        ("env", "\n".join(f"{escape(name)}={_MASK}" for name in sorted(job.env))),
        ("depends on", "\n".join(map(escape, job.depends_on))),
        ("unique key", escape(job.unique_key or "")),
    )
