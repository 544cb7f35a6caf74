"""What a config file may name: the app's own bindings, columns and themes."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key

from queuectl_tui.config import Known
from queuectl_tui.themes import THEMES
from queuectl_tui.widgets.job_columns import dead_columns, job_columns
from store import InvalidInput
from store.fielderrors import did_you_mean

_NAMES = frozenset(
    {
        *(key.value for key in Keys),
        *KEY_NAME_REPLACEMENTS.values(),
        *map(_character_to_key, string.punctuation),
    }
)


def bindings_of(kind: type) -> Iterable[Binding]:
    """The bindings of a class and its bases that carry an id of ours."""
    for base in kind.__mro__:
        for binding in Binding.make_bindings(vars(base).get("BINDINGS", ())):
            if binding.id is not None:
                yield binding


def known_names(scopes: Iterable[Iterable[type]]) -> Known:
    """``scopes`` are the classes whose bindings are in reach together."""
    return Known(
        themes=tuple(THEMES),
        columns={
            "jobs": tuple(column.name for column in job_columns(8)),
            "dead": tuple(column.name for column in dead_columns(8)),
        },
        scopes=[_keys(kinds) for kinds in scopes],
        normal_key=normal_key,
    )


def normal_key(key: str) -> str:
    """The name that the app knows a key by: ``slash`` for ``/``. Raises ``InvalidInput``."""
    if len(key) == 1:
        if key.isspace() or not key.isprintable():
            raise InvalidInput(f"{key!r} is no key: space is called space")
        return _character_to_key(key)
    *modifiers, name = key.split("+")
    plain = name in _NAMES or len(name) == 1
    if key in _NAMES or (plain and set(modifiers) <= {"ctrl", "shift"}):
        return key
    raise InvalidInput(f"no such key: {key[:40]!r}{did_you_mean(key, _NAMES)}")


def _keys(kinds: Iterable[type]) -> Mapping[str, frozenset[str]]:
    keys: dict[str, frozenset[str]] = {}
    for kind in kinds:
        for binding in bindings_of(kind):
            name = binding.id or ""
            keys[name] = keys.get(name, frozenset()) | {binding.key}
    return keys
