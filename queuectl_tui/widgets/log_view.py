"""A log of any size: only the lines around those in sight are held."""

from __future__ import annotations

from bisect import bisect_right
from textwrap import wrap
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from queuectl_tui.text import escape, fit, width
from queuectl_tui.widgets.log_rows import Row, Stretch, clipped, stretches, wrapped
from queuectl_tui.widgets.log_search import Needle
from queuectl_tui.widgets.output_lines import LogLine, LogPage, LogRequest

_MARGIN = 100
_SIDEWAYS = 8
_WHEEL = 3


class LogView(Widget, can_focus=True):
    """Shows pages of a log, and follows its end until the reader goes up.

    Where one is, is an offset of the output, never a count of lines: those above need not be known.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--line", "log--empty", "log--dropped", "log--found", "log--here", "log--bar",
        "log--thumb",
    }  # fmt: skip

    DEFAULT_CSS = """
    LogView > .log--dropped { background: $background; color: $text-warning; }
    LogView > .log--found { background: $warning 35%; color: $foreground; text-style: underline; }
    LogView > .log--here { background: $accent; color: $background; text-style: bold underline; }
    LogView > .log--bar { background: $background; color: $surface-lighten-2; }
    LogView > .log--thumb { background: $background; color: $surface-lighten-3; }
    LogView:focus > .log--thumb { background: $background; color: $primary; }
    """

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
        Binding("z", "wrap", "wrap", id="log.wrap", tooltip="Wrap long lines, or cut them"),
        Binding("slash", "search", "search", key_display="/", id="log.search",
                tooltip="Search as you type"),
        Binding("n", "next(1)", "next", id="log.next", tooltip="Next line that was searched for"),
        Binding("N", "next(-1)", "previous", id="log.previous", tooltip="The one before it"),
        Binding("c", "copy('sight')", "copy …", id="log.copy",
                tooltip="Copy, show or save: the lines in sight, and more"),
        Binding("C", "copy('all')", "copy all", id="log.copy_all", tooltip="Copy the whole output"),
        Binding("S", "save", "save", id="log.save", tooltip="Save the whole output to a file"),
    ]  # fmt: skip

    following: reactive[bool] = reactive(True)

    class Asks(Message):
        """Something about ``view`` is for others to do."""

        def __init__(self, view: LogView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LogView:
            return self.view

    class LinesWanted(Asks):
        """Lines are wanted that the view doesn't hold."""

    class PlaceChanged(Asks):
        """Another part is in sight, or the view began or ceased to follow."""

    class SearchWanted(Asks):
        """A text to search for is to be typed."""

    class SaveWanted(Asks):
        """The whole output is to be saved."""

    class NextWanted(Asks):
        """The next line that was searched for, downwards or upwards."""

        def __init__(self, view: LogView, *, down: bool) -> None:
            super().__init__(view)
            self.down = down

    class CopyWanted(Asks):
        """What is in sight, or all, is to be copied."""

        def __init__(self, view: LogView, *, everything: bool) -> None:
            super().__init__(view)
            self.everything = everything

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as Textual has it
        super().__init__(id=id)
        self._page = LogPage()
        self._rows: list[Row] = []
        self._at = 0
        self._owed = 0
        self._wish: int | None = None
        self._seen: int | None = None
        self._shift = 0
        self._painted: list[tuple[Stretch, ...]] = []
        self._painted_thumb = (0, 0)
        self.wrap = False
        self.needle: Needle | None = None
        self.hit: int | None = None
        self._empty = ""

    # -- what it shows

    @property
    def page(self) -> LogPage:
        return self._page

    @property
    def new_lines(self) -> int:
        """How many lines came since the reader stopped following."""
        return 0 if self.following else self._page.new_lines

    @property
    def top_line(self) -> LogLine | None:
        """The uppermost line in sight."""
        return self._page.lines[self._rows[self._at].line] if self._rows else None

    @property
    def top_number(self) -> int | None:
        """Its number, counted from 1, where that is known."""
        if self._page.number is None or not self._rows:
            return None
        above = self._page.lines[: self._rows[self._at].line]
        return self._page.number + sum(line.ended for line in above) + 1

    @property
    def lines_in_sight(self) -> list[LogLine]:
        seen = self._rows[self._at : self._at + self._height]
        return [self._page.lines[number] for number in sorted({row.line for row in seen})]

    def request(self) -> LogRequest:
        """The lines that should be read for what is in sight, or is to be."""
        height = self._height
        margin = _MARGIN + height + abs(self._owed)
        if self._wish is not None:
            return LogRequest(self._wish, height, margin, needed=height, seen=self._seen)
        if self.following or (top := self.top_line) is None:
            return LogRequest(None, margin, 0, needed=height)
        return LogRequest(top.start, margin, margin, needed=2 * height, seen=self._seen)

    def show_page(self, page: LogPage) -> None:
        if page == self._page:
            return
        place = self._place()
        changed = page.lines != self._page.lines
        self._page = page
        if changed:
            self._lay_out(place)
        self._settle()
        self._repaint()
        self.post_message(self.PlaceChanged(self))
        if self._owed:
            self.post_message(self.LinesWanted(self))

    def set_empty(self, text: str) -> None:
        """What stands where lines would, while there are none."""
        if text != self._empty:
            self._empty = text
            self._repaint()

    def restart(self) -> None:
        """Another log comes."""
        self._page, self._rows, self._at = LogPage(), [], 0
        self._owed, self._wish, self._seen, self._shift = 0, None, None, 0
        self.following = True
        self.search(None)

    def search(self, needle: Needle | None) -> None:
        """Marks where ``needle`` stands."""
        self.needle, self.hit = needle, None
        self.refresh_bindings()
        self._repaint()

    def go_to(self, offset: int, *, hit: bool = False) -> None:
        """Shows the line at ``offset``: at the top, or with room around it if it is a hit."""
        self.hit = offset if hit else self.hit
        self._stop_following()
        self._wish, self._owed = offset, 0
        self._settle()
        self._repaint()
        self.post_message(self.PlaceChanged(self))
        self._ask_if_needed()

    def follow(self) -> None:
        """Goes to the end, and stays there."""
        self.following, self._wish, self._owed, self._seen = True, None, 0, None
        self._settle()
        self._repaint()
        self.post_message(self.PlaceChanged(self))
        self.post_message(self.LinesWanted(self))

    # -- where it is

    @property
    def _height(self) -> int:
        return max(1, self.size.height)

    @property
    def _width(self) -> int:
        """Cells for text: the last column is the bar's."""
        return max(1, self.size.width - 1)

    @property
    def _last_top(self) -> int:
        return max(0, len(self._rows) - self._height)

    def _place(self) -> tuple[int, int]:
        """What the top row shows: the offset of its line, and the first character."""
        if not self._rows:
            return 0, 0
        row = self._rows[self._at]
        return self._page.lines[row.line].start, row.start

    def _lay_out(self, place: tuple[int, int]) -> None:
        self._rows = []
        for number, line in enumerate(self._page.lines):
            if self.wrap:
                self._rows += wrapped(number, line.text, self._width)
            else:
                self._rows.append(Row(number, 0, len(line.text)))
        self._at = self._row_of(*place)

    def _row_of(self, offset: int, char: int = 0) -> int:
        """The row that shows a character of the line at ``offset``, or what is nearest to it."""
        lines = self._page.lines
        at = bisect_right(
            self._rows, (offset, char), key=lambda row: (lines[row.line].start, row.start)
        )
        return max(0, at - 1)

    def _settle(self) -> None:
        """Goes where one wished to be, now that other lines are held."""
        if self.following:
            self._at = self._last_top
        elif self._wish is not None:
            if not self._page.holds(self._wish) and self._wish < self._page.size:
                return
            self._at = min(self._row_of(self._wish), self._last_top)
            if self._wish == self.hit:
                self._show_around(self._row_of(self._wish))
            self._wish = None
        elif self._owed:
            owed, self._owed = self._owed, 0
            self._move(owed)
        self._at = max(0, min(self._at, self._last_top))

    def _show_around(self, row: int) -> None:
        self._at = max(0, min(row - self._height // 3, self._last_top))
        assert self.needle is not None
        line = self._page.lines[self._rows[row].line]
        spans = self.needle.spans(line.text)
        if not self.wrap and spans:
            start, stop = (width(line.text[:edge]) for edge in spans[0])
            if not self._shift < start or stop >= self._shift + self._width:
                self._shift = max(0, stop - self._width // 2) if stop >= self._width else 0

    def _move(self, rows: int) -> None:
        self._wish = None
        wanted = self._at + self._owed + rows
        self._at = max(0, min(wanted, self._last_top))
        beyond = wanted - self._at
        page = self._page
        self._owed = 0 if (page.at_end if beyond > 0 else page.at_start) else beyond

    def _ask_if_needed(self) -> None:
        above, below = self._at, self._last_top - self._at
        few_above = above < self._height and not self._page.at_start
        few_below = below < self._height and not self._page.at_end
        if self._wish is not None or few_above or few_below:
            self.post_message(self.LinesWanted(self))

    def _stop_following(self) -> None:
        if self.following:
            self.following, self._seen = False, self._page.size

    def _moved(self) -> None:
        at_end = self._page.at_end and self._at == self._last_top and not self._owed
        if at_end and not self.following:
            self.following, self._seen = True, None
        elif not at_end:
            self._stop_following()
        self._repaint()
        self.post_message(self.PlaceChanged(self))
        self._ask_if_needed()

    # -- painting

    def _repaint(self) -> None:
        """Repaints the rows in sight that no longer look as they were painted."""
        if not self.is_attached:
            return
        painted, self._painted = self._painted, [self._look(y) for y in range(self._height)]
        changed = [y for y, look in enumerate(self._painted) if painted[y : y + 1] != [look]]
        if len(painted) != len(self._painted) or len(changed) > self._height // 2:
            self.refresh()
            return
        for y in changed:
            self.refresh(Region(0, y, self._width, 1))
        if self._thumb() != self._painted_thumb:
            self.refresh(Region(self._width, 0, 1, self._height))

    def _look(self, y: int) -> tuple[Stretch, ...]:
        at = self._at + y
        if at >= len(self._rows):
            said = [] if self._rows else wrap(escape(self._empty), max(1, self._width))
            return (Stretch(said[y]),) if y < len(said) else ()
        row = self._rows[at]
        line = self._page.lines[row.line]
        before, start, stop, after = "", row.start, row.stop, ""
        if not self.wrap:
            before, start, stop, after = clipped(line.text, self._width, self._shift)
        spans = self.needle.spans(line.text) if self.needle and not line.dropped else ()
        found = stretches(line.text, start, stop, spans)
        return (Stretch(before), *found, Stretch(after), Stretch(self._kind(line)))

    def _kind(self, line: LogLine) -> str:
        return "dropped" if line.dropped else "here" if line.start == self.hit else "found"

    def render_line(self, y: int) -> Strip:
        if y >= len(self._painted):
            self._painted = [self._look(each) for each in range(self._height)]
        look = self._painted[y]
        if not self._rows:
            style = self.get_component_rich_style("log--empty")
            text = fit(look[0].text, self._width) if look else ""
            return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, style)
        *parts, (kind, _) = look or ((), Stretch("found"))
        plain = self.get_component_rich_style("log--dropped" if kind == "dropped" else "log--line")
        marked = self.get_component_rich_style("log--here" if kind == "here" else "log--found")
        segments = [Segment(part.text, marked if part.found else plain) for part in parts if part]
        return Strip.join(
            [Strip(segments).adjust_cell_length(self._width, plain), self._bar_cell(y)]
        )

    def _bar_cell(self, y: int) -> Strip:
        first, last = self._painted_thumb = self._thumb()
        if first <= 0 and last >= self._height:
            return Strip([Segment(" ", self.get_component_rich_style("log--bar"))])
        name = "thumb" if first <= y < last else "bar"
        style = self.get_component_rich_style(f"log--{name}")
        return Strip([Segment("┃" if name == "thumb" else "│", style)])

    def _thumb(self) -> tuple[int, int]:
        """The rows of the bar that stand for what is in sight, measured in bytes."""
        seen, height, page = self.lines_in_sight, self._height, self._page
        whole = page.at_start and page.at_end and len(self._rows) <= height
        if whole or not seen:
            return 0, height
        length = max(1, min(height - 1, height * (seen[-1].end - seen[0].start) // page.size))
        if page.at_end and self._at == self._last_top:
            return height - length, height
        first = (height - length) * seen[0].start // max(1, page.size)
        return first, first + length

    # -- what happens to it

    def on_resize(self) -> None:
        self._lay_out(self._place())
        self._settle()
        self._painted = []
        self._repaint()
        self._ask_if_needed()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painted = []

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-_WHEEL)

    def on_click(self, event: events.Click) -> None:
        if event.x < self._width or not self._page.size:
            return
        if event.y >= self._height - 1:
            self.follow()
        else:
            self.go_to(self._page.size * event.y // self._height)

    def check_action(
        self,
        action: str,
        parameters: tuple[object, ...],  # noqa: ARG002 - Textual calls it so
    ) -> bool | None:
        return action != "next" or self.needle is not None

    def action_move(self, step: int) -> None:
        self._move(step)
        self._moved()

    def action_page(self, pages: float) -> None:
        self.action_move(int(pages * self._height))

    def action_top(self) -> None:
        if self._last_top or not self._page.at_end:
            self.go_to(0)

    def action_bottom(self) -> None:
        self.follow()

    def action_shift(self, steps: int) -> None:
        if not self.wrap:
            self._shift = max(0, self._shift + steps * _SIDEWAYS)
            self._repaint()

    def action_wrap(self) -> None:
        place = self._place()
        self.wrap, self._shift = not self.wrap, 0
        self._lay_out(place)
        self._settle()
        self._repaint()
        self.post_message(self.PlaceChanged(self))

    def action_search(self) -> None:
        self.post_message(self.SearchWanted(self))

    def action_next(self, step: int) -> None:
        self.post_message(self.NextWanted(self, down=step > 0))

    def action_copy(self, what: str) -> None:
        self.post_message(self.CopyWanted(self, everything=what == "all"))

    def action_save(self) -> None:
        self.post_message(self.SaveWanted(self))
