"""A queue's limits, set by hand; a queue that isn't there yet is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from queuectl_tui.queue_limits import limits_text, most_running, rate_text, slot_values, start_rate
from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.queue_table import slots_text
from store import InvalidInput, QueueDepth, QueueInfo
from store.kinds import NAME_PATTERN

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
        per_label = "" if info is None or info.max_per_label is None else str(info.max_per_label)
        yield FormField(
            "max_per_label", "Per label", check=most_running, value=per_label,
            hint="How many run at once with the same label; blank: no limit",
        )  # fmt: skip
        yield FormField(
            "rate", "Rate", check=start_rate,
            value=rate_text(info.rate) if info and info.rate else "",
            hint="How many attempts begin within any such time, such as 10/1m; blank: no limit",
        )  # fmt: skip
        yield FormField(
            "slots", "Slots", check=slot_values, value=slots_text(info) if info else "",
            hint="A variable and its values, such as GPU=0,1: each running job gets one of them,"
            " and no more run than there are; blank: none",
        )  # fmt: skip

    async def submit(self, values: dict[str, str]) -> str:
        info = self._info
        name = info.name if info else queue_name(values.get("queue", ""))
        new = _with_limits(info or QueueInfo(name, False, None, 0, 0), values)

        def save(queue: Queue) -> None:
            if info is None and any(_is_called(name, depth) for depth in queue.queues.all()):
                raise InvalidInput(f"There is a queue {name} already: e on its row edits it")
            _save(queue, info, new)

        await self._session.call(Lane.CHANGES, save)
        return f"Queue {name}: {_told(new)}"


def queue_name(text: str) -> str:
    """``text``, if a queue may be called so. Raises ``InvalidInput``."""
    if NAME_PATTERN.fullmatch(text):
        return text
    if not text:
        raise InvalidInput("Name: one is needed")
    raise InvalidInput(f"{text[:40]!r} is no name: letters, digits and . _ : -")


def _is_called(name: str, depth: QueueDepth) -> bool:
    return depth.info.name == name


def _with_limits(info: QueueInfo, values: dict[str, str]) -> QueueInfo:
    """The queue with the limits that were typed; a field that was left blank isn't there."""
    variable, slots = slot_values(values.get("slots", "none"))
    return info._replace(
        max_running=most_running(values.get("max_running", "none")),
        max_per_label=most_running(values.get("max_per_label", "none")),
        rate=start_rate(values.get("rate", "none")),
        slot_name=variable,
        slots=tuple(slots),
    )


def _save(queue: Queue, old: QueueInfo | None, new: QueueInfo) -> None:
    """Set what differs."""
    if old is None or old.max_running != new.max_running:
        queue.queues.set_max_running(new.name, new.max_running)
    if old is None or old.max_per_label != new.max_per_label:
        queue.queues.set_max_per_label(new.name, new.max_per_label)
    if old is None or old.rate != new.rate:
        queue.queues.set_rate(new.name, new.rate)
    if old is None or (old.slot_name, old.slots) != (new.slot_name, new.slots):
        queue.queues.set_slots(new.name, new.slot_name, new.slots)


def _told(info: QueueInfo) -> str:
    most = "" if info.max_running is None else f"at most {info.max_running:,} run"
    slots = f"{len(info.slots)} slots in {info.slot_name}" if info.slots else ""
    return ", ".join(filter(None, [most, limits_text(info), slots])) or "no limit"
