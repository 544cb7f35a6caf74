"""Every field of a job, for reading. Values of ``env`` are never shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from queuectl_tui.job_text import uncommon_fields, whole_state
from queuectl_tui.text import GLYPHS, duration, escape, escape_lines, local_time, signal_name
from queuectl_tui.widgets.field_list import FieldList
from store import Job, JobState
from store.kinds import MASK

_NAMED = frozenset(
    {
        *("id", "label", "command", "argv", "queue", "priority", "max_retries", "run_at"),
        *("timeout", "stop_grace", "cwd", "env", "depends_on", "on_dependency_failure"),
        "unique_key",
    }
)

Dependencies = Mapping[str, JobState | None]


class JobFields(FieldList):
    """Those of one job; the ones that don't apply are left out."""

    def __init__(self) -> None:
        super().__init__(id="job-fields")

    def show_job(self, job: Job, dependencies: Dependencies, now: int) -> None:
        self.show_fields(_fields(job, dependencies, now))


def _fields(job: Job, dependencies: Dependencies, now: int) -> Iterable[tuple[str, str]]:
    def moment(ms: int | None) -> str:
        return "" if ms is None else local_time(ms, now)

    return (
        ("id", escape(job.id)),
        ("label", escape(job.label or "")),
        ("command", escape_lines(job.command or "")),
        ("argv", "\n".join(escape(word) or "''" for word in job.argv or ())),
        ("state", whole_state(job)),
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
        *((label, escape(text)) for label, text in uncommon_fields(job, _NAMED)),
        ("folder", escape(job.cwd)),
        ("env", "\n".join(f"{escape(name)}={MASK}" for name in sorted(job.env))),
        ("depends on", "\n".join(_dependency(name, dependencies) for name in job.depends_on)),
        ("if those fail", job.on_dependency_failure.value if job.depends_on else ""),
        ("schedule", escape(job.schedule or "")),
        ("unique key", escape(job.unique_key or "")),
    )


def _dependency(name: str, states: Dependencies) -> str:
    if name not in states:
        return escape(name)
    state = states[name]
    return f"{escape(name)}  {f'{GLYPHS[state]} {state.label}' if state else 'gone'}"
