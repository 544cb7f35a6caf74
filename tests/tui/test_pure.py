"""Columns, viewport and filter terms: what needs no screen."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Size

from queuectl_tui.widgets.columns import Cell, Column, cut, place
from queuectl_tui.widgets.one_line import measure
from queuectl_tui.widgets.state_tabs import StateTabs
from queuectl_tui.widgets.store_header import StoreHeader, sparkline
from queuectl_tui.widgets.viewport import Viewport
from store import JobState, Status


@pytest.mark.parametrize(
    ("text", "width", "shift", "expected"),
    [
        ("make", 6, 0, "make  "),
        ("make test", 6, 0, "make …"),
        ("日本語", 6, 0, "日本語"),
        ("日本語", 5, 0, "日本…"),
        ("日本語", 4, 0, "日 …"),
        ("abcdefgh", 5, 2, "…def…"),
        ("\x1b[2J", 8, 0, r"\x1b[2J "),
        ("", 3, 4, "   "),
        ("abc", 0, 0, ""),
    ],
)
def test_a_text_is_cut_to_cells(text: str, width: int, shift: int, expected: str) -> None:
    assert cut(text, width, shift=shift) == expected


@given(st.text(max_size=60), st.integers(1, 40), st.integers(0, 20))
def test_a_cut_text_has_exactly_its_cells_and_nothing_that_acts(
    text: str, width: int, shift: int
) -> None:
    line = cut(text, width, shift=shift)
    assert cell_len(line) == width
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in line)


def _column(title: str, width: int, keep: int, share: int = 0) -> Column[str]:
    return Column(title, width, lambda row, _: Cell(row), keep=keep, share=share)


def test_the_least_important_columns_go_first_and_the_rest_is_shared() -> None:
    columns = [_column("ID", 8, 9), _column("PRI", 4, 1), _column("COMMAND", 10, 8, share=1)]
    wide = place(columns, 40, indent=2)
    narrow = place(columns, 22, indent=2)
    assert [(each.column.title, each.x, each.width) for each in wide] == [
        ("ID", 2, 8),
        ("PRI", 11, 4),
        ("COMMAND", 16, 24),
    ]
    assert [(each.column.title, each.width) for each in narrow] == [("ID", 8), ("COMMAND", 11)]


def test_an_extra_column_comes_only_where_the_others_are_ample() -> None:
    command = Column[str]("COMMAND", 10, lambda row, _: Cell(row), share=1, ample=30)
    columns = [_column("ID", 8, 9), command, _column("WORKER", 6, -1)]
    assert [each.column.title for each in place(columns, 45)] == ["ID", "COMMAND"]
    assert [(each.column.title, each.width) for each in place(columns, 48)] == [
        ("ID", 8),
        ("COMMAND", 32),
        ("WORKER", 6),
    ]


def test_the_cursor_scrolls_no_further_than_it_must() -> None:
    view = Viewport(top=0, height=10, cursor=0)
    assert view.move(9, 100).top == 0
    assert view.move(10, 100).top == 1
    assert view.move(10**6, 100) == Viewport(top=90, height=10, cursor=99)
    assert view.move(-5, 0) == Viewport(top=0, height=10, cursor=0)


def test_rows_stand_still_for_who_scrolled_and_arrive_for_who_is_at_the_top() -> None:
    assert Viewport(top=50, height=10, cursor=55).follow(58, 103).top == 53
    assert Viewport(top=0, height=10, cursor=2).follow(5, 103).top == 0
    assert Viewport(top=0, height=10, cursor=9).follow(12, 103).top == 3


@given(
    st.integers(0, 200), st.integers(1, 30), st.integers(0, 200), st.integers(0, 200),
    st.integers(1, 201),
)  # fmt: skip
def test_a_cursor_in_sight_stays_in_sight(
    top: int, height: int, cursor: int, position: int, total: int
) -> None:
    view = Viewport(top, height, cursor)
    position = min(position, total - 1)
    if view.sees(cursor):
        after = view.follow(position, total)
        assert after.sees(position)
        assert 0 <= after.top <= max(0, total - height)


def test_a_sparkline_is_scaled_to_its_highest() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([0, 0]) == "▁▁"


def _places(tabs: StateTabs) -> list[int]:
    return [match.start() for match in re.finditer(r"\b[A-Z]{3,}", tabs.plain)]


@pytest.mark.parametrize("width", [100, 120, 160])
def test_a_changed_count_moves_no_other_tab(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(StateTabs, "size", Size(width, 1))
    tabs = StateTabs()
    counts = dict.fromkeys(JobState, 1000)
    tabs.show_counts(counts, frozenset(), counts)
    before = _places(tabs)
    for state in JobState:
        for change in (-997, -1, 1, 120):
            tabs.show_counts({**counts, state: counts[state] + change}, frozenset())
            assert _places(tabs) == before, tabs.plain
            assert measure(tabs._pieces) <= width


def test_a_changed_figure_moves_nothing_in_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoreHeader, "size", Size(120, 1))
    header = StoreHeader("here", read_only=False)
    status = Status({}, 4, 3, 0, (), 59.0, 12.4, ((5, 1), (6, 2)))
    header.show_status(status)
    before = _figures(header)
    for oldest, rate, busy in ((None, 8.0, 2), (61.0, 9.0, 4), (3.0, 110.0, 0)):
        header.show_status(
            status._replace(
                oldest_pending_seconds=oldest, completed_per_minute=rate, workers_busy=busy
            )
        )
        assert _figures(header) == before, header.plain


def _figures(header: StoreHeader) -> list[int]:
    return [header.plain.index(text) for text in ("workers", "oldest", "▆█", "fail")]
