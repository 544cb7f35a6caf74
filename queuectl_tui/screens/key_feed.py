"""Keys are done with one after the other, as they were meant.

A slow line delivers ``/dead`` in one packet, and who knows the keys doesn't look up. Textual sends
each key to what has the focus when it arrives, so that the letters would act on the table before
the first of them has opened the filter, and an action on the rows of the list before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.events import Key, Paste
from textual.message_pump import MessagePump
from textual.screen import ModalScreen
from textual.widgets import Input

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.live import ACT, LiveScreen
from queuectl_tui.screens.working import Working

if TYPE_CHECKING:
    from textual.dom import DOMNode

_PATIENCE = 0.25
_ROUNDS = 12
_LOOK = 0.002
_FORGETTABLE = 1.0
"""Seconds that keys have waited when Esc drops them."""


class KeyFeed:
    """Hands over a key when all that it depends on is there.

    That is what the key before it has set off: marks, the list of a filter, an action. What was
    typed before a question was seen is no answer to it, and meant for nothing else: it is dropped.
    """

    def __init__(self, app: App[Any], handle: Callable[[Key | Paste], Awaitable[None]]) -> None:
        self._app = app
        self._handle = handle
        self._typed: asyncio.Queue[Key | Paste] = asyncio.Queue()
        self._seen_at = 0.0
        self._held_since: float | None = None

    async def put(self, event: Key | Paste) -> None:
        """Takes a key; one that leaves the app is handed over at once if others wait."""
        screen = self._app.screen
        if isinstance(screen, Working) and screen.seen_at is not None:
            await self._handle(event)
            return
        held_since = self._held_since
        if held_since is not None and isinstance(event, Key):
            if _action(self._app, event) == "quit":
                await self._handle(event)
                return
            if event.key == "escape" and time.monotonic() - held_since > _FORGETTABLE:
                self._drop_what_waits()
        self._typed.put_nowait(event)

    async def run(self) -> None:
        """Never returns; to be cancelled with the app."""
        while True:
            event = await self._typed.get()
            if await self._is_its_turn(event):
                await self._handle(event)

    async def _is_its_turn(self, event: Key | Paste) -> bool:
        """Waits until the key can be handed over; False if it is meant for nothing."""
        self._held_since = time.monotonic()
        await self._settle()
        while self._holds_up(event):
            while self._holds_up(event):
                await asyncio.sleep(_LOOK)
            await self._settle()
        self._held_since = None
        screen = self._app.screen
        if isinstance(screen, Confirm):
            self._seen_at = screen.seen_at or self._seen_at
        elif isinstance(screen, LiveScreen) and not self._is_typing:
            screen.take(_action(self._app, event))
        return event.time > self._seen_at

    def _drop_what_waits(self) -> None:
        self._seen_at = time.monotonic()
        while not self._typed.empty():
            self._typed.get_nowait()

    def _holds_up(self, event: Key | Paste) -> bool:
        screen = self._app.screen
        if event.time <= self._seen_at:
            return False
        if isinstance(screen, Confirm):
            return screen.seen_at is None
        if isinstance(screen, ModalScreen):
            return isinstance(screen, Working)
        if any(not each.is_finished for each in self._app.workers if each.group == ACT):
            return True
        if not isinstance(screen, LiveScreen) or self._is_typing:
            return False
        return screen.holds_up(_action(self._app, event))

    @property
    def _is_typing(self) -> bool:
        return isinstance(self._app.focused, Input)

    async def _settle(self) -> None:
        """Waits until what was sent where the keys go has been handled, and what that has sent."""
        for _ in range(_ROUNDS):
            before = self._place
            way = before.ancestors_with_self  # the app is the last
            for node in way:
                await _drained(node)
            if self._place is before and not any(map(_is_sent_more, way)):
                return

    @property
    def _place(self) -> DOMNode:
        """Where the next key would go."""
        return self._app.focused or self._app.screen


def _action(app: App[Any], event: Key | Paste) -> str:
    """The name of what the key does; empty if that is nothing, or text."""
    active = app.screen.active_bindings.get(event.key) if isinstance(event, Key) else None
    return "" if active is None else active.binding.action.partition("(")[0]


def _is_sent_more(pump: MessagePump) -> bool:
    return pump.message_queue_size > 0


async def _drained(pump: MessagePump) -> None:
    """Waits until ``pump`` has handled what it has been sent, but not for ever."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), _PATIENCE)
