"""The language of filters: words and terms such as ``state:dead error:"timed out" took:>10m``.

All that is given must hold. A word is looked for in id, command, label and last error; ``!`` turns
a word or a term round; ``~`` begins a regular expression, as Python's ``re`` has them; quotes hold
blanks together, and make text of what would be a term.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from store.errors import InvalidInput
from store.fielderrors import did_you_mean
from store.jobs import JobFilter, JobState, Term
from store.timespec import duration_text, parse_duration

_TOKEN = re.compile(
    r"(!?[a-z]+:)(?=\s|$)"
    r'|(!?)(?:([a-z]+):)?(~?)("[^"]*"?|[^\s"]+(?:"[^"]*"?[^\s"]*)*)'
)
"""A term that has no value yet; or ``!``, a term's name, ``~``, and a value."""
_COMPARISON = re.compile(r"(>=|<=|>|<|=)?(.*)")
_LONGEST_EXIT = 9


class Parsed(NamedTuple):
    """What a line asks for; ``problem`` says what of it makes no sense, or not yet."""

    wanted: JobFilter
    problem: str = ""


def parse_filter(line: str) -> Parsed:
    """The filter that ``line`` describes, without what of it makes no sense."""
    terms: list[Term] = []
    states: frozenset[JobState] | None = None
    problem = ""
    for token in _TOKEN.finditer(line):
        unfinished, negated, name, tilde, value = token.groups()
        if unfinished:
            problem = problem or _unfinished(unfinished.lstrip("!").rstrip(":"))
            continue
        if name is not None and name not in TERMS and not value.startswith("//"):
            problem = problem or f"no term {name}:{did_you_mean(name, TERMS)}; quotes make it text"
            continue
        if name is not None and name not in TERMS:  # an address, such as https://…
            name, value = None, f"{name}:{value}"
        try:
            term = _term(name or "", value, negated=bool(negated), regex=bool(tilde))
        except InvalidInput as error:
            problem = problem or f"{name}: {error}" if name else problem or str(error)
            continue
        if term.field == "state" and not term.negated:
            named = frozenset(JobState(state) for state in term.values)
            states = named if states is None else states & named
        else:
            terms.append(term)
    if states is not None and not states:
        problem = problem or "no job is in two states at once"
    return Parsed(_as_filter(terms, states or frozenset()), problem)


def require_filter(line: str) -> JobFilter:
    """Like ``parse_filter``. Raises ``InvalidInput`` where any of it makes no sense."""
    parsed = parse_filter(line)
    if parsed.problem:
        raise InvalidInput(parsed.problem)
    return parsed.wanted


def both(one: JobFilter, other: JobFilter) -> JobFilter:
    """What matches both; of parts that only one value can be given, ``other``'s counts."""
    given = {name: value for name, value in other._asdict().items() if value and name != "terms"}
    states = one.states & other.states if one.states and other.states else None
    if states is not None and not states:
        raise InvalidInput("no job is in two states at once")
    merged = one._replace(**given, terms=(*one.terms, *other.terms))
    return merged if states is None else merged._replace(states=states)


def as_typed(term: Term) -> str:
    """A term as a person would type it."""
    test = {"has": "", "=": ""}.get(term.test, term.test)
    value = ",".join(term.values)
    if term.field in ("took", "age"):
        value = duration_text(float(value))
    quoted = f'"{value}"' if re.search(r"[\s:]|^[!~]", value) else value
    name = f"{term.field}:" if term.field else ""
    return f"{'!' if term.negated else ''}{name}{test}{quoted}"


def completions(line: str, values: Mapping[str, list[str]]) -> list[str]:
    """The whole lines that ``line`` may become: names of terms, then ``values`` by term."""
    before, _, word = line.rpartition(" ")
    begin = f"{before} " if before else ""
    bang = "!" if word.startswith("!") else ""
    name, colon, value = word.removeprefix("!").partition(":")
    if not colon:
        return [f"{begin}{bang}{each}:" for each in TERMS if name and each.startswith(name)]
    found = [each for each in values.get(name, []) if each.startswith(value)]
    return [f"{begin}{bang}{name}:{each}" for each in found]


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def matches(pattern: str, text: str | None) -> bool:
    """Whether ``text`` holds ``pattern``; SQLite's REGEXP."""
    return text is not None and _compiled(pattern).search(text) is not None


def _as_filter(terms: list[Term], states: frozenset[JobState]) -> JobFilter:
    """Where one value is named, as the part of the filter for which counts are kept."""
    wanted = JobFilter(states=states)
    rest = []
    for term in terms:
        plain = not term.negated and term.test == "="
        if plain and term.field == "queue" and wanted.queue is None:
            wanted = wanted._replace(queue=term.values[0])
        elif plain and term.field == "exit" and wanted.exit_code is None:
            wanted = wanted._replace(exit_code=int(term.values[0]))
        else:
            rest.append(term)
    return wanted._replace(terms=tuple(rest))


def _term(name: str, value: str, *, negated: bool, regex: bool) -> Term:
    text = value.replace('"', "")
    if not text:
        raise InvalidInput("nothing is looked for")
    if regex:
        if name not in _TEXTS:
            raise InvalidInput("takes no regular expression")
        try:
            _compiled(text)
        except re.error as error:
            raise InvalidInput(f"no regular expression: {error}") from None
        return Term(name, "~", (text,), negated)
    return (
        Term(name, *TERMS[name].read(text), negated) if name else Term("", "has", (text,), negated)
    )


def _text(text: str) -> tuple[str, tuple[str, ...]]:
    return "has", (text,)


def _exactly(text: str) -> tuple[str, tuple[str, ...]]:
    return "=", (text,)


def _states(text: str) -> tuple[str, tuple[str, ...]]:
    found: list[str] = []
    for word in text.lower().split(","):
        named = [s.value for s in JobState if s.value.startswith(word) or _begins(s, word)]
        if not word or not named:
            if word == "held":
                raise InvalidInput("held is none; give held:yes")
            raise InvalidInput(f"no state begins with {word[:40]!r}")
        found += named
    return "=", tuple(dict.fromkeys(found))


def _begins(state: JobState, word: str) -> bool:
    return state.label.lower().startswith(word)


def _exit(text: str) -> tuple[str, tuple[str, ...]]:
    test, number = _comparison(text)
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_EXIT):
        raise InvalidInput("takes a number, as in exit:1 or exit:>0")
    return test or "=", (number,)


def _seconds(text: str) -> tuple[str, tuple[str, ...]]:
    test, duration = _comparison(text)
    if test is None or test == "=":
        raise InvalidInput("takes > or < and a duration, as in >10m")
    return test, (str(parse_duration(duration)),)


def _comparison(text: str) -> tuple[str | None, str]:
    match = _COMPARISON.fullmatch(text)
    assert match is not None
    return match[1], match[2]


def _yes(text: str) -> tuple[str, tuple[str, ...]]:
    if text.lower() not in ("yes", "no"):
        raise InvalidInput("takes yes or no")
    return "=", (text.lower(),)


class _Reader(NamedTuple):
    read: Callable[[str], tuple[str, tuple[str, ...]]]
    example: str


TERMS: Mapping[str, _Reader] = {
    "state": _Reader(_states, "state:dead,failed"),
    "queue": _Reader(_exactly, "queue:net"),
    "label": _Reader(_text, "label:nightly"),
    "error": _Reader(_text, 'error:"timed out"'),
    "worker": _Reader(_exactly, "worker:w3"),
    "exit": _Reader(_exit, "exit:>0"),
    "took": _Reader(_seconds, "took:>10m"),
    "age": _Reader(_seconds, "age:<1h"),
    "held": _Reader(_yes, "held:yes"),
}
"""By name: what reads its value, and what it looks like."""
_TEXTS = ("", "label", "error")


def _unfinished(name: str) -> str:
    if name not in TERMS:
        return f"no term {name}:{did_you_mean(name, TERMS)}; quotes make it text"
    return f"{name}: takes a value, as in {TERMS[name].example}"
