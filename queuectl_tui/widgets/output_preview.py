"""The last lines that a job wrote, beside or below the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from queuectl_tui.text import size
from queuectl_tui.waiting import why_not_started
from queuectl_tui.widgets.columns import cut
from queuectl_tui.widgets.output_lines import tail
from store import NoSuchJob, QueueError, Stream

if TYPE_CHECKING:
    from store.queue import Queue


@dataclass(frozen=True, slots=True)
class Preview:
    """The end of an output. ``stream`` is None where ``name`` has written nothing; ``lines``
    then say why. ``title`` is for what is no output."""

    name: str
    stream: Stream | None = None
    bytes: int = 0
    lines: tuple[str, ...] = ()
    live: bool = False
    title: str = ""


class OutputPreview(Widget):
    """Paints a ``Preview`` under a title of its own."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"preview--title", "preview--line", "preview--empty"}
    can_focus = False

    class RoomChanged(Message):
        """More or fewer lines find room."""

    def __init__(self) -> None:
        super().__init__()
        self._preview: Preview | None = None

    @property
    def room(self) -> int:
        """How many lines of output find room."""
        return max(0, self.size.height - 1)

    def show(self, preview: Preview | None) -> None:
        if preview != self._preview:
            self._preview = preview
            self.refresh()

    def on_resize(self) -> None:
        self.post_message(self.RoomChanged())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        name, text = self._line(y)
        style = self.get_component_rich_style(f"preview--{name}")
        return Strip([Segment(cut(text, width), style)]).adjust_cell_length(width, style)

    def _line(self, y: int) -> tuple[str, str]:
        preview = self._preview
        if y == 0:
            return "title", _title(preview)
        if preview is None or preview.stream is None:
            said = preview.lines if preview else ()
            return "empty", f" {said[y - 1]}" if y <= len(said) else ""
        shown = preview.lines[-self.room :]
        return "line", f" {shown[y - 1]}" if y <= len(shown) else ""


def read_preview(queue: Queue, job_id: str, count: int, *, first: Stream) -> Preview | None:
    """The end of the last attempt's stream ``first``, or of its other one where that is empty; why
    there is none, where it has neither."""
    missing = 0
    for stream in sorted(Stream, key=lambda each: each is not first):
        try:
            output = queue.output(job_id, None, stream)
        except NoSuchJob:
            return None
        except QueueError:
            return Preview(job_id, lines=why_not_started(queue, queue.job(job_id)))
        missing += output.missing
        written = output.size()
        if written:
            return Preview(job_id, stream, written, tail(output, count), output.live)
    if missing:
        return Preview(job_id, lines=("What it wrote is not in this store any more.",))
    yet = "It has written nothing yet." if output.live else "It wrote nothing."
    return Preview(job_id, lines=(yet,))


def _title(preview: Preview | None) -> str:
    if preview is None:
        return " Output"
    if preview.stream is None:
        return f" {preview.title or f'Output of {preview.name}'}"
    return f" {preview.stream.value} of {preview.name} · {size(preview.bytes)}"
