"""``enqueue --each``: a job for each line of a file, the line put into its arguments.

What a line holds is never looked at again: no shell, no quoting, no placeholder within it counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from queuectl_tui.commands.job_options import option_of
from store import InvalidInput, NewJob
from store.fielderrors import FieldError, refuse, shown
from store.jobspec import new_job

_PLACEHOLDER = re.compile(r"\{(\.|/|//|/\.)?\}")
_LONGEST = 131_071  # bytes: more is no argument of a program, on Linux
_CHUNK = 64 * 1024


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

    ``fields`` ``id``, ``unique_key`` and ``label`` may hold placeholders too; two
    lines must not make the same id unless they ``may_repeat`` it. Raises ``InvalidInput``.
    """
    if not any(map(_PLACEHOLDER.search, vector)):
        vector = [*vector, "{}"]
    seen: set[str] = set()
    number = 0
    for number, line in _lines(stream, separator):
        if not line:
            continue
        try:
            job = _job(line, vector, fields, now=now, cwd=cwd)
            if job.id is not None and job.id in seen and not may_repeat:
                refuse("id", f"{shown(job.id)} is used twice in this batch")
        except FieldError as error:
            problem = f"{option_of(error.field)}: {error.problem}"
            raise InvalidInput(f"line {number}: {problem}") from None
        if job.id is not None:
            seen.add(job.id)
        yield job
    if number == 0:
        raise InvalidInput("there is no line in it")


def _job(
    line: bytes, vector: Sequence[str], fields: Mapping[str, object], *, now: int, cwd: str
) -> NewJob:
    if len(line) > _LONGEST:
        refuse("argv", f"an argument must be at most {_LONGEST} bytes, not {len(line)}")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        refuse("argv", "an argument must be UTF-8")
    filled = {
        name: _filled(str(fields[name]), text)
        for name in ("id", "unique_key", "label")
        if name in fields
    }
    argv = [_filled(word, text) for word in vector]
    return new_job({**fields, **filled, "argv": argv}, now=now, cwd=cwd)


def _filled(word: str, line: str) -> str:
    return _PLACEHOLDER.sub(lambda match: _part(line, match[1] or ""), word)


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
