"""One tab a state, with how many jobs are in it, and the key that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queuectl_tui.text import GLYPHS
from queuectl_tui.widgets.one_line import OneLine, Piece, measure
from store import JobState

TABS: tuple[JobState | None, ...] = (
    None,
    JobState.PENDING,
    JobState.BLOCKED,
    JobState.PROCESSING,
    JobState.FAILED,
    JobState.COMPLETED,
    JobState.DEAD,
    JobState.CANCELLED,
)
"""The states behind keys 0 to 7; 0 shows all."""

_ALL_STATES = frozenset(JobState)
_TROUBLE = frozenset({JobState.DEAD})
_SHORT = ("ALL", "PEND", "BLOCK", "RUN", "RETRY", "DONE", "DEAD", "CANC")


class StateTabs(OneLine):
    """The states as tabs: long words where there is room, else short ones, else glyphs."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Mapping[JobState, int] = {}
        self._active: frozenset[JobState] = frozenset()
        self._seen: Mapping[JobState, int] = {}

    @property
    def counts(self) -> Mapping[JobState, int]:
        return self._counts

    def show_counts(
        self,
        counts: Mapping[JobState, int],
        active: frozenset[JobState],
        seen: Mapping[JobState, int] | None = None,
    ) -> None:
        """``active`` are the states that the table shows; none means all. ``seen`` are the counts
        as they were when last looked at: what has changed since is shown beside."""
        self._counts, self._active = counts, active
        self._seen = self._seen if seen is None else seen
        self._compose_line()

    def on_resize(self) -> None:
        self._compose_line()

    def _compose_line(self) -> None:
        long = [_word(state) for state in TABS]
        glyphs = [GLYPHS[state] if state else "ALL" for state in TABS]
        for words, changes in (
            (long, _ALL_STATES), (long, _TROUBLE), (_SHORT, _TROUBLE), (glyphs, _TROUBLE),
            (glyphs, frozenset()),
        ):  # fmt: skip
            pieces = self._pieces_with(words, changes)
            if measure(pieces) <= self.size.width:
                break
        self.show(pieces)

    def _pieces_with(self, words: Sequence[str], changes: frozenset[JobState]) -> list[Piece]:
        pieces = [Piece("[" if self._is_active(0) else " ", "bold")]
        for number, word in enumerate(words):
            pieces += self._tab(number, word)
            state = TABS[number]
            if state in changes:
                pieces += self._change(state)
            closing, opening = self._is_active(number), self._is_active(number + 1)
            pieces.append(Piece("]" if closing else "[" if opening else " ", "bold"))
        return pieces

    def _is_active(self, number: int) -> bool:
        if number >= len(TABS):
            return False
        state = TABS[number]
        return state in self._active if state else not self._active

    def _tab(self, number: int, word: str) -> list[Piece]:
        state = TABS[number]
        count = self._counts.get(state, 0) if state else sum(self._counts.values())
        action = f"screen.state({number})"
        emphasis = "bold reverse" if self._is_active(number) else ""
        tone = emphasis or ("dim" if state and not count else "")
        return [
            Piece(str(number), emphasis or "$accent", action),
            Piece(f" {word} ", tone, action),
            Piece(_short_count(count), tone or "bold", action),
        ]

    def _change(self, state: JobState) -> list[Piece]:
        change = self._counts.get(state, 0) - self._seen.get(state, self._counts.get(state, 0))
        style = "bold $error" if state in _TROUBLE else "$accent"
        return [Piece(f" ({change:+})".replace("-", "−"), style)] if change else []


def _word(state: JobState | None) -> str:
    return state.label if state else "ALL"


def _short_count(count: int) -> str:
    if count < 100_000:
        return str(count)
    if count < 1_000_000:
        return f"{count // 1000}k"
    return f"{count / 1_000_000:.1f}M"
