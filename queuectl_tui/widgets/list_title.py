"""The line over a table: which jobs it lists, how many, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit, measure
from store import JobFilter, JobState, Order
from store.filtering import as_typed

_ERROR = 40


@dataclass(frozen=True, slots=True)
class _List:
    filter: JobFilter
    order: Order
    visible: tuple[int, int]
    total: int
    marked: int
    hidden: int
    in_range: bool
    follows: bool


class ListTitle(OneLine):
    """What is listed at the left, where one stands in it at the right."""

    def __init__(self, name: str, sort_titles: Mapping[str, str]) -> None:
        """``sort_titles`` are the words for sort columns, where they have their own."""
        super().__init__(classes="list-title")
        self._heading = name
        self._sort_titles = sort_titles
        self._list: _List | None = None

    def show_list(
        self,
        *,
        filter: JobFilter,  # noqa: A002 - the word for it
        order: Order,
        visible: tuple[int, int],
        total: int,
        marked: int,
        hidden: int,
        in_range: bool,
        follows: bool,
    ) -> None:
        self._list = _List(filter, order, visible, total, marked, hidden, in_range, follows)
        self._compose_line()

    def on_resize(self) -> None:
        self._compose_line()

    def _compose_line(self) -> None:
        if self._list is None:
            return
        room = self.size.width - 2
        right = fit(self._where(self._list), room, gap=" · ")
        left = fit(_which(self._heading, self._list.filter), room - measure(right) - 1)
        space = max(1, room - measure(left) - measure(right))
        self.show([*left, Piece(" " * space), *right])

    def _where(self, listed: _List) -> list[Part]:
        first, last = listed.visible
        parts = [Part(9, (Piece(f"{first:,}–{last:,} of {listed.total:,}" if last else "none"),))]
        column = listed.order.column
        order = self._sort_titles.get(column, column) + ("↓" if listed.order.reverse else "↑")
        parts.append(Part(3, (Piece(order, "dim"),)))
        if listed.in_range:
            parts.append(Part(8, (Piece("range from V", "bold $accent"),)))
        if listed.follows:
            parts.append(Part(4, (Piece("following", "$accent"),)))
        if listed.marked:
            elsewhere = f", {listed.hidden:,} not listed" if listed.hidden else ""
            text = f"{listed.marked:,} marked{elsewhere}"
            parts.append(Part(8, (Piece(text, "bold $accent"),)))
        return parts


def _which(name: str, wanted: JobFilter) -> list[Part]:
    parts = [Part(9, (Piece(name, "bold"),))]
    if wanted.states and wanted.states != {JobState.DEAD}:
        words = ", ".join(sorted(state.label for state in wanted.states))
        parts.append(Part(5, (Piece(words, "$accent"),)))
    if wanted.held:
        parts.append(Part(5, (Piece("HELD", "$accent"),)))
    if wanted.queue is not None:
        parts.append(Part(4, (Piece("queue ", "dim"), Piece(wanted.queue, "$accent"))))
    if wanted.exit_code is not None:
        parts.append(Part(4, (Piece("exit ", "dim"), Piece(str(wanted.exit_code), "$accent"))))
    if wanted.error is not None:
        parts.append(
            Part(
                7,
                (
                    Piece("error ", "dim"),
                    Piece(wanted.error[:_ERROR] or "(none was recorded)", "$accent"),
                ),
            )
        )
    if wanted.search is not None:
        parts.append(Part(6, (Piece(f"“{wanted.search}”", "$accent"),)))
    if wanted.terms:
        parts.append(Part(6, (Piece(f"“{' '.join(map(as_typed, wanted.terms))}”", "$accent"),)))
    return parts
