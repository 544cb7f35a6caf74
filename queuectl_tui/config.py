"""The config file: what a person wants of the app, checked whole before it opens."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from queuectl_tui.config_lines import line_of
from store import SORT_COLUMNS, InvalidInput, Order
from store.fielderrors import did_you_mean, shown

NOTICES = ("bell", "osc", "desktop")
"""The ways to be told that a watched job ended: terminal bell, OSC 9 and 777, notify-send."""

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListConfig:
    """How a list of jobs begins. ``columns`` are names; none means all that find room."""

    order: Order | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """``None`` and empty mean: as the app has it. ``rate`` is in seconds."""

    theme: str | None = None
    rate: float | None = None
    notify: tuple[str, ...] = ()
    watch_dead: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, ListConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What a config file may name.

    ``scopes`` are the bindings that are in reach together, by id, each with its keys.
    ``normal_key`` gives a key's own name, or raises ``InvalidInput``.
    """

    themes: Collection[str]
    columns: Mapping[str, Collection[str]]
    scopes: Collection[Mapping[str, frozenset[str]]]
    normal_key: Callable[[str], str]


def read_config(path: Path, known: Known) -> Config:
    """The config in ``path``; one that isn't there says nothing. Raises ``InvalidInput`` naming
    file, line and key of what can't be meant."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config()
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: is not UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}") from None
    try:
        return _checked(document, known)
    except _Problem as problem:
        line = line_of(text, problem.path)
        where = f"{path}:{line}" if line else str(path)
        raise InvalidInput(f"{where}: {'.'.join(problem.path)}: {problem.what}") from None


class _Problem(Exception):
    def __init__(self, path: Path_, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


def _checked(document: Mapping[str, Any], known: Known) -> Config:
    lists = tuple(known.columns)
    _only(document, (), ("theme", "rate", "notify", "watch_dead", "keys", *lists))
    return Config(
        theme=_one_of(document, "theme", known.themes),
        rate=_rate(document),
        notify=_names(document, ("notify",), NOTICES),
        watch_dead=_flag(document, "watch_dead"),
        keys=_keys(_table(document, "keys"), known),
        lists={name: _list(document, name, known.columns[name]) for name in lists},
    )


def _list(document: Mapping[str, Any], name: str, columns: Collection[str]) -> ListConfig:
    table = _table(document, name)
    _only(table, (name,), ("sort", "columns"))
    return ListConfig(
        order=_order(table.get("sort"), (name, "sort")),
        columns=_names(table, (name, "columns"), columns),
    )


def _order(value: object, path: Path_) -> Order | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Problem(path, f"must be a column, not {shown(value)}")
    order = parse_order(value)
    if order is None:
        hint = did_you_mean(value.removeprefix("-"), SORT_COLUMNS)
        raise _Problem(path, f"no such column: {shown(value)}{hint}")
    return order


def parse_order(text: str) -> Order | None:
    """``state``, or ``-state`` for the other way round; None for no column."""
    column = text.removeprefix("-")
    return Order(column, reverse=text.startswith("-")) if column in SORT_COLUMNS else None


def order_text(order: Order) -> str:
    """What ``parse_order`` reads."""
    return f"-{order.column}" if order.reverse else order.column


# -- Values


def _only(table: Mapping[str, Any], path: Path_, known: Collection[str]) -> None:
    for name in table:
        if name not in known:
            raise _Problem((*path, name), f"unknown key{did_you_mean(name, known)}")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise _Problem((name,), "must be a table")
    return table


def _one_of(document: Mapping[str, Any], name: str, known: Collection[str]) -> str | None:
    value = document.get(name)
    if value is not None and value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise _Problem((name,), f"no such {name}: {shown(value)}{hint or _there_are(known)}")
    return value


def _rate(document: Mapping[str, Any]) -> float | None:
    value = document.get("rate")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 3600:
        raise _Problem(("rate",), f"must be seconds, 0.1 to 3600, not {shown(value)}")
    return float(value)


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise _Problem((name,), f"must be true or false, not {shown(value)}")
    return value


def _names(table: Mapping[str, Any], path: Path_, known: Collection[str]) -> tuple[str, ...]:
    value = table.get(path[-1], [])
    if not isinstance(value, list):
        raise _Problem(path, f"must be an array, not {shown(value)}")
    for each in value:
        if each not in known:
            hint = did_you_mean(each, known) if isinstance(each, str) else ""
            raise _Problem(path, f"unknown: {shown(each)}{hint or _there_are(known)}")
    return tuple(dict.fromkeys(value))


def _there_are(known: Collection[str]) -> str:
    return f"; there are {', '.join(known)}"


# -- Keys


def _keys(table: Mapping[str, Any], known: Known) -> dict[str, str]:
    """The keymap: binding ids with their keys, as the app takes it."""
    ids = {name for scope in known.scopes for name in scope}
    wanted: dict[str, str] = {}
    for path, value in _leaves(table, ("keys",)):
        name = ".".join(path[1:])
        if name not in ids:
            raise _Problem(path, f"no such action{did_you_mean(name, sorted(ids))}")
        wanted[name] = ",".join(_key_names(path, value, known.normal_key))
    for scope in known.scopes:
        _refuse_clashes(scope, wanted)
    return wanted


def _leaves(table: Mapping[str, Any], path: Path_) -> Iterator[tuple[Path_, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _key_names(path: Path_, value: object, normal: Callable[[str], str]) -> list[str]:
    keys = value if isinstance(value, list) else [value]
    if not keys:
        raise _Problem(path, "must be a key, or an array of keys")
    names = []
    for key in keys:
        if not isinstance(key, str):
            raise _Problem(path, f"must be a key, not {shown(key)}")
        try:
            names.append(normal(key))
        except InvalidInput as error:
            raise _Problem(path, str(error)) from None
    return names


def _refuse_clashes(scope: Mapping[str, frozenset[str]], wanted: Mapping[str, str]) -> None:
    """No key that was moved may be another action's; what shares one from the start may."""
    keys = {name: frozenset(wanted[name].split(",")) if name in wanted else scope[name]
            for name in scope}  # fmt: skip
    for name in sorted(keys.keys() & wanted.keys()):
        for other, others in keys.items():
            shared = keys[name] & others - (scope[name] & scope[other])
            if other != name and shared:
                path = ("keys", name)
                raise _Problem(path, f"{min(shared)} is the key of {other} already")
