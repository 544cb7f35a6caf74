"""A store with jobs in every state, and an app over it that is driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from queuectl_tui.app import QueueApp
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.job_list import JobListScreen
from queuectl_tui.screens.working import Working
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.one_line import OneLine
from store import (
    AttemptState,
    JobState,
    Lease,
    NewJob,
    Outcome,
    Output,
    ProcessIdentity,
    WorkerKind,
    open_store,
)

HOSTILE = "[/red] \x1b]0;pwned\x07 \x1b[2J 日本語"
HOSTILE_AS_TEXT = r"[/red] \x1b]0;pwned\x07 \x1b[2J 日本語"
PATIENCE = 8.0

WidgetType = TypeVar("WidgetType", bound=Widget)


class Backstage:
    """Brings jobs into the state that a test begins with, by the store's own transitions."""

    def __init__(self, folder: Path, *, clock: Callable[[], int] | None = None) -> None:
        self.queue = open_store(str(folder / "queue.db"), durable=False, clock=clock)
        self._worker: str | None = None

    def close(self) -> None:
        self.queue.close()

    @property
    def worker(self) -> str:
        """A worker that is up, under a supervisor of pool ``default``."""
        if self._worker is None:
            supervisor = self.queue.registry.register(
                WorkerKind.SUPERVISOR, pool="default", host="here", identity=_process(1), count=1
            )
            self._worker = self.queue.registry.register(
                WorkerKind.WORKER,
                pool="default",
                host="here",
                identity=_process(2),
                supervisor=supervisor,
            )
            for name in (supervisor, self._worker):
                self.queue.registry.heartbeat(name)
        return self._worker

    def pending(self, *ids: str, command: str = "echo hello", **fields: Any) -> None:
        self.queue.enqueue(NewJob(id=name, command=command, **fields) for name in ids)

    def running(self, name: str, *, command: str = "sleep 60", **fields: Any) -> Lease:
        # nothing else is ready before it, so that it is the one claimed
        self.queue.enqueue([NewJob(id=name, command=command, priority=1000, **fields)])
        lease = self.queue.claim(self.worker)
        assert lease is not None
        assert lease.job_id == name
        return lease

    def ended(
        self,
        *ids: str,
        state: AttemptState = AttemptState.COMPLETED,
        exit_code: int = 0,
        error: str | None = None,
        stdout: bytes = b"",
        stderr: bytes = b"",
        **fields: Any,
    ) -> None:
        for name in ids:
            lease = self.running(name, **fields)
            outcome = Outcome(
                state,
                exit_code=exit_code,
                error=error,
                stdout=Output(len(stdout), stdout),
                stderr=Output(len(stderr), stderr),
            )
            self.queue.finish(lease, outcome)

    def dead(self, *ids: str, exit_code: int = 3, error: str = "exit 3: boom", **more: Any) -> None:
        self.ended(
            *ids,
            state=AttemptState.FAILED,
            exit_code=exit_code,
            error=error,
            max_retries=0,
            **more,
        )

    def state(self, name: str) -> JobState:
        return self.queue.job(name).state


class Stage:
    """The app, as one who sits before it knows it: keys in, what is shown out."""

    def __init__(self, app: QueueApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> Screen[Any]:
        return self.app.screen

    @property
    def listing(self) -> JobListScreen:
        screen = self.app.screen
        assert isinstance(screen, JobListScreen)
        return screen

    @property
    def table(self) -> JobTable:
        return self.listing.table

    async def fill(self, **values: str) -> None:
        """Put ``values`` into the fields of the form in front."""
        for field in self.screen.query(FormField):
            if field.name in values:
                field.input.focus()
                field.input.value = values[field.name]
                await self.pilot.pause()

    def rows(self) -> list[str]:
        """The ids in sight, top to bottom."""
        first, last = self.table.visible_range
        jobs = [self.table.row(index) for index in range(max(0, first - 1), last)]
        return [job.id for job in jobs if job is not None]

    def shown(self) -> str:
        """The whole picture as text."""
        width, height = self.app.size
        lines = self.screen._compositor.render_strips()
        assert len(lines) == height
        assert all(strip.cell_length == width for strip in lines)
        return "\n".join(strip.text for strip in lines)

    def line(self, kind: type[OneLine]) -> str:
        return self.screen.query_one(kind).plain

    def toasts(self) -> str:
        return "\n".join(note.message for note in self.app._notifications)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        focused = self.screen.focused
        assert isinstance(focused, Input)
        for char in text:
            focused.insert_text_at_cursor(char)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Waits until ``holds``; what is shown then is in the error if it never does."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"never came true: {what}\n{self.shown()}")
            await self.pilot.pause()
            await asyncio.sleep(0.01)

    async def until_shown(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.shown() for text in texts), f"shown: {texts}")

    async def until_ordered(self) -> None:
        """Waits until the rows in the order that was asked for are there."""
        asked = self.listing.order
        await self.until(lambda: self.table.order == (asked.column, asked.reverse), "in order")

    async def until_at(self, job_id: str) -> None:
        await self.until(lambda: self.table.cursor_key == job_id, f"cursor on {job_id}")

    async def until_screen(self, kind: type[Screen[Any]]) -> None:
        """Waits until it is in front; a question until it has been seen."""
        await self.until(
            lambda: isinstance(self.screen, kind) and _is_seen(self.screen), kind.__name__
        )


@asynccontextmanager
async def opened(
    backstage: Backstage, *, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[Stage]:
    """The app over the store, once its first rows are shown."""
    app = QueueApp(backstage.queue, **options)
    app.session.interval = 0.1
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = Stage(app, pilot)
        await stage.until(lambda: isinstance(app.screen, JobListScreen), "the jobs screen")
        total = backstage.queue.count()
        await stage.until(lambda: stage.table.total == total, "the first rows")
        yield stage


def _is_seen(screen: Screen[Any]) -> bool:
    return not isinstance(screen, Confirm | Working) or screen.seen_at is not None


def _process(pid: int) -> ProcessIdentity:
    return ProcessIdentity(pid, 1, "boot")
