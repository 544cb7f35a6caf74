"""What the app keeps from one run to the next: orders, theme, what was typed. Never settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from queuectl_tui.private_file import write_over

_KEPT = 50
_LONGEST = 4096


class Memory:
    """Kept in a file only its owner may read. With no ``path``, or a file that makes no sense,
    it begins empty: nothing that matters is lost."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values = _read(path)
        self._at_start = json.dumps(self._values)

    def recall(self, name: str) -> str | None:
        """What was noted under ``name``."""
        value = self._section("notes").get(name)
        return value if isinstance(value, str) else None

    def note(self, name: str, value: str) -> None:
        self._section("notes")[name] = value

    def typed(self, field: str) -> tuple[str, ...]:
        """What was typed into a field before, the latest last."""
        values = self._section("typed").get(field)
        if not isinstance(values, list):
            return ()
        return tuple(value for value in values if isinstance(value, str))

    def add_typed(self, field: str, text: str) -> None:
        if text and len(text) <= _LONGEST:
            earlier = [value for value in self.typed(field) if value != text]
            self._section("typed")[field] = [*earlier, text][-_KEPT:]

    def save(self) -> None:
        """Writes it, if it changed. A disk that is full or read-only is no reason to fail."""
        text = json.dumps(self._values, ensure_ascii=False)
        if self._path is None or text == self._at_start:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_over(self._path, [text.encode("utf-8", "replace")])

    def _section(self, name: str) -> dict[str, Any]:
        section = self._values.get(name)
        if not isinstance(section, dict):
            section = self._values[name] = {}
        return section


class Recall:
    """Walks through what was typed before, and back to what is being typed."""

    def __init__(self, earlier: Sequence[str]) -> None:
        self._lines = [*earlier, ""]
        self._at = len(earlier)

    def step(self, typed: str, steps: int) -> str:
        """The line ``steps`` later (earlier: below 0); ``typed`` is kept where it was typed."""
        self._lines[self._at] = typed
        self._at = max(0, min(len(self._lines) - 1, self._at + steps))
        return self._lines[self._at]


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
