"""What happens to the store under the app, and what is typed faster than it is shown."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from textual.strip import Strip

from queuectl_tui.screens import live
from queuectl_tui.screens.add_job import AddJob
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.listing import ListRequest, read_list
from queuectl_tui.screens.workers import WorkersScreen
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.store_header import StoreHeader
from queuectl_tui.widgets.viewport import Viewport
from store import (
    SORT_COLUMNS,
    JobFilter,
    JobState,
    NewJob,
    Order,
    Snapshot,
    StoreBusy,
    open_store,
)
from tests.tui.stage import PATIENCE, Backstage, opened


async def test_a_store_that_is_removed_is_missed_and_found_again(
    backstage: Backstage, tmp_path: Path
) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        path = backstage.queue.path
        path.rename(tmp_path / "elsewhere")
        await stage.until_shown("▲ STALE", "the store was removed or renamed", "wait1")
        (tmp_path / "elsewhere").rename(path)
        await stage.until_shown("● LIVE")
        backstage.pending("wait2")
        await stage.until(lambda: stage.rows() == ["wait2", "wait1"])


async def test_a_store_that_is_replaced_is_opened_anew(
    backstage: Backstage, tmp_path: Path
) -> None:
    backstage.pending("old1")
    other = open_store(str(tmp_path / "other" / "queue.db"), durable=False)
    other.enqueue([NewJob(id="new1", command="true")])
    other.checkpoint()
    other.close()
    async with opened(backstage) as stage:
        _replace(tmp_path / "other" / "queue.db", backstage.queue.path)
        await stage.until(lambda: stage.rows() == ["new1"])
        await stage.press("x")
        await stage.until_shown("⊘ CANCELLED")


async def test_a_value_that_cannot_be_is_said_to_be_damage(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage, size=(200, 20)) as stage:
        with closing(sqlite3.connect(backstage.queue.path, isolation_level=None)) as other:
            other.execute("PRAGMA ignore_check_constraints = 1")
            other.execute("UPDATE job SET on_dependency_failure = 'hole'")
        await stage.until_shown("▲ STALE", "is damaged")


async def test_a_file_that_is_no_store_is_refused_and_left_alone(
    backstage: Backstage, tmp_path: Path
) -> None:
    backstage.pending("wait1")
    junk = tmp_path / "junk"
    junk.write_bytes(b"this is no store" * 1000)
    junk.chmod(0o600)
    async with opened(backstage) as stage:
        _replace(junk, backstage.queue.path)
        await stage.until_shown("▲ STALE", "wait1")
        assert backstage.queue.path.read_bytes() == b"this is no store" * 1000


async def test_a_store_that_is_upgraded_is_let_alone(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        await stage.until_at("wait1")
        with closing(sqlite3.connect(backstage.queue.path)) as newer:
            newer.execute("PRAGMA user_version = 99")
        await stage.until_shown("▲ STALE", "was upgraded by a newer queuectl-tui", "wait1")
        await stage.press("x")
        await stage.until(lambda: "quit, and start the new one" in stage.toasts())
        assert backstage.state("wait1") is JobState.PENDING


async def test_a_reading_nobody_waits_for_is_given_up(backstage: Backstage) -> None:
    backstage.pending("a", "b")
    async with opened(backstage) as stage:
        await stage.until_at("b")
        queue = stage.app.session.queue
        snapshot, under_way = queue.snapshot, threading.Event()

        def slow(wanted: JobFilter, order: Order, **more: Any) -> Snapshot:
            if order.column == "command":
                under_way.set()
                with queue._database.read() as connection:
                    connection.execute(_MINUTES_LONG).fetchall()
            return snapshot(wanted, order, **more)

        queue.snapshot = slow  # type: ignore[method-assign]
        stage.listing.set_order(Order("command"))
        await stage.until(under_way.is_set)
        await stage.until_shown("COMMAND…")
        stage.listing.set_order(Order("queue"))
        await stage.until_shown("QUEUE↑")
        assert stage.rows() == ["a", "b"]


async def test_nothing_is_painted_before_the_rows_that_are_wanted(
    backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_HOLD", 60.0)
    backstage.pending(*(f"j{number}" for number in range(500)))
    async with opened(backstage) as stage:
        await stage.until_at("j499")
        painted = _painted(monkeypatch)
        await stage.press("G")
        await stage.until(lambda: any("j0 " in line for line in painted))
        assert all(line.strip() for line in painted)


async def test_rows_that_come_late_are_not_waited_for(
    backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backstage.pending(*(f"j{number}" for number in range(500)))
    async with opened(backstage) as stage:
        await stage.until_at("j499")
        queue = stage.app.session.queue
        snapshot, readable = queue.snapshot, threading.Event()

        def slow(wanted: JobFilter, order: Order, **more: Any) -> Snapshot:
            readable.wait(PATIENCE)
            return snapshot(wanted, order, **more)

        queue.snapshot = slow  # type: ignore[method-assign]
        painted = _painted(monkeypatch)
        await stage.press("G")
        await stage.until(lambda: any(not line.strip() for line in painted))
        readable.set()
        await stage.until(lambda: any("j0 " in line for line in painted))


def _painted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the table that are painted from now on, as they are painted."""
    painted: list[str] = []
    render_line = JobTable.render_line

    def noted(table: JobTable, y: int) -> Strip:
        strip = render_line(table, y)
        painted.append(strip.text)
        return strip

    monkeypatch.setattr(JobTable, "render_line", noted)
    return painted


_MINUTES_LONG = """
    WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000000)
    SELECT sum(x) FROM n
"""


def _replace(new: Path, path: Path) -> None:
    """As one does who restores a backup: the log goes with the old file."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(new, path.with_name("copied"))
    path.with_name("copied").chmod(0o600)
    path.with_name("copied").replace(path)


async def test_a_locked_store_is_waited_for(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        queue, tokens = stage.app.session.queue, stage.app.session.queue.change_token

        def locked() -> int:
            raise StoreBusy("another process holds the store")

        queue.change_token = locked  # type: ignore[method-assign]
        await stage.until_shown("▲ STALE", "another process holds the store")
        queue.change_token = tokens  # type: ignore[method-assign]
        await stage.until_shown("● LIVE")


async def test_a_slow_reading_is_owned_up_to(backstage: Backstage) -> None:
    backstage.pending("wait1")
    async with opened(backstage) as stage:
        screen = stage.listing
        screen._reading_since = screen._shown_at - 100
        await stage.until(lambda: "◌ READING 1m" in stage.line(StoreHeader) or _again(stage))


def _again(stage: object) -> bool:
    """A frame that ends meanwhile takes the mark away: sets it again."""
    screen = stage.listing  # type: ignore[attr-defined]
    screen._reading_since = screen._shown_at - 100
    return False


async def test_a_burst_is_taken_as_it_comes(backstage: Backstage) -> None:
    backstage.pending("first")
    async with opened(backstage) as stage:
        await stage.until_at("first")
        for _ in range(5):
            backstage.queue.enqueue(NewJob(command="true") for _ in range(10_000))
            await stage.press("V", "V")
        await stage.until(lambda: stage.table.total == 50_001)
        assert stage.table.cursor_key == "first"
        await stage.press("G")
        await stage.until(lambda: "first" in stage.rows())


async def test_a_storm_of_resizes_ends_well(backstage: Backstage) -> None:
    backstage.dead(*(f"dead{number}" for number in range(30)))
    async with opened(backstage) as stage:
        for size in [(60, 20), (200, 60), (30, 6), (120, 36), (1, 1), (80, 24)] * 3:
            await stage.pilot.resize_terminal(*size)
        await stage.until_shown("● LIVE", "> dead29", "✗ DEAD", "a add")


async def test_a_worker_may_go_while_it_is_looked_at(backstage: Backstage) -> None:
    backstage.running("run1")
    async with opened(backstage) as stage:
        await stage.press("W")
        await stage.until_screen(WorkersScreen)
        await stage.until_shown("● BUSY")
        await stage.press("j")
        for worker in backstage.queue.workers():
            backstage.queue.registry.unregister(worker.id)
        await stage.until_shown("No workers are up.")
        await stage.press("enter", "plus", "p")
        await stage.until(lambda: "No supervisor is up" in stage.toasts())


async def test_what_is_typed_ahead_lands_in_the_dialog(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        for key in ("a", "q", "x", "D", "enter"):
            stage.app.simulate_key(key)
        await stage.until(lambda: backstage.queue.count() == 1)
        assert [job.line for job in backstage.queue.jobs()] == ["qxD"]
        await stage.until_screen(JobsScreen)
        for key in ("a", "escape", "a"):
            stage.app.simulate_key(key)
        await stage.until_screen(AddJob)


@pytest.mark.parametrize("column", SORT_COLUMNS)
def test_the_table_is_given_the_rows_around_the_cursor(backstage: Backstage, column: str) -> None:
    backstage.pending(*(f"wait{number:02}" for number in range(40)))
    backstage.dead("dead1", "dead2")
    queue = backstage.queue
    for order in (Order(column), Order(column, reverse=True)):
        whole = queue.jobs(JobFilter(), order)
        for top in (0, 5, 17, 30, 36):
            request = ListRequest(
                filter=JobFilter(), order=order, viewport=Viewport(top, 6, top + 2),
                follow=whole[top + 2].id,
            )  # fmt: skip
            window = read_list(queue, request).snapshot.window
            assert window.position == top + 2
            assert window.total == 42
            assert list(window.rows) == whole[window.offset : window.offset + len(window.rows)]
            assert window.offset <= top
            assert window.offset + len(window.rows) >= top + 6
