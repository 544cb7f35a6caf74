"""On which line of a TOML file a key stands, which its reader doesn't tell."""

from __future__ import annotations

import tomllib


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The number of the line that sets ``path``; None if it isn't set on a line of its own.

    Dots in a name count for nothing: ``keys."jobs.retry"`` is ``keys.jobs.retry``.
    """
    wanted = ".".join(path)
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _header(line), _key(line)
        if header is not None:
            table = header
            if table == wanted:
                return number
        elif key is not None and ".".join(filter(None, [table, key])) == wanted:
            return number
    return None


def _header(line: str) -> str | None:
    """The name of the table that ``line`` begins."""
    stripped = line.strip()
    if not stripped.startswith("["):
        return None
    try:
        return _names(tomllib.loads(stripped))
    except tomllib.TOMLDecodeError:
        return None


def _key(line: str) -> str | None:
    """The key that ``line`` sets; its value may go on below."""
    at = line.find("=")
    while at >= 0:
        try:
            return _names(tomllib.loads(f"{line[:at]}=0"))
        except tomllib.TOMLDecodeError:
            at = line.find("=", at + 1)  # it was part of a quoted name
    return None


def _names(value: object) -> str:
    names = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        name, value = next(iter(value.items()))
        names.append(name)
    return ".".join(names)
