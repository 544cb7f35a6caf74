"""The command line's grammar: a name, then arguments; what Tab makes of what is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from store import InvalidInput
from store.fielderrors import did_you_mean


def _nothing() -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Command:
    """``prepare`` gets what stands after the name, and returns what Enter does; it raises
    ``InvalidInput`` where that makes no sense. ``values`` are arguments that Tab offers."""

    name: str
    usage: str
    meaning: str
    prepare: Callable[[str], Callable[[], None]]
    values: Callable[[], Iterable[str]] = _nothing


def interpret(line: str, commands: Mapping[str, Command]) -> Callable[[], None] | None:
    """What ``line`` does; None for a blank one. Raises ``InvalidInput``."""
    name, _, rest = line.strip().partition(" ")
    if not name:
        return None
    return _find(name, commands).prepare(rest.strip())


def completions(line: str, commands: Mapping[str, Command]) -> list[str]:
    """The whole lines that ``line`` may become."""
    name, blank, rest = line.lstrip().partition(" ")
    if not blank:
        return sorted(each for each in commands if each.startswith(name))
    command = commands.get(name)
    if command is None:
        return []
    *done, word = rest.split(" ")
    before = " ".join([name, *done])
    return [f"{before} {value}" for value in command.values() if value.startswith(word)]


def explain(line: str, commands: Mapping[str, Command]) -> str:
    """What the command that is typed does, once its name is known."""
    command = commands.get(line.strip().partition(" ")[0])
    return f"{command.name} {command.usage}".rstrip() + f": {command.meaning}" if command else ""


def _find(name: str, commands: Mapping[str, Command]) -> Command:
    if name in commands:
        return commands[name]
    begun = [each for each in commands if each.startswith(name)]
    if len(begun) == 1:
        return commands[begun[0]]
    if begun:
        raise InvalidInput(f"{name} may be {', '.join(sorted(begun)[:6])}")
    raise InvalidInput(f"no such command: {name[:40]}{did_you_mean(name, commands)}")
