"""A screen that shows the store as it is: one reading at a time, always for the latest wish."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.store_header import Freshness, Health
from store import Interrupted, QueueError

if TYPE_CHECKING:
    from store.queue import Queue

Picture = TypeVar("Picture")
Token = tuple[int, int]

_LONGEST_WITHOUT_READING = 15.0
"""Throughput and waiting times age without anything being committed."""
_SLOW = 1.5
_REST = 4
"""So many times as long as a reading took, nothing is read unless asked for."""
_STRIKE_AGAIN = 0.02
_HOLD, _SETTLE = 0.02, 0.001  # seconds

ACT = "act"
"""The group of the workers that do what a key has asked for: the next key waits for them."""
FREE = frozenset(
    {
        "", "quit", "leave", "back", "jobs", "workers", "dead", "queues", "schedules", "help",
        "command_palette", "suspend_process", "add", "filter", "state", "mark_all", "unmark",
        "pause", "rate", "zoom",
    }
)  # fmt: skip
"""The actions that mean the same whatever rows are shown."""

CHANGES = frozenset(
    {
        "add", "edit", "retry", "retry_all", "cancel", "delete", "undo", "start_workers",
        "scale", "pause_workers", "drain", "stop_now", "hold", "hold_all", "pause_job",
        "hold_job", "clone",
    }
)  # fmt: skip
"""The actions that ``--read-only`` takes away."""


class LiveScreen(Screen[None], Generic[Picture]):
    """Reads the store when it changed, or when asked to, and shows what came.

    Between frames no transaction is open. A store that can't be read leaves the last picture
    standing, marked as stale, and is tried again at every tick.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause", id="live.pause", tooltip="Stop refreshing, or go on"),
        Binding(
            "plus", "rate(-1)", "faster", key_display="+", id="live.faster",
            tooltip="Refresh more often",
        ),
        Binding("minus", "rate(1)", "slower", key_display="-", id="live.slower",
                tooltip="Refresh more seldom"),
        Binding("q", "leave", "back", id="live.leave", tooltip="Back; out, at the top"),
    ]  # fmt: skip

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._asked = asyncio.Event()
        self._token: Token | None = None
        self._read_at = 0.0
        self._reading_since: float | None = None
        self._read_for: object = None
        self._expected = 0
        self._answered = 0
        self._changed_at = 0
        self._took = 0.0
        self._shown_at = 0.0
        self._error: str | None = None
        self._held: ExitStack | None = None
        self._asked_meanwhile = False

    # -- what a screen says about itself

    @abstractmethod
    def reading(self) -> Callable[[Queue], Picture]:
        """What to read, for the screen as it is now. Runs in a thread."""

    @abstractmethod
    def show(self, picture: Picture) -> None: ...

    @abstractmethod
    def tick(self, now: int) -> None:
        """Nothing changed but the time."""

    @abstractmethod
    def show_health(self, health: Health) -> None: ...

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return self.session.interval

    @property
    def restless(self) -> bool:
        """Whether what is shown changes without the store changing."""
        return False

    @property
    def wish(self) -> object:
        """What is read: a reading for another wish than this is given up when asked again."""
        return None

    # -- what keys wait for

    def expect(self) -> None:
        """Read again, now: something has changed. Keys that go by what is shown wait for it."""
        self.expect_other()
        self._changed_at = self._expected

    def expect_other(self, *, hold: bool = False) -> None:
        """The same where another list, or order, is wanted."""
        self._expected += 1
        (self.ask_and_hold if hold else self.ask)()

    @property
    def is_settled(self) -> bool:
        """Whether what is shown is what the keys so far have asked for."""
        return self._answered >= self._expected

    @property
    def is_changing(self) -> bool:
        """Whether what is shown has changed, and that is not shown yet."""
        return self._answered < self._changed_at

    def holds_up(self, action: str) -> bool:
        """Whether a key that does this has to wait."""
        return action not in FREE and not self.is_settled

    def take(self, action: str) -> None:
        """Called before a key is handed over that does this."""

    # -- the loop

    def ask(self) -> None:
        """Read again, now: another part, order or filter is wanted."""
        if self._held is not None:  # first of all what is waited for
            self._asked_meanwhile = True
            return
        self._read_again()

    def _read_again(self) -> None:
        self._asked.set()
        self._give_up_the_obsolete()

    def ask_and_hold(self) -> None:
        """Read again, and let the terminal stand as it is until the picture is there.

        Painted at once, rows that aren't read yet would be blank, and the next frame is a frame
        later. A picture that takes longer than a moment isn't waited for.
        """
        if self._held is None:
            self._held = ExitStack()
            self._held.enter_context(self.app.batch_update())
            self._held.callback(self.set_timer(_HOLD, self._let_go).stop)
        self._read_again()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
            self.check_idle()
            if self._asked_meanwhile:
                self._asked_meanwhile = False
                self.call_after_refresh(self.ask)

    def _give_up_the_obsolete(self) -> None:
        """Again and again, since what strikes between two statements of a reading is lost."""
        if self._reading_since is not None and self._read_for != self.wish:
            self.session.interrupt(Lane.FRAMES)
            self.set_timer(_STRIKE_AGAIN, self._give_up_the_obsolete)

    def on_mount(self) -> None:
        self.run_worker(self._stay_live(), name="stay live")
        self.set_interval(1.0, self._own_up_to_slowness)
        self.expect()

    def on_screen_resume(self) -> None:
        self.expect()

    def on_unmount(self) -> None:
        self._let_go()

    async def _stay_live(self) -> None:
        while True:
            asked = await self._asked_or_due()
            if self._in_sight and (asked or not self.session.paused):
                await self._frame(asked=asked or self.restless)
            if self._in_sight:
                self.show_health(self._health())

    async def _asked_or_due(self) -> bool:
        try:
            rest = max(self.interval, _REST * self._took)
            await asyncio.wait_for(self._asked.wait(), rest)
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _frame(self, *, asked: bool) -> None:
        due = time.monotonic() - self._shown_at > _LONGEST_WITHOUT_READING
        look = _Look(self.reading(), None if asked or due else self._token)
        expected = self._expected
        self._reading_since = begun = time.monotonic()
        self._read_for = self.wish
        try:
            self._token, picture = await self.session.call(Lane.FRAMES, look)
        except Interrupted:
            self.ask()
            return
        except (QueueError, OSError) as error:
            self._error = str(error)
            self._answered = expected
            return
        finally:
            self._reading_since = None
        self._took = time.monotonic() - begun
        self._error = None
        if not self._in_sight:
            return
        if picture is None:
            self.tick(self.session.queue.now())
        else:
            self._answered = expected
            self.show(picture)
            if self._held is not None:  # by then every widget has said what it repaints
                self.set_timer(_SETTLE, self._let_go)
            self._shown_at = time.monotonic()
        self._read_at = time.monotonic()

    @property
    def _in_sight(self) -> bool:
        """Whether only dialogs, if anything, stand in front. False once the app closes."""
        if not self.app.is_running:
            return False
        for screen in reversed(self.app.screen_stack):
            if screen is self:
                return True
            if not screen.is_modal:
                return False
        return False

    def _own_up_to_slowness(self) -> None:
        """Says so while a reading takes long: what is shown is older than it looks."""
        if self._in_sight and self._slow_for is not None:
            self.show_health(self._health())

    @property
    def _slow_for(self) -> float | None:
        """How long the reading has been under way, if that is worth a word."""
        if self._reading_since is None:
            return None
        seconds = time.monotonic() - self._reading_since
        return seconds if seconds > _SLOW else None

    def _health(self) -> Health:
        slow = self._slow_for
        if slow is not None:
            return Health(Freshness.READING, self.interval, slow)
        if self._error is not None:
            stale = time.monotonic() - self._read_at if self._read_at else 0.0
            return Health(Freshness.STALE, self.interval, stale, self._error)
        state = Freshness.PAUSED if self.session.paused else Freshness.LIVE
        return Health(state, self.session.interval)

    # -- what every screen can do

    def check_action(
        self,
        action: str,
        parameters: tuple[object, ...],  # noqa: ARG002 - Textual calls it so
    ) -> bool | None:
        if self.session.read_only and action in CHANGES:
            return None
        return True

    def action_leave(self) -> None:
        self.app.pop_screen()

    def action_pause(self) -> None:
        self.session.paused = not self.session.paused
        self.ask()

    def action_rate(self, step: int) -> None:
        self.session.change_rate(step)
        self.ask()


class _Look(Generic[Picture]):
    """One look in a thread: the change token first, the picture only if it moved."""

    def __init__(self, reading: Callable[[Queue], Picture], known: Token | None) -> None:
        self._reading = reading
        self._known = known

    def __call__(self, queue: Queue) -> tuple[Token, Picture | None]:
        token = id(queue), queue.change_token()  # another store has tokens of its own
        if token == self._known:
            return token, None
        return token, self._reading(queue)
