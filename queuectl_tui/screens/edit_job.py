"""Editing a job that isn't running; one that has finished can be run again at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from queuectl_tui.screens.job_actions import RETRYABLE, JobActions
from queuectl_tui.screens.job_form import JobForm
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.talk import complain, voice_of
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.one_line import Piece
from store import Job, JobState, NewJob

if TYPE_CHECKING:
    from store.queue import Queue

EDITABLE = frozenset(JobState) - {JobState.PROCESSING}


class EditJob(JobForm):
    """Dismissed with a sentence about what was done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "retry", "save, retry", id="form.retry", priority=True,
                tooltip="Save the edited job and run it again"),
    ]  # fmt: skip

    def __init__(self, session: Session, job: Job) -> None:
        super().__init__(session)
        self._job = job
        self._then_retry = False

    @property
    def title_text(self) -> str:  # type: ignore[override]
        return f"Edit {self._job.id}, {self._job.state.label}"

    def keys(self) -> list[Piece]:
        if not self._is_retryable:
            return super().keys()
        return [Piece("^r", "bold $accent"), Piece(" save and retry   "), *super().keys()]

    def fields(self) -> Iterable[FormField]:
        values = _as_typed(self._job)
        names = set(values) | {"delay"}
        return self.job_fields(names, values)

    async def submit(self, values: dict[str, str]) -> str:
        job, retry = self._job, self._then_retry
        new = _with_the_rest(self.parse(values), job)
        await self.session.call(Lane.CHANGES, lambda queue: _save(queue, job.id, new, retry=retry))
        return f"Saved {job.id}, and retrying it" if retry else f"Saved {job.id}"

    def action_submit(self) -> None:
        self._then_retry = False
        super().action_submit()

    def action_retry(self) -> None:
        self._then_retry = self._is_retryable
        super().action_submit()

    @property
    def _is_retryable(self) -> bool:
        return self._job.state in RETRYABLE


async def edit(screen: Screen[Any], session: Session, job_id: str) -> str | None:
    """Lets the job be edited in front of ``screen``; what was done, or None."""
    job = await JobActions(session, voice_of(screen)).look_up(job_id)
    if job is None:
        return None
    if job.state not in EDITABLE:
        complain(screen, f"Can't edit {job.id}: it is {job.state.label}")
        return None
    return await screen.app.push_screen_wait(EditJob(session, job))


def _as_typed(job: Job) -> dict[str, str]:
    """The fields of a job, as one would have typed them."""
    return {
        "argv" if job.argv is not None else "command": job.line,
        "queue": job.queue,
        "priority": str(job.priority),
        "max_retries": str(job.max_retries),
        "timeout": f"{job.timeout:g}" if job.timeout else "",
        "cwd": job.cwd,
        "label": job.label or "",
        "depends_on": " ".join(job.depends_on),
    }


def _with_the_rest(new: NewJob, job: Job) -> NewJob:
    """``new`` with the fields of ``job`` that the form doesn't show."""
    return new._replace(
        env=job.env,
        unique_key=job.unique_key,
        stop_grace=job.stop_grace,
        backoff_base=job.backoff_base,
    )


def _save(queue: Queue, job_id: str, new: NewJob, *, retry: bool) -> None:
    queue.edit(job_id, new)
    if retry:
        queue.retry([job_id])
