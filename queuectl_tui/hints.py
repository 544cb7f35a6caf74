"""What other queues call things, and what is meant by it here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from store.fielderrors import did_you_mean


class _Word(NamedTuple):
    """``answer`` is given, but in a family of commands the first of ``within`` that it has."""

    answer: str
    within: tuple[str, ...] = ()


_THE_APP = "; queuectl-tui alone opens the app, and status --watch prints on"
_DETACHED = "; workers in the background: worker start --detach"

_COMMANDS = {
    "ls": _Word("; did you mean list?", ("list",)),
    "ps": _Word("; did you mean list --state running, or worker list?", ("list",)),
    "add": _Word("; did you mean enqueue?", ("add", "set", "scale")),
    "rm": _Word("; did you mean delete?", ("remove", "delete", "unset")),
    "kill": _Word("; did you mean cancel?", ("stop",)),
    "tail": _Word("; did you mean logs --follow?", ("logs",)),
    "start": _Word("; did you mean worker start?", ("resume",)),
    "metrics": _Word("; did you mean status --json?"),
    "dashboard": _Word(_THE_APP),
    "web": _Word(_THE_APP),
    "monitor": _Word(_THE_APP),
    "init": _Word("; there is nothing to prepare: enqueue makes the store"),
    "reset": _Word(
        "; prune removes all finished jobs, delete those that are named or match", ("unset",)
    ),
}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "--background": {
        "worker start": "; did you mean --detach?",
        "enqueue": f"; jobs wait in the store{_DETACHED}",
        "": _DETACHED,
    },
    "--force": {
        "enqueue": "; an id in use is refused: delete that job, or give --if-exists skip",
        "retry": "; a job that has ended is run again as it is",
        "worker stop": "; did you mean --now?",
        "": "; did you mean --yes?",
    },
    "--wait": {
        "enqueue": "; did you mean --follow? wait ID waits for a job that is stored",
        "worker start": "; wait --all waits for the jobs",
        "worker stop": "; it waits by itself, with --timeout at most so long",
        "": "; wait ID waits for a job, wait --all for all",
    },
}
_SAME_OPTION = {"--daemon": "--background"}
_SETTINGS = {
    "base_backoff": "; did you mean backoff_base?",
    "backoff_multiplier": "; did you mean backoff_base?",
    "backoff_cap_seconds": "; did you mean backoff_max?",
    "lease": "; a lease ends with its worker, not by time; did you mean stall_timeout?",
    "poll": "; idle workers are woken, so there is no interval to set",
}


def no_such_command(family: str, word: str, known: Iterable[str]) -> str:
    """An error about a command that isn't one of ``known``, those of ``family`` (else empty)."""
    known = [*known]
    name = f"{family} {word}".lstrip()
    return f"no such command: {name}{_meant_command(family, word, known)}"


def no_such_option(command: str, option: str, known: Iterable[str]) -> str | None:
    """An error about an option that ``command`` hasn't; None if nothing is known about it."""
    answers = _OPTIONS.get(_SAME_OPTION.get(option, option), {})
    answer = answers.get(command, answers.get(""))
    if answer is None or ("--yes" in answer and "--yes" not in known):
        return None
    return f"no such option: {option}{answer}"


def setting_meant(name: str) -> str:
    """What to append to an error about a setting that there isn't; it may be nothing."""
    folded = name.strip().lower().replace("-", "_")
    words = folded.split("_")
    return next(
        (hint for known, hint in _SETTINGS.items() if known == folded or known in words), ""
    )


def _meant_command(family: str, word: str, known: list[str]) -> str:
    meaning = _COMMANDS.get(word.lower())
    if meaning is None:
        return did_you_mean(word, known)
    within = [name for name in meaning.within if name in known]
    return f"; did you mean {family} {within[0]}?" if family and within else meaning.answer
