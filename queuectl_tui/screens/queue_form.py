"""A queue's limits, set by hand; a queue that isn't there yet is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from queuectl_tui.queue_limits import most_running, slot_values
from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.queue_table import slots_text
from store import InvalidInput, QueueDepth, QueueInfo
from store.fields import NAME_PATTERN

if TYPE_CHECKING:
    from store.queue import Queue


class QueueForm(Form[str]):
    """Dismissed with a sentence about what was done. ``info`` None: a new queue."""

    def __init__(self, session: Session, info: QueueInfo | None) -> None:
        super().__init__(session.memory)
        self._session = session
        self._info = info
        self.title_text = f"Limits of queue {info.name}" if info else "Add a queue"  # type: ignore[misc]

    def fields(self) -> Iterable[FormField]:
        info = self._info
        if info is None:
            yield FormField(
                "queue", "Name", hint="Jobs name it to wait in it", check=queue_name, value=""
            )
        most = "" if info is None or info.max_running is None else str(info.max_running)
        yield FormField(
            "max_running", "Max running", check=most_running, value=most,
            hint="How many run at once, over all workers; blank: no limit",
        )  # fmt: skip
        yield FormField(
            "slots", "Slots", check=slot_values, value=slots_text(info) if info else "",
            hint="A variable and its values, such as GPU=0,1: each running job gets one of them,"
            " and no more run than there are; blank: none",
        )  # fmt: skip

    async def submit(self, values: dict[str, str]) -> str:
        info = self._info
        name = info.name if info else queue_name(values.get("queue", ""))
        most = most_running(values["max_running"]) if "max_running" in values else None
        variable, slots = slot_values(values["slots"]) if "slots" in values else (None, [])

        def save(queue: Queue) -> None:
            if info is None and any(_is_called(name, depth) for depth in queue.queues.all()):
                raise InvalidInput(f"There is a queue {name} already: e on its row edits it")
            if info is None or info.max_running != most:
                queue.queues.set_max_running(name, most)
            if info is None or (info.slot_name, list(info.slots)) != (variable, slots):
                queue.queues.set_slots(name, variable, slots)

        await self._session.call(Lane.CHANGES, save)
        limit = "no limit" if most is None else f"at most {most:,} run"
        return f"Queue {name}: {limit}" + (f", {len(slots)} slots in {variable}" if slots else "")


def queue_name(text: str) -> str:
    """``text``, if a queue may be called so. Raises ``InvalidInput``."""
    if NAME_PATTERN.fullmatch(text):
        return text
    if not text:
        raise InvalidInput("Name: one is needed")
    raise InvalidInput(f"{text[:40]!r} is no name: letters, digits and . _ : -")


def _is_called(name: str, depth: QueueDepth) -> bool:
    return depth.info.name == name
