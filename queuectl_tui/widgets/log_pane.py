"""One output stream: its log, the search in it, and a line about where one is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical

from queuectl_tui.widgets.line_breaks import Output
from queuectl_tui.widgets.line_index import LineIndex
from queuectl_tui.widgets.log_search import Finder, Needle, Tally
from queuectl_tui.widgets.log_title import LogTitle
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.output_lines import LogPage, LogReader
from queuectl_tui.widgets.search_bar import SearchBar
from store import QueueError, Stream


class Chore(Protocol):
    """Something long, done in slices: ``advance`` is False once it is done."""

    def advance(self, seconds: float) -> bool: ...


Run = Callable[[Chore], Awaitable[bool]]
"""Advances a chore by a slice, away from the keys."""


@dataclass(frozen=True, slots=True)
class OpenLog:
    """An output opened: ``source`` is for chores, ``reader`` for what is in sight."""

    number: int
    source: Output
    index: LineIndex
    reader: LogReader

    @classmethod
    def over(cls, number: int, open_source: Callable[[], Output]) -> OpenLog:
        source = open_source()
        index = LineIndex(source)
        return cls(number, source, index, LogReader(open_source(), index))


class LogPane(Vertical):
    """Searches and counts lines in the background, through ``run``."""

    DEFAULT_CSS = """
    LogPane { height: 1fr; }
    LogPane:focus-within LogTitle { text-style: bold; }
    """

    def __init__(self, stream: Stream, run: Run) -> None:
        super().__init__(id=stream.value)
        self.stream = stream
        self.view = LogView(id=f"{stream.value}-log")
        self._bar = SearchBar()
        self._title = LogTitle()
        self._run = run
        self._log: OpenLog | None = None
        self._written: Mapping[Stream, int] = {}
        self._live = False
        self._chores: list[Chore] = []
        self._busy = False
        self._finder: Finder | None = None
        self._tally: Tally | None = None
        self._origin: int | None = None
        self._note = ""

    def compose(self) -> ComposeResult:
        yield self.view
        yield self._bar
        yield self._title

    @property
    def searching(self) -> bool:
        """Whether there is a search that could be cleared."""
        return self._bar.display

    def show_log(
        self,
        log: OpenLog | None,
        page: LogPage,
        written: Mapping[Stream, int],
        empty: str,
        *,
        live: bool,
    ) -> None:
        view = self.view
        if log is not self._log:
            self._log = log
            self._chores.clear()
            self._forget_search()
            view.restart()
            view.refresh()
        self._written, self._live = written, live
        view.set_empty(empty)
        view.show_page(page)
        self._count_lines()
        self._tell()

    def end_search(self) -> None:
        self._bar.action_clear()

    # -- in the background

    def _count_lines(self) -> None:
        if self._log is None:
            return
        size = self.view.page.size
        if self._log.index.indexed != size:
            self._add(self._log.index)
        if self._tally is not None and not self._tally.full and self._tally.counted_to != size:
            self._add(self._tally)

    def _add(self, chore: Chore, *, first: bool = False) -> None:
        if chore not in self._chores:
            self._chores.insert(0 if first else len(self._chores), chore)
        if not self._busy:
            self._busy = True
            self._do_chores()

    @work
    async def _do_chores(self) -> None:
        try:
            while self._chores:
                chore = self._chores[0]
                more = await self._run(chore)
                if not self.is_attached:
                    return
                if not more and chore in self._chores:
                    self._chores.remove(chore)
                    self._done(chore)
                self._tell()
        except (QueueError, OSError):
            self._chores.clear()
        finally:
            self._busy = False

    def _done(self, chore: Chore) -> None:
        if chore is self._finder:
            self._finder = None
            self._show_hit(chore)
        elif self._log and self._log.index.indexed == self.view.page.size:
            self.post_message(LogView.LinesWanted(self.view))

    # -- search

    @on(LogView.SearchWanted)
    def _search_wanted(self) -> None:
        view = self.view
        top = view.top_line
        self._origin = None if view.following or top is None else top.start
        self._bar.open()
        self._tell()

    @on(SearchBar.Changed)
    def _text_changed(self, event: SearchBar.Changed) -> None:
        event.stop()
        self._forget_search()
        if self._log is None or not event.text:
            self._tell()
            return
        needle = Needle(event.text)
        self.view.search(needle)
        self._tally = Tally(self._log.source, needle)
        self._add(self._tally, first=True)
        self._find(self._origin, down=self._origin is not None)

    def _forget_search(self) -> None:
        self._chores = [each for each in self._chores if each not in (self._finder, self._tally)]
        self._finder = self._tally = None
        self._note = ""
        self.view.search(None)

    @on(SearchBar.Left)
    def _search_left(self, event: SearchBar.Left) -> None:
        event.stop()
        self.view.focus()
        self._tell()

    @on(LogView.NextWanted)
    def _next_wanted(self, event: LogView.NextWanted) -> None:
        event.stop()
        view, top = self.view, self.view.top_line
        if view.needle is None:
            self._search_wanted()
        elif top is not None:
            here = top.start if view.hit is None else view.hit
            self._find(here + (view.hit is not None and event.down), down=event.down)

    def _find(self, origin: int | None, *, down: bool) -> None:
        needle = self.view.needle
        if self._log is None or needle is None:
            return
        self._chores = [each for each in self._chores if each is not self._finder]
        self._note = ""
        self._finder = Finder(self._log.source, needle, origin, down=down)
        self._add(self._finder, first=True)

    def _show_hit(self, finder: Finder) -> None:
        if finder.hit is None:
            self._note = "not found"
            return
        self._note = "once around" if finder.hit.wrapped else ""
        self.view.go_to(finder.hit.line, hit=True)

    # -- what it says

    @on(LogView.PlaceChanged)
    def _place_changed(self, event: LogView.PlaceChanged) -> None:
        event.stop()
        self._tell()

    def _tell(self) -> None:
        if not self.is_attached:
            return
        self._bar.note(*self._about_search())
        if self._log is None:
            self._title.show_nothing()
            return
        self._title.show_log(
            number=self._log.number,
            stream=self.stream,
            written=self._written,
            lines=self._log.index.total,
            indexed=self._log.index.indexed,
            view=self.view,
            live=self._live,
        )

    def _about_search(self) -> tuple[str, str]:
        size = self.view.page.size
        if self._finder is not None:
            return f"searching {self._finder.progress(size)}%", "$warning"
        if self._tally is None or self._note == "not found":
            return self._note, "$error"
        counting = self._tally in self._chores
        if counting and not self._tally.count:
            return self._note or "counting", "dim"
        count = f"{self._tally.count:,}{'+' * (counting or self._tally.full)}"
        place = None if self.view.hit is None else self._tally.place(self.view.hit)
        lines = f"{count} line{'s' * (count != '1')}"
        about = lines if place is None else f"{place:,} of {lines}"
        return f"{about} · {self._note}" if self._note else about, "dim"
