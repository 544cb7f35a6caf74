"""Adding a job by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from queuectl_tui.screens.job_form import JobForm
from queuectl_tui.screens.session import Lane
from queuectl_tui.widgets.form_field import FormField
from store.fields import FIELDS

if TYPE_CHECKING:
    from store.queue import Queue


class AddJob(JobForm):
    """Dismissed with the id of the new job."""

    title_text: ClassVar[str] = "Add a job"

    def fields(self) -> Iterable[FormField]:
        return self.job_fields(name for name, field in FIELDS.items() if field.basic)

    async def submit(self, values: dict[str, str]) -> str:
        job = self.parse(values)
        return await self.session.call(
            Lane.CHANGES,
            lambda queue: queue.enqueue([job], captured_env=_captured_env(queue))[0],
        )


def _captured_env(queue: Queue) -> dict[str, str]:
    from queuectl_tui.capture import captured_env

    return captured_env(queue)
