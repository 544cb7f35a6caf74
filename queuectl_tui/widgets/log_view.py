"""A log of any size: only the lines in sight are held."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from queuectl_tui.widgets.columns import cut
from queuectl_tui.widgets.output_lines import LogPage, LogRequest

_MARGIN = 100
_SIDEWAYS = 8


class LogView(ScrollView):
    """Shows pages of a log, and follows its end until the reader scrolls up."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--line", "log--empty"}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", id="log.down", tooltip="One line down"),
        Binding("k,up", "move(-1)", "up", id="log.up", tooltip="One line up"),
        Binding("g,home", "top", "top", id="log.top", tooltip="To the first line"),
        Binding("G,end", "bottom", "follow", id="log.bottom", tooltip="To the end, and follow it"),
        Binding("ctrl+d", "page(0.5)", "½ down", id="log.half_down", tooltip="Half a page down"),
        Binding("ctrl+u", "page(-0.5)", "½ up", id="log.half_up", tooltip="Half a page up"),
        Binding(
            "pagedown,ctrl+f,space", "page(1)", "page", id="log.page_down", tooltip="A page down"
        ),
        Binding("pageup,ctrl+b", "page(-1)", "page", id="log.page_up", tooltip="A page up"),
        Binding("h,left", "shift(-1)", "left", id="log.left", tooltip="Long lines to the left"),
        Binding("l,right", "shift(1)", "right", id="log.right", tooltip="Long lines sideways"),
    ]  # fmt: skip

    following: reactive[bool] = reactive(True)

    class LinesWanted(Message):
        """Lines are in sight that the view doesn't hold."""

    class PlaceChanged(Message):
        """Another part is in sight, or the view began or ceased to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.id = "output"
        self._page = LogPage()
        self._shift = 0
        self._seen_total = 0
        self.empty_text = ""

    @property
    def page(self) -> LogPage:
        return self._page

    @property
    def new_lines(self) -> int:
        """How many lines came since the reader stopped following."""
        return 0 if self.following else self._page.total - self._seen_total

    def request(self) -> LogRequest:
        """The lines that should be read for what is in sight."""
        count = self._height + 2 * _MARGIN
        first = None if self.following else max(0, self.scroll_offset.y - _MARGIN)
        return LogRequest(first, count)

    def show_page(self, page: LogPage) -> None:
        if page == self._page:
            return
        old, self._page = self._page, page
        if page.total != old.total:
            self.virtual_size = Size(self.size.width, page.total)
        if self.following:
            self._seen_total = page.total
            self._scroll(page.total)
        if self._in_sight(old) != self._in_sight(page):
            self.refresh()
        self.post_message(self.PlaceChanged())

    def restart(self) -> None:
        """Another log comes."""
        self._page, self._shift, self.following = LogPage(), 0, True
        self.virtual_size = Size(self.size.width, 0)
        self.refresh()

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    def _in_sight(self, page: LogPage) -> tuple[str, ...]:
        start = max(0, self.scroll_offset.y - page.first)
        return page.lines[start : start + self._height]

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        style = self.get_component_rich_style("log--line")
        index = self.scroll_offset.y + y - self._page.first
        if 0 <= index < len(self._page.lines):
            text = cut(self._page.lines[index], width, shift=self._shift)
        elif y == 0 and not self._page.total:
            style = self.get_component_rich_style("log--empty")
            text = cut(self.empty_text, width)
        else:
            text = " " * width
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, self._page.total)
        if self.following:
            self._scroll(self._page.total)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) == round(new_value):
            return
        at_end = new_value >= self.max_scroll_y
        if at_end != self.following:
            self._seen_total = self._page.total
            self.following = at_end
        self.post_message(self.PlaceChanged())
        if not self._holds_what_is_in_sight():
            self.post_message(self.LinesWanted())

    def _holds_what_is_in_sight(self) -> bool:
        first = self.scroll_offset.y
        last = min(first + self._height, self._page.total)
        return self._page.first <= first and last <= self._page.first + len(self._page.lines)

    def _scroll(self, y: int) -> None:
        self.scroll_to(y=max(0, y), animate=False, force=True)

    def action_move(self, step: int) -> None:
        self._scroll(self.scroll_offset.y + step)

    def action_top(self) -> None:
        self._scroll(0)

    def action_bottom(self) -> None:
        self.following = True
        self._scroll(self._page.total)
        self.post_message(self.LinesWanted())

    def action_page(self, pages: float) -> None:
        self._scroll(self.scroll_offset.y + int(pages * self._height))

    def action_shift(self, steps: int) -> None:
        self._shift = max(0, self._shift + steps * _SIDEWAYS)
        self.refresh()
