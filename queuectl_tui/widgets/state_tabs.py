"""One tab a state, with how many jobs are in it, and the key that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from queuectl_tui.text import GLYPHS
from queuectl_tui.widgets.one_line import OneLine, Piece, measure, steady
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

_CHANGE = len(" (+99)")
_TOLD = (
    JobState.DEAD,
    JobState.FAILED,
    JobState.COMPLETED,
    JobState.PENDING,
    JobState.PROCESSING,
    JobState.CANCELLED,
    JobState.BLOCKED,
)
"""Of which states it is told first how they have changed; each has a place for that."""
_TROUBLE = frozenset({JobState.DEAD})
_SHORT = ("ALL", "PEND", "BLOCK", "RUN", "RETRY", "DONE", "DEAD", "CANC")


@dataclass(frozen=True, slots=True)
class _Form:
    """How the tabs are written.

    ``roomy`` ones stand two cells apart, in ``dense`` ones the word follows the number at once.
    ``brief`` ones have no number, no count where it is 0, and none of more than four characters.
    """

    words: Sequence[str]
    changes: bool = True
    roomy: bool = False
    dense: bool = False
    brief: bool = False


class StateTabs(OneLine):
    """The states as tabs: long words where there is room, else short ones, else glyphs."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Mapping[JobState, int] = {}
        self._active: frozenset[JobState] = frozenset()
        self._seen: Mapping[JobState, int] = {}
        self._room: dict[tuple[_Form, int], int] = {}

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
        self._room.clear()
        self._compose_line()

    def _compose_line(self) -> None:
        for form in _FORMS:
            pieces = self._pieces_as(form, frozenset())
            room = self.size.width - measure(pieces)
            if room >= (_CHANGE if form.changes and self._change(JobState.DEAD) else 0):
                break
        told = _TOLD[: max(0, room // _CHANGE)] if form.changes else ()
        self.show(self._pieces_as(form, frozenset(told)))

    def _pieces_as(self, form: _Form, told: frozenset[JobState]) -> list[Piece]:
        pieces: list[Piece] = []
        for number in range(len(TABS)):
            if pieces and not form.roomy:
                pieces.append(Piece(" "))
            pieces += self._tab(number, form, told)
        return pieces

    def _tab(self, number: int, form: _Form, told: frozenset[JobState]) -> list[Piece]:
        """The tab, and the room that it keeps for another digit, or for what changes."""
        state = TABS[number]
        active = state in self._active if state else not self._active
        idle = " " if form.roomy else ""
        before, after = ("[", "]") if active else (idle, idle)
        label = self._label(number, form, "bold reverse" if active else "")
        change = self._change(state) if state in told else []
        needed = measure(label)
        at = form, number
        room = self._room[at] = steady(self._room.get(at, 0), needed)
        left = room - needed + (_CHANGE - measure(change) if state in told else 0)
        return [
            Piece(before, "bold"),
            *label,
            *change,
            Piece(after, "bold"),
            *([Piece(" " * left)] if left else []),
        ]

    def _label(self, number: int, form: _Form, emphasis: str) -> list[Piece]:
        state, word = TABS[number], form.words[number]
        count = self._counts.get(state, 0) if state else sum(self._counts.values())
        action = f"screen.state({number})"
        tone = emphasis or ("dim" if state and not count else "")
        if form.brief:
            named = [Piece(word, tone, action)]
            figure = f" {_short_count(count, exact_below=1000)}" if count else ""
        else:
            named = [Piece(str(number), emphasis or "$accent", action)]
            named.append(Piece(f"{word} " if form.dense else f" {word} ", tone, action))
            figure = _short_count(count)
        return [*named, Piece(figure, tone or "bold", action)]

    def _change(self, state: JobState) -> list[Piece]:
        change = self._counts.get(state, 0) - self._seen.get(state, self._counts.get(state, 0))
        style = "bold $error" if state in _TROUBLE else "$accent"
        return [Piece(_signed(change), style)] if change else []


def _signed(change: int) -> str:
    sign = "+" if change > 0 else "−"
    figure = _short_count(abs(change), exact_below=10_000)
    return f" ({sign}{figure})" if len(figure) < 3 else f" {sign}{figure}"


def _short_count(count: int, *, exact_below: int = 100_000) -> str:
    if count < exact_below:
        return str(count)
    if count < 10_000:
        return f"{count // 100 / 10}k"
    if count < 1_000_000:
        return f"{count // 1000}k"
    return f"{count / 1_000_000:.1f}M"


_WORDS = tuple(state.label if state else "ALL" for state in TABS)
_FORMS = (
    _Form(_WORDS, roomy=True),
    _Form(_SHORT, roomy=True),
    _Form(_SHORT, roomy=True, dense=True),
    _Form(_SHORT, dense=True),
    _Form(_SHORT, brief=True),
    _Form(tuple(word[:4] for word in _SHORT), brief=True),
    _Form(tuple(GLYPHS[state] if state else "ALL" for state in TABS), changes=False, brief=True),
)
"""The first that finds room is shown."""
