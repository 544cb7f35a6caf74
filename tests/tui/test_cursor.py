"""Cursor and marks stay on their jobs, whatever happens to the list in between.

A thousand steps of a seeded walk: other processes change the store, keys are pressed, also while a
reading is under way. The app reads only when it is told to, so that each walk is the same walk.
``CURSOR_SEED`` and ``CURSOR_STEPS`` take another one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from textual.events import Key

from queuectl_tui.screens.session import Lane
from store import AttemptState, JobFilter, JobState, Lease, Order, Outcome
from store.queue import Queue
from tests.tui.stage import Backstage, Stage, opened

SEED = int(os.environ.get("CURSOR_SEED", "1"))
STEPS = int(os.environ.get("CURSOR_STEPS", "1000"))
NEVER = 3600.0
STANDING = {"keys", "watch", "stay live"}
SIZES = [(80, 24), (60, 20), (120, 36)]
WORDS = ["", "", "", "b1", "7", "queue:mail", "state:pend", "state:dead", "exit:3"]
MOVES = ["j", "k", "j", "k", "g", "G", "ctrl+d", "ctrl+u", "pagedown", "pageup"]
NAMES = {" ": "space", "<": "less_than_sign", ">": "greater_than_sign", "*": "asterisk",
         "\\": "backslash"}  # fmt: skip
FEWEST, MOST = 70, 130

Answer = TypeVar("Answer")


class Gate:
    """Lets the answers of the table's readings through, or holds them back."""

    def __init__(self, stage: Stage) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.holds = False
        self._call = stage.app.session.call
        stage.app.session.call = self.call  # type: ignore[method-assign]

    async def call(self, lane: Lane, work: Callable[[Queue], Answer]) -> Answer:
        answer = await self._call(lane, work)
        if lane is Lane.FRAMES:
            self.holds = not self._open.is_set()
            await self._open.wait()
            self.holds = False
        return answer

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


class Others:
    """What other processes do to the store, as chance has it."""

    def __init__(self, backstage: Backstage, chance: Random) -> None:
        self._stage = backstage
        self._queue = backstage.queue
        self._chance = chance
        self._ids = (f"{chance.choice('abc')}{number}" for number in itertools.count())
        self._leases: list[Lease] = []

    def change(self) -> str:
        """Does one thing; says what."""
        number = self._queue.count()
        if number < FEWEST:
            return self.add()
        if number > MOST:
            return self.delete(20)
        deed = self._chance.choice(
            [self.add, self.claim, self.claim, self.finish, self.retry, self.cancel, self.delete]
        )
        return deed()

    def add(self, count: int | None = None) -> str:
        ids = [next(self._ids) for _ in range(count or self._chance.choice([1, 1, 3, 30]))]
        for name in ids:
            self._stage.pending(
                name,
                queue=self._chance.choice(["default", "mail"]),
                priority=self._chance.randrange(3),
                command=f"echo {self._chance.randrange(20)}",
                max_retries=self._chance.randrange(2),
            )
        return f"add {' '.join(ids)}"

    def claim(self) -> str:
        if len(self._leases) > 8:
            return self.finish()
        lease = self._queue.claim(self._stage.worker)
        if lease is None:
            return self.add()
        self._leases.append(lease)
        return f"claim {lease.job_id}"

    def finish(self) -> str:
        if not self._leases:
            return self.add()
        lease = self._leases.pop(self._chance.randrange(len(self._leases)))
        code = self._chance.choice([0, 3])
        state = AttemptState.FAILED if code else AttemptState.COMPLETED
        self._queue.finish(lease, Outcome(state, exit_code=code))
        return f"finish {lease.job_id} with {code}"

    def retry(self) -> str:
        ids = self._some(JobState.DEAD, JobState.FAILED, JobState.COMPLETED, JobState.CANCELLED)
        self._queue.retry(ids)
        return f"retry {' '.join(ids)}"

    def cancel(self) -> str:
        ids = self._some(JobState.PENDING, JobState.FAILED)
        self._queue.cancel(ids)
        return f"cancel {' '.join(ids)}"

    def delete(self, count: int | None = None) -> str:
        finished = JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED
        if count is not None:
            self._queue.cancel(self._some(JobState.PENDING, count=count))
        ids = self._some(*finished, count=count)
        self._queue.delete(ids)
        return f"delete {' '.join(ids)}"

    def _some(self, *states: JobState, count: int | None = None) -> list[str]:
        jobs = self._queue.jobs(JobFilter(states=frozenset(states)), Order("created"))
        wanted = count or self._chance.choice([1, 1, 2, 8])
        return [job.id for job in self._chance.sample(jobs, min(wanted, len(jobs)))]


class Walk:
    """The app and what ought to be seen in it."""

    def __init__(self, stage: Stage, backstage: Backstage) -> None:
        self.stage = stage
        self.chance = Random(SEED)
        self.others = Others(backstage, self.chance)
        self.gate = Gate(stage)
        self.log: list[str] = []
        self._queue = backstage.queue
        self._filter = JobFilter()
        self._list: list[str] = []
        self._at = 0
        self._key: str | None = None
        self._origin: str | None = None
        self._marks: set[str] = set()
        self._anchor: str | None = None

    # -- steps

    async def step(self) -> None:
        deed = self.chance.choice(
            [self.changes, self.changes, self.moves, self.moves, self.moves_while_it_reads,
             self.moves_unaware, self.marks, self.marks, self.marks_a_range, self.orders,
             self.orders_and_moves, self.filters, self.settings]
        )  # fmt: skip
        await deed()
        await self.look()

    async def begin(self) -> None:
        self.others.add(110)
        await self.look()

    async def changes(self) -> None:
        for _ in range(self.chance.choice([1, 1, 1, 5])):
            self.log.append(self.others.change())

    async def moves(self) -> None:
        for _ in range(self.chance.choice([1, 1, 4])):
            await self.move()
            await self.look()

    async def moves_unaware(self) -> None:
        """Keys act on what is seen, not on what the store has become meanwhile."""
        await self.changes()
        await self.move()

    async def moves_while_it_reads(self) -> None:
        """What is read for one row under the cursor is shown when it stands on another."""
        await self.changes()
        await self.hold()
        await self.move()
        await self.release()

    async def orders_and_moves(self) -> None:
        """A move in an order that has yet to be read waits for it."""
        self.gate.shut()
        await self.press(self.chance.choice("I<>"))
        await self.stage.until(lambda: self.gate.holds, "a reading is held back")
        key, by = self.any_move()
        await self.press(key)
        self.shown()
        await self.release()
        self._list = self.listed()
        if self._key in self._list:
            self._at = self._list.index(self._key)
        self.to(max(0, self._at + by))

    async def marks(self) -> None:
        if self.chance.random() < 0.5:
            await self.changes()
        key = self.chance.choice("      *\\")
        if key == "*":
            self._marks.update(self.listed())
        elif key == "\\":
            self._marks.clear()
            self._anchor = None
        elif self._key is not None:
            self._marks ^= {self._key}
        await self.press(key)
        if key == " " and self._list:
            self.to(self._at + 1)

    async def marks_a_range(self) -> None:
        """From V to V, though the list may change in between, and the cursor's row move away."""
        self._anchor = self._key
        await self.press("V")
        await self.move()
        await self.look()
        if self._anchor is None:
            return
        if self.chance.random() < 0.5:
            await self.changes()
        listed = self.listed()
        ends = [listed.index(each) for each in (self._anchor, self._key) if each in listed]
        if len(ends) < 2:
            await self.press("\\")
            self._marks.clear()
        else:
            await self.press("V")
            self._marks.update(listed[min(ends) : max(ends) + 1])
        self._anchor = None

    async def orders(self) -> None:
        await self.press(self.chance.choice("I<>"))

    async def filters(self) -> None:
        if self.chance.random() < 0.5:
            await self.press(self.chance.choice("00012456"))
            return
        word = self.chance.choice(WORDS)
        self.log.append(f"filter {word!r}")
        self.stage.listing.set_filter(word)
        await self.quiet()

    async def settings(self) -> None:
        if self.chance.random() < 0.5:
            await self.press("F")
            return
        size = self.chance.choice(SIZES)
        self.log.append(f"resize to {size}")
        await self.stage.pilot.resize_terminal(*size)

    # -- the keys

    async def press(self, key: str) -> None:
        self.log.append(f"press {key}")
        if key not in "01234567*\\":
            self._origin = None
        driver = self.stage.app._driver
        assert driver is not None
        driver.send_message(Key(NAMES.get(key, key), key if len(key) == 1 else None))
        await self.quiet()

    def any_move(self) -> tuple[str, int]:
        """A key, and how many rows it goes down."""
        key = self.chance.choice(MOVES)
        page = self.stage.table.viewport.height
        return key, {
            "j": 1, "k": -1, "g": -(10**6), "G": 10**6, "ctrl+d": int(page / 2),
            "ctrl+u": int(-page / 2), "pagedown": page, "pageup": -page,
        }[key]  # fmt: skip

    async def move(self) -> None:
        key, by = self.any_move()
        target = max(0, min(self._at + by, len(self._list) - 1))
        held = self.stage.table.row(target) is not None
        await self.press(key)
        if self._list:
            self.to(target, held=held)

    def to(self, index: int, *, held: bool = True) -> None:
        """Where the cursor goes in the list as it is seen. A row that isn't read yet is only a
        place: whose row it is turns out when it is read."""
        self._at = min(index, len(self._list) - 1)
        self._key = self._list[self._at] if held and self._list else None

    # -- what is read

    async def hold(self) -> None:
        self.gate.shut()
        self.stage.listing.ask()
        await self.stage.until(lambda: self.gate.holds, "a reading is held back")

    async def release(self) -> None:
        self.gate.open()
        await self.quiet()

    async def quiet(self) -> None:
        """Until nothing is left to be done, but for a reading that is held back."""
        still = 0
        while still < 2:
            if self._is_idle():
                still += 1
                await self.stage.pilot._wait_for_screen()
            else:
                still = 0
                await asyncio.sleep(0.001)

    def _is_idle(self) -> bool:
        screen, app = self.stage.listing, self.stage.app
        reading = screen._asked.is_set() or screen._reading_since is not None
        if any(not each.is_finished and each.name not in STANDING for each in app.workers):
            return False
        waits = reading or screen._asked_meanwhile or not screen.is_settled
        return app._keys._typed.empty() and (self.gate.holds or not waits)

    def listed(self) -> list[str]:
        listing = self.stage.listing
        return [job.id for job in self._queue.jobs(listing.filter, listing.order)]

    # -- what is seen

    async def look(self) -> None:
        """Has the app read, until it has looked at all marks, and compares."""
        for _ in range(0, len(self.stage.table.marks) + 1, 100):
            self.stage.listing.ask()
            await self.quiet()
        self._list, wanted = self.listed(), self.stage.listing.filter
        if wanted != self._filter:
            if self._origin is None:
                self._origin = self._key or ""
            self._at = self._list.index(self._origin) if self._origin in self._list else 0
        elif self._key in self._list:
            self._at = self._list.index(self._key)
        else:
            self._at = max(0, min(self._at, len(self._list) - 1))
        self._key = self._list[self._at] if self._list else None
        self._filter = wanted
        everything = {job.id for job in self._queue.jobs(JobFilter(), Order("created"))}
        self._marks &= everything
        self.shown()

    def shown(self) -> None:
        table = self.stage.table
        assert table.total == len(self._list)
        assert (table.cursor_key, table.cursor) == (self._key, self._at)
        assert set(table.marks) == self._marks
        first, last = table.visible_range
        assert self.stage.rows() == self._list[max(0, first - 1) : last]
        self._painted(first, last)

    def _painted(self, first: int, last: int) -> None:
        table = self.stage.table
        lines = self.stage.screen._compositor.render_strips()
        top = table.content_region.y + 1
        for at in range(max(0, first - 1), last):
            job_id = self._list[at]
            pointer = ">" if at == self._at else " "
            mark = "V" if job_id == self._anchor else "●" if job_id in self._marks else " "
            text = lines[top + at - first + 1].text
            assert text.startswith(f"{pointer}{mark}{job_id} "), text


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Backstage]:
    ticks = itertools.count(1_796_034_600_000, 7)
    made = Backstage(tmp_path, clock=lambda: next(ticks))
    yield made
    made.close()


async def test_cursor_and_marks_stay_on_their_jobs(lasting: Backstage) -> None:
    async with opened(lasting) as stage:
        stage.app.session.interval = NEVER
        await stage.pilot.pause(0.2)
        walk = Walk(stage, lasting)
        try:
            await walk.begin()
            while len(walk.log) < STEPS:
                await walk.step()
        except AssertionError as error:
            error.add_note("\n".join([f"seed {SEED}, after {len(walk.log)}:", *walk.log[-15:]]))
            raise
