"""Reading a list of jobs for a table: a slice around what is in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queuectl_tui.widgets.output_preview import Preview, read_preview
from queuectl_tui.widgets.viewport import Viewport
from store import JobFilter, Order, Snapshot, Stream
from workers import as_seen

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a table wants: ``follow`` is the job under its cursor.

    ``marked`` are the jobs of which to say whether they are still there.
    """

    filter: JobFilter
    order: Order
    viewport: Viewport
    follow: str | None
    marked: tuple[str, ...] = ()
    preview_lines: int = 0
    preview_first: Stream = Stream.STDOUT


@dataclass(frozen=True, slots=True)
class ListPicture:
    """What a table gets."""

    request: ListRequest
    snapshot: Snapshot
    vanished: tuple[str, ...]
    hidden: int
    """How many marked jobs are there, but not in the list."""
    preview: Preview | None


def read_list(queue: Queue, request: ListRequest) -> ListPicture:
    """The picture of the store for one table."""
    snapshot = _snapshot(queue, request)
    preview = None
    if request.preview_lines and request.follow is not None:
        preview = read_preview(
            queue, request.follow, request.preview_lines, first=request.preview_first
        )
    vanished = queue.outside(request.marked) if request.marked else []
    unlisted = queue.outside(request.marked, request.filter) if request.marked else []
    return ListPicture(request, snapshot, tuple(vanished), len(unlisted) - len(vanished), preview)


def _snapshot(queue: Queue, request: ListRequest) -> Snapshot:
    """The snapshot, its window moved along with the followed job."""
    view = request.viewport
    snapshot = queue.snapshot(
        request.filter,
        request.order,
        offset=lambda total, position: max(0, _settled(view, total, position).top - view.height),
        limit=view.height * 3,
        follow=request.follow,
    )
    return as_seen(snapshot)


def _settled(view: Viewport, total: int, position: int | None) -> Viewport:
    return view.move(view.cursor, total) if position is None else view.follow(position, total)
