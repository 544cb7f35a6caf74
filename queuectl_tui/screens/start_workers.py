"""Starting workers that stay when the app is closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.form_field import FormField
from store import DEFAULT_POOL, InvalidInput, Worker
from store.kinds import NAME_PATTERN

_MOST = 1000


class StartWorkers(Form[Worker]):
    """Dismissed with the supervisor that was started."""

    title_text: ClassVar[str] = "Start workers"

    def __init__(self, session: Session) -> None:
        super().__init__(session.memory)
        self._session = session

    def fields(self) -> Iterable[FormField]:
        yield FormField(
            "count", "How many", hint="Each runs one job at a time", check=_count, value="2"
        )
        yield FormField(
            "pool", "Pool", hint="One supervisor a pool", check=_pool, value=DEFAULT_POOL
        )
        yield FormField(
            "queues", "Queues", hint="Only these, blanks between them; all if blank", check=_queues
        )

    async def submit(self, values: dict[str, str]) -> Worker:
        from workers import start_detached

        return await self._session.call(
            Lane.WORKERS,
            lambda queue: start_detached(
                queue,
                pool=_pool(values.get("pool", DEFAULT_POOL)),
                count=_count(values.get("count", "1")),
                queues=_queues(values.get("queues", "")),
            ),
        )


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= _MOST:
        return int(text)
    raise InvalidInput(f"must be a number from 1 to {_MOST}")


def _pool(text: str) -> str:
    return _name(text)


def _queues(text: str) -> tuple[str, ...]:
    return tuple(_name(word) for word in text.replace(",", " ").split())


def _name(text: str) -> str:
    if NAME_PATTERN.fullmatch(text):
        return text
    raise InvalidInput(f"{text!r} is no name: letters, digits and . _ : -")
