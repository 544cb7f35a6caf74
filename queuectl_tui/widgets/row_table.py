"""A table over a list of any length, of which it holds only a slice.

It paints by line, repaints only the cells that changed, and keeps its cursor on a row's key, not
on a position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from queuectl_tui.widgets.columns import GAP, Cell, Column, Placed, Row, cut, place
from queuectl_tui.widgets.viewport import Viewport

TONES = (
    "plain", "dim", "strong", "id", "pending", "blocked", "processing", "failed", "completed",
    "dead", "cancelled", "warn", "bad", "good",
)  # fmt: skip
WATCHED = "♪"
"""The mark of a row that is watched; it doesn't stand out as one that is marked."""
_HEADER = 1
_GUTTER = 2
_SIDEWAYS = 8


@dataclass(frozen=True, slots=True)
class _Look:
    """What a line shows: compared with what was painted, to repaint only what differs."""

    surface: str
    gutter: str
    cells: tuple[Cell, ...]


class RowTable(ScrollView, Generic[Row]):
    """The line-painted table that jobs, workers and attempts are shown in."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--row", "table--cursor", "table--marked", "table--header", "table--sorted",
        "table--empty",
        *(f"tone--{tone}" for tone in TONES),
    }  # fmt: skip

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", id="table.down", tooltip="One row down"),
        Binding("k,up", "move(-1)", "up", id="table.up", tooltip="One row up"),
        Binding("g,home", "top", "top", id="table.top", tooltip="To the first row"),
        Binding("G,end", "bottom", "bottom", id="table.bottom", tooltip="To the last row"),
        Binding("ctrl+d", "page(0.5)", "½ down", id="table.half_down", tooltip="Half a page down"),
        Binding("ctrl+u", "page(-0.5)", "½ up", id="table.half_up", tooltip="Half a page up"),
        Binding("pagedown,ctrl+f", "page(1)", "page", id="table.page_down", tooltip="A page down"),
        Binding("pageup,ctrl+b", "page(-1)", "page", id="table.page_up", tooltip="A page up"),
        Binding("h,left", "shift(-1)", "left", id="table.left", tooltip="Long texts to the left"),
        Binding("l,right", "shift(1)", "right", id="table.right", tooltip="Long texts sideways"),
        Binding("enter", "open", "open", id="table.open", tooltip="Open the row at the cursor"),
    ]

    @dataclass
    class CursorMoved(Message):
        """The cursor stands on another row: ``key`` is None while that row is not yet read."""

        table: RowTable[Any]
        key: str | None

        @property
        def control(self) -> RowTable[Any]:
            return self.table

    @dataclass
    class Opened(Message):
        """Enter, or a second click, on a row."""

        table: RowTable[Any]
        key: str

        @property
        def control(self) -> RowTable[Any]:
            return self.table

    class Scrolled(Message):
        """Another part of the list is in sight."""

    class RowsWanted(Message):
        """Rows are in sight that the table doesn't hold."""

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        *,
        key: Callable[[Row], str],
    ) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._key = key
        self._placed: list[Placed[Row]] = []
        self._rows: tuple[Row, ...] = ()
        self._offset = 0
        self._total = 0
        self._cursor = 0
        self._cursor_key: str | None = None
        self._sought: str | None = None
        self._announced: str | None = None
        self._now = 0
        self._shift = 0
        self._sorted: tuple[str, bool] | None = None
        self._sorting: str | None = None
        self._painted: dict[int, _Look] = {}
        self._blended: dict[tuple[str, str], Style] = {}
        self._empty: tuple[str, ...] = ()
        self.keeps_in_sight = False

    # -- what it holds

    @property
    def total(self) -> int:
        return self._total

    @property
    def cursor(self) -> int:
        """The row that the cursor stands on, counted from 0."""
        return self._cursor

    @property
    def cursor_key(self) -> str | None:
        return self._cursor_key

    @property
    def current(self) -> Row | None:
        """The row under the cursor, if it is read."""
        return self.row(self._cursor)

    @property
    def held_keys(self) -> tuple[str, ...]:
        """The keys of the rows in and around what is in sight."""
        return tuple(map(self._key, self._rows))

    @property
    def viewport(self) -> Viewport:
        height = max(1, self.scrollable_content_region.height - _HEADER)
        return Viewport(top=self.scroll_offset.y, height=height, cursor=self._cursor)

    @property
    def order(self) -> tuple[str, bool] | None:
        """The sort column of the rows that are shown, and whether it is turned round."""
        return self._sorted

    @property
    def visible_range(self) -> tuple[int, int]:
        """The first and the last row in sight, counted from 1; (0, 0) if there is none."""
        view = self.viewport
        last = min(self._total, view.top + view.height)
        return (view.top + 1, last) if last else (0, 0)

    def row(self, index: int) -> Row | None:
        """The row at ``index`` of the whole list, if it is held."""
        at = index - self._offset
        return self._rows[at] if 0 <= at < len(self._rows) else None

    def column_at(self, step: int) -> str | None:
        """The sort column ``step`` visible columns after the one sorted by."""
        sorts = [place.column.sort for place in self._placed if place.column.sort]
        if not sorts:
            return None
        now = self._sorting or (self._sorted[0] if self._sorted else "")
        return sorts[(sorts.index(now) + step) % len(sorts)] if now in sorts else sorts[0]

    # -- what it is told

    def show_rows(
        self,
        rows: Sequence[Row],
        *,
        now: int,
        offset: int = 0,
        total: int | None = None,
        followed: str | None = None,
        position: int | None = None,
    ) -> None:
        """Shows ``rows`` as those from ``offset`` on in a list of ``total``.

        ``position`` is where row ``followed``, the cursor's row when the rows were asked for,
        stands now; None if it is gone.
        """
        was_empty = not self._total
        self._rows, self._offset, self._now = tuple(rows), offset, now
        self._total = len(self._rows) if total is None else total
        if was_empty != (not self._total):
            self._painted.clear()
            self.refresh()
        self._settle_cursor(followed, position)
        self._lay_out()
        self.repaint()

    def tick(self, now: int) -> None:
        """Time has passed: repaints the ages that changed."""
        self._now = now
        self.repaint()

    def set_columns(self, columns: Sequence[Column[Row]]) -> None:
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._lay_out(force=True)

    def set_empty(self, *lines: str) -> None:
        """What stands where rows would, while there are none."""
        if lines != self._empty:
            self._empty = lines
            self.refresh()

    def set_sorted(self, column: str, *, reverse: bool) -> None:
        """Which column carries the arrow."""
        if self._sorted != (column, reverse) or self._sorting is not None:
            self._sorted, self._sorting = (column, reverse), None
            self.refresh(Region(0, 0, self.size.width, _HEADER))

    def announce_sort(self, column: str) -> None:
        """The rows will be sorted by ``column`` once they are read."""
        self._sorting = column
        self.refresh(Region(0, 0, self.size.width, _HEADER))

    def move_to(self, index: int) -> None:
        """Puts the cursor on row ``index``, or the nearest there is."""
        self._go(self.viewport.move(index, self._total))

    def forget_place(self) -> None:
        """The list is another one now: the cursor goes to its top, whatever stands there."""
        self._shift = 0
        self._go(self.viewport.move(0, self._total))
        self._cursor_key = None

    def seek(self, key: str) -> None:
        """The cursor goes to the row with this key when rows are shown that were asked for so."""
        self._cursor_key = key
        self._sought = key

    # -- cursor

    def _settle_cursor(self, followed: str | None, position: int | None) -> None:
        at = self._find(self._cursor_key)
        if at is None and followed == self._cursor_key:
            at = position
        view = self.viewport
        if at is not None and self._sought == self._cursor_key:
            self._sought = None
            view = view.move(at, self._total)
        elif at is None:
            view = view.move(self._cursor, self._total)
        else:
            view = view.follow(at, self._total)
            if self.keeps_in_sight:
                view = view.move(at, self._total)
        self._resize_list()
        self._go(view)

    def _find(self, key: str | None) -> int | None:
        if key is None:
            return None
        for index, row in enumerate(self._rows):
            if self._key(row) == key:
                return self._offset + index
        return None

    def _go(self, view: Viewport) -> None:
        self._cursor = view.cursor
        row = self.row(view.cursor)
        self._cursor_key = None if row is None else self._key(row)
        if view.top != self.scroll_offset.y:
            self.scroll_to(y=view.top, animate=False, force=True)
        self.repaint()
        self._ask_for_rows()
        if self._announced != self._cursor_key:
            self._announced = self._cursor_key
            self.post_message(self.CursorMoved(self, self._cursor_key))

    def _ask_for_rows(self) -> None:
        first, last = self.visible_range
        if last and (self.row(first - 1) is None or self.row(last - 1) is None):
            self.post_message(self.RowsWanted())

    # -- painting

    def marker(self, key: str) -> str:
        """The glyph in the gutter beside the cursor's; blank for a row that isn't marked."""
        del key
        return " "

    def repaint(self) -> None:
        """Repaints the cells in sight that no longer look as they were painted."""
        if not self.is_attached:
            return
        view = self.viewport
        seen = range(view.top, view.top + view.height)
        for index in list(self._painted):
            if index not in seen:
                del self._painted[index]
        for index, old in self._painted.items():
            new = self._look(index)
            if new != old:
                self._refresh_difference(index - view.top + _HEADER, old, new)

    def _refresh_difference(self, y: int, old: _Look, new: _Look) -> None:
        if old.surface != new.surface or len(old.cells) != len(new.cells):
            self.refresh(Region(0, y, self.size.width, 1))
            return
        if old.gutter != new.gutter:
            self.refresh(Region(0, y, _GUTTER, 1))
        for placed, was, now in zip(self._placed, old.cells, new.cells, strict=True):
            if was != now:
                self.refresh(Region(placed.x, y, placed.width, 1))

    def _look(self, index: int) -> _Look:
        if not 0 <= index < self._total:
            return _Look("row", "", ())
        row = self.row(index)
        if row is None:
            return _Look("row", "  ", ())
        at_cursor = index == self._cursor and self.can_focus
        marker = self.marker(self._key(row))
        surface = "cursor" if at_cursor else "row" if marker in (" ", WATCHED) else "marked"
        gutter = (">" if at_cursor else " ") + marker
        return _Look(surface, gutter, tuple(self._cell(placed, row) for placed in self._placed))

    def _cell(self, placed: Placed[Row], row: Row) -> Cell:
        column = placed.column
        cell = column.cell(row, self._now)
        shift = self._shift if column.share else 0
        return Cell(cut(cell.text, placed.width, shift=shift, right=column.right), cell.tone)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < _HEADER:
            return self._header(width)
        if not self._total:
            return self._empty_line(y - _HEADER - 1, width)
        index = self.scroll_offset.y + y - _HEADER
        look = self._painted[index] = self._look(index)
        surface = self.get_component_rich_style(f"table--{look.surface}")
        gap = Segment(" " * GAP, surface)
        segments = [Segment(look.gutter, surface)]
        for cell in look.cells:
            segments += [Segment(cell.text, self._style(look.surface, cell.tone)), gap]
        return Strip(segments).adjust_cell_length(width, surface)

    def _style(self, surface_name: str, tone_name: str) -> Style:
        style = self._blended.get((surface_name, tone_name))
        if style is None:
            # only the full style has its colour blended; the background is the row's all the same;
            # reversed, a tone would be the background
            surface = self.get_component_rich_style(f"table--{surface_name}")
            tone = self.get_component_rich_style(f"tone--{tone_name}")
            style = surface if surface.reverse else surface + tone + surface.background_style
            self._blended[surface_name, tone_name] = style
        return style

    def _header(self, width: int) -> Strip:
        plain = self.get_component_rich_style("table--header")
        active = self.get_component_rich_style("table--sorted")
        segments = [Segment(" " * _GUTTER, plain)]
        for placed in self._placed:
            column = placed.column
            style, title = plain, column.title
            if self._sorting and column.sort == self._sorting:
                style, title = active, f"{title}…"
            elif self._sorted and column.sort == self._sorted[0]:
                style, title = active, title + ("↓" if self._sorted[1] else "↑")
            segments.append(Segment(cut(title, placed.width, right=column.right), style))
            segments.append(Segment(" " * GAP, plain))
        return Strip(segments).adjust_cell_length(width, plain)

    def _empty_line(self, number: int, width: int) -> Strip:
        style = self.get_component_rich_style("table--empty")
        text = self._empty[number] if 0 <= number < len(self._empty) else ""
        return Strip([Segment(cut(f"   {text}", width), style)])

    def _lay_out(self, *, force: bool = False) -> None:
        width = self.scrollable_content_region.width
        placed = place(self._columns, width, indent=_GUTTER)
        if force or placed != self._placed:
            self._placed = placed
            self._painted.clear()
            self.refresh()

    def _resize_list(self) -> None:
        size = Size(self.scrollable_content_region.width, self._total + _HEADER)
        if size != self.virtual_size:
            self.virtual_size = size

    # -- what happens to it

    def on_resize(self) -> None:
        self._resize_list()
        self._lay_out()
        self._go(self.viewport.move(self._cursor, self._total))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Scrolled())
            self._ask_for_rows()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painted.clear()
        self._blended.clear()
        self.refresh()  # what is not known to be painted is never repainted

    async def on_click(self, event: events.Click) -> None:
        if event.y < _HEADER:
            return
        index = self.scroll_offset.y + event.y - _HEADER
        if index >= self._total:
            return
        if event.chain > 1 and index == self._cursor:
            self.action_open()
        else:
            self.move_to(index)

    def action_move(self, step: int) -> None:
        self.move_to(self._cursor + step)

    def action_top(self) -> None:
        self.move_to(0)

    def action_bottom(self) -> None:
        self.move_to(self._total - 1)

    def action_page(self, pages: float) -> None:
        self.move_to(self._cursor + int(pages * self.viewport.height))

    def action_shift(self, steps: int) -> None:
        self._shift = max(0, self._shift + steps * _SIDEWAYS)
        self.repaint()

    def action_open(self) -> None:
        if self._cursor_key is not None:
            self.post_message(self.Opened(self, self._cursor_key))
