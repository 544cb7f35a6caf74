"""Reading a list of jobs for a table: a slice around what is in sight, in one or two queries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from queuectl_tui.widgets.output_preview import Preview, read_preview
from queuectl_tui.widgets.viewport import Viewport
from store import JobFilter, NoSuchJob, Order, Snapshot, Stream, Window

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a table wants: ``follow`` is the job under its cursor.

    ``total`` is how long the list was when last read. ``suspects`` are marked jobs of which to
    say whether they are still there.
    """

    filter: JobFilter
    order: Order
    viewport: Viewport
    follow: str | None
    total: int = 0
    suspects: tuple[str, ...] = ()
    preview_lines: int = 0
    preview_first: Stream = Stream.STDOUT


@dataclass(frozen=True, slots=True)
class ListPicture:
    """What a table gets."""

    request: ListRequest
    snapshot: Snapshot
    vanished: tuple[str, ...]
    preview: Preview | None


def read_list(queue: Queue, request: ListRequest) -> ListPicture:
    """The picture of the store for one table."""
    snapshot = _snapshot(queue, request)
    preview = None
    if request.preview_lines and request.follow is not None:
        preview = read_preview(
            queue, request.follow, request.preview_lines, first=request.preview_first
        )
    return ListPicture(request, snapshot, _vanished(queue, request), preview)


def _snapshot(queue: Queue, request: ListRequest) -> Snapshot:
    """The snapshot, its window moved along if the followed job has moved out of it."""
    view = request.viewport
    snapshot = _read(queue, request)
    window = snapshot.window
    settled = _settled(view, window)
    if _holds(window, settled):
        return snapshot
    window = queue.window(
        request.filter,
        request.order,
        offset=_offset(settled),
        limit=_limit(settled),
        follow=request.follow,
    )
    return replace(snapshot, window=window)


def _read(queue: Queue, request: ListRequest) -> Snapshot:
    """A slice that is nearer to the end of the list is read from there: to skip rows takes long."""
    offset, limit = _offset(request.viewport), _limit(request.viewport)
    skipped_at_the_end = max(0, request.total - offset - limit)
    if offset <= skipped_at_the_end:
        return queue.snapshot(
            request.filter, request.order, offset=offset, limit=limit, follow=request.follow
        )
    snapshot = queue.snapshot(
        request.filter,
        replace(request.order, reverse=not request.order.reverse),
        offset=skipped_at_the_end,
        limit=limit,
        follow=request.follow,
    )
    return replace(snapshot, window=_turned_round(snapshot.window))


def _turned_round(window: Window) -> Window:
    position = window.position
    return Window(
        total=window.total,
        offset=max(0, window.total - window.offset - len(window.rows)),
        rows=window.rows[::-1],
        position=None if position is None else window.total - 1 - position,
    )


def _settled(view: Viewport, window: Window) -> Viewport:
    if window.position is None:
        return view.move(view.cursor, window.total)
    return view.follow(window.position, window.total)


def _holds(window: Window, view: Viewport) -> bool:
    last = min(view.top + view.height, window.total)
    return window.offset <= view.top and last <= window.offset + len(window.rows)


def _offset(view: Viewport) -> int:
    return max(0, view.top - view.height)


def _limit(view: Viewport) -> int:
    return view.height * 3


def _vanished(queue: Queue, request: ListRequest) -> tuple[str, ...]:
    return tuple(job_id for job_id in request.suspects if not _exists(queue, job_id))


def _exists(queue: Queue, job_id: str) -> bool:
    try:
        queue.job(job_id)
    except NoSuchJob:
        return False
    return True
