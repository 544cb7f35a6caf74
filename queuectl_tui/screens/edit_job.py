"""Editing a job that isn't running; one that has finished can be run again at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.job_form import JobForm, fields_to_edit
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.talk import complain, voice_of
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.one_line import Piece
from store import Job, NewJob

if TYPE_CHECKING:
    from store.queue import Queue

_NOT_EDITED = ("id", "held", "run_at")


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
        job = self._job.as_new()
        return self.job_fields(fields_to_edit(job, _NOT_EDITED), job)

    async def submit(self, _: dict[str, str]) -> str:
        job, retry = self._job, self._then_retry
        new = self.parse_changes(job.as_new())
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
        return self._job.state.retryable


async def edit(screen: Screen[Any], session: Session, job_id: str) -> str | None:
    """Lets the job be edited in front of ``screen``; what was done, or None."""
    job = await JobActions(session, voice_of(screen)).look_up(job_id)
    if job is None:
        return None
    if not job.state.editable:
        complain(screen, f"Can't edit {job.id}: it is {job.state.label}")
        return None
    return await screen.app.push_screen_wait(EditJob(session, job))


def _save(queue: Queue, job_id: str, new: NewJob, *, retry: bool) -> None:
    queue.edit(job_id, new)
    if retry:
        queue.retry([job_id])
