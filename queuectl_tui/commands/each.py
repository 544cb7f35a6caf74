"""``enqueue --each``: a job for each line of a file, the line put into its arguments.

What a line holds is never looked at again: no shell, no quoting, no placeholder within it counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, cast

from queuectl_tui.commands.job_options import option_of
from store import InvalidInput, NewJob
from store.fielderrors import FieldError, refuse, shown
from store.jobspec import new_job
from store.kinds import NAME_PATTERN

_MARK = r"(?:[\d_]|[^\w\s{}])"  # a digit or punctuation
_TOKEN = re.compile(
    rf"(?P<brace>\{{\{{(?={_MARK}*\}}|\{{))"
    r"|(?P<placeholder>\{(?P<part>\.|/|//|/\.)?\})"
    rf"|(?P<unknown>\{{{_MARK}+\}})"
)
_TEXTS = ("id", "unique_key", "label", "cwd")
_LONGEST = 131_071  # bytes: more is no argument of a program, on Linux
_LONGEST_ID = 128
_HASH_DIGITS = 8
_SHOWN = 200
_CHUNK = 64 * 1024


def require_known_placeholders(vector: Sequence[str], fields: Mapping[str, object]) -> None:
    """Raises ``InvalidInput`` for braces such as ``{1}``, which mean something elsewhere.

    In ``vector`` they are text beside a placeholder; so are a shell's, as in ``${1}``.
    """
    for name in _TEXTS:
        _require_known(option_of(name), str(fields.get(name, "")))
    for variable, text in _env(fields).items():
        if _TOKEN.search(variable):
            raise InvalidInput(f"--env: a placeholder may not stand in a name: {shown(variable)}")
        _require_known(f"--env {variable}", text)
    if not any(map(_has_placeholder, vector)):
        for word in vector:
            _require_known("argv", word.replace("${", ""))


def _require_known(where: str, text: str) -> None:
    for token in _TOKEN.finditer(text):
        if token["unknown"]:
            raise InvalidInput(
                f"{where}: {shown(token[0])} is no placeholder; there are {{}}, {{.}}, {{/}},"
                f" {{//}} and {{/.}}, and {{{{ is a brace"
            )


def jobs_of_lines(
    stream: BinaryIO,
    vector: Sequence[str],
    fields: Mapping[str, object],
    *,
    separator: bytes,
    may_repeat: bool,
    now: int,
    cwd: str,
) -> Iterator[NewJob]:
    """One job for each line that isn't empty, as they are read.

    ``fields`` ``id``, ``unique_key``, ``label``, ``cwd`` and the values of ``env`` may hold
    placeholders too. Two lines must not make the same id, unless they ``may_repeat`` it and put
    the same text in it. Raises ``InvalidInput``.
    """
    if not any(map(_has_placeholder, vector)):
        vector = [*vector, "{}"]
    seen: dict[str, int] = {}
    for number, line in _lines(stream, separator):
        if not line:
            continue
        try:
            text = _decoded(line)
            job = new_job(_filled_fields(text, vector, fields, cwd), now=now, cwd=cwd)
            if job.id is not None:
                origin = hash(_parts(str(fields["id"]), text))
                if job.id in seen and not (may_repeat and seen[job.id] == origin):
                    refuse("id", f"{shown(job.id)} is used twice in this batch")
                seen[job.id] = origin
        except FieldError as error:
            where = f"{option_of(error.field)}: " if error.field else ""
            raise InvalidInput(f"line {number}: {where}{error.problem}") from None
        yield job


def _decoded(line: bytes) -> str:
    if len(line) > _LONGEST:
        refuse("argv", f"an argument must be at most {_LONGEST} bytes, not {len(line)}")
    try:
        return line.decode()
    except UnicodeDecodeError:
        name = line.decode(errors="backslashreplace")
        refuse("", f'not UTF-8: "{name[:_SHOWN]}{"…" if len(name) > _SHOWN else ""}"')


def _filled_fields(
    line: str, vector: Sequence[str], fields: Mapping[str, object], here: str
) -> dict[str, object]:
    filled: dict[str, object] = {
        name: _filled(str(fields[name]), line) for name in _TEXTS if name in fields
    }
    if "id" in filled:
        filled["id"] = _made_id(str(fields["id"]), line)
    if "cwd" in filled:
        filled["cwd"] = os.path.abspath(os.path.join(here, str(filled["cwd"])))
    if env := _env(fields):
        filled["env"] = {name: _filled(value, line) for name, value in env.items()}
    return {**fields, **filled, "argv": [_filled(word, line) for word in vector]}


def _env(fields: Mapping[str, object]) -> Mapping[str, str]:
    return cast("Mapping[str, str]", fields.get("env", {}))


def _made_id(template: str, line: str) -> str:
    """An id from any text, the same whenever the same text is put in.

    Where that needed a change, a hash of what was put in keeps the ids of different texts apart.
    """
    text, parts = _filled(template, line), _parts(template, line)
    if not parts or NAME_PATTERN.fullmatch(text):
        return text
    from hashlib import sha256

    digest = sha256("\0".join(parts).encode()).hexdigest()[:_HASH_DIGITS]
    safe = re.sub(r"[^A-Za-z0-9._:-]", "-", text).lstrip("._:-")
    return "-".join(filter(None, [safe[: _LONGEST_ID - _HASH_DIGITS - 1], digest]))


# -- Placeholders


def _has_placeholder(word: str) -> bool:
    return any(token["placeholder"] for token in _TOKEN.finditer(word))


def _parts(template: str, line: str) -> tuple[str, ...]:
    """What stands for each placeholder."""
    tokens = _TOKEN.finditer(template)
    return tuple(_part(line, token["part"] or "") for token in tokens if token["placeholder"])


def _filled(template: str, line: str) -> str:
    return _TOKEN.sub(partial(_meant, line), template)


def _meant(line: str, token: re.Match[str]) -> str:
    if token["placeholder"]:
        return _part(line, token["part"] or "")
    return "{" if token["brace"] else token[0]


def _part(line: str, wanted: str) -> str:
    """``.``: without extension, ``/``: the base name, ``//``: its folder, ``/.``: both."""
    if wanted == "//":
        return os.path.dirname(line) or "."
    part = os.path.basename(line) if "/" in wanted else line
    return os.path.splitext(part)[0] if "." in wanted else part


def _lines(stream: BinaryIO, separator: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1, without their separators."""
    number, held = 0, b""
    while chunk := stream.read(_CHUNK):
        *whole, held = (held + chunk).split(separator)
        for line in whole:
            number += 1
            yield number, line
        if len(held) > _LONGEST:
            break
    if held:
        yield number + 1, held
