"""The filter line's little language: words to look for, and ``state:`` ``queue:`` ``exit:``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from store import JobFilter, JobState


@dataclass(frozen=True, slots=True)
class Terms:
    """What a filter line asks for. ``problem`` says what of it makes no sense (yet)."""

    search: str | None = None
    states: frozenset[JobState] = frozenset()
    queue: str | None = None
    exit_code: int | None = None
    held: bool | None = None
    problem: str = ""

    def narrow(self, states: frozenset[JobState]) -> JobFilter:
        """The filter for these terms; where they name no state, ``states`` counts."""
        return JobFilter(
            states=self.states or states,
            queue=self.queue,
            search=self.search,
            exit_code=self.exit_code,
            held=self.held,
        )


def parse_terms(line: str) -> Terms:
    """The terms of a filter line, tolerant of what is only half typed."""
    terms = Terms()
    words: list[str] = []
    for word in line.split():
        name, colon, value = word.partition(":")
        if not colon or name not in ("state", "queue", "exit"):
            words.append(word)
        elif value:
            terms = _with_term(terms, name, value)
    return replace(terms, search=" ".join(words) or None)


_HELD = "held"


def _with_term(terms: Terms, name: str, value: str) -> Terms:
    if name == "queue":
        return replace(terms, queue=value)
    if name == "exit":
        if value.isascii() and value.isdigit() and len(value) < 10:
            return replace(terms, exit_code=int(value))
        return replace(terms, problem="exit: takes a number")
    if _HELD.startswith(value.lower()):
        return replace(terms, held=True)
    states = frozenset(state for word in value.split(",") for state in _states(word))
    if not states:
        return replace(terms, problem=f"no state begins with {value!r}")
    return replace(terms, states=states)


def _states(beginning: str) -> list[JobState]:
    folded = beginning.lower()
    return [
        state
        for state in JobState
        if folded and (state.value.startswith(folded) or state.label.lower().startswith(folded))
    ]
