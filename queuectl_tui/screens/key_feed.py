"""Keys are done with one after the other, as they were meant.

A slow line delivers ``/dead`` in one packet. Textual sends each key to what has the focus when it
arrives, so that the letters would act on the table before the first of them has opened the filter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.events import Key, Paste
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.dom import DOMNode

_PATIENCE = 0.25
_ROUNDS = 6


class KeyFeed:
    """Hands over a key when all that the key before it has set off is over."""

    def __init__(self, app: App[Any], handle: Callable[[Key | Paste], Awaitable[None]]) -> None:
        self._app = app
        self._handle = handle
        self._typed: asyncio.Queue[Key | Paste] = asyncio.Queue()

    def put(self, event: Key | Paste) -> None:
        self._typed.put_nowait(event)

    async def run(self) -> None:
        """Never returns; to be cancelled with the app."""
        while True:
            await self._handle(await self._typed.get())
            if not self._typed.empty():
                await self._settle()

    async def _settle(self) -> None:
        for _ in range(_ROUNDS):
            before = self._place
            for node in [*before.ancestors_with_self, self._app]:
                await _drained(node)
            if self._place is before:
                return

    @property
    def _place(self) -> DOMNode:
        """Where the next key would go."""
        return self._app.focused or self._app.screen


async def _drained(pump: MessagePump) -> None:
    """Waits until ``pump`` has handled what it has been sent, but not for ever."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), _PATIENCE)
