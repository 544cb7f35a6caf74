"""Bytes in, the values of a document out, one by one: a JSON object, an array of them, JSON Lines.

JSON Lines are read and yielded line by line, so that a file of any length costs little memory.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from typing import BinaryIO

from store.errors import InvalidInput
from store.fielderrors import field_name, refuse, shown

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 16
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MOST_DIGITS = 400  # that many are more than any float can be

Place = Callable[[int, str], str]
Found = tuple[Place, int, bool, object]
"""How to name the place, its index or line, whether its strings need a close look, the value."""


class Repeated:
    """Stands for an object in which ``name`` was given twice."""

    def __init__(self, name: str) -> None:
        self.name = name


def read_values(stream: BinaryIO) -> Iterator[Found]:
    """Every value of the document, however it is laid out."""
    lines = enumerate(_lines(stream), 1)
    opening = bytearray()  # of bytes, many lines would be copied again with each
    filled: list[tuple[int, bytes]] = []
    for number, line in lines:
        opening += line
        if not line.isspace():
            filled.append((number, line))
        if len(filled) == 2 or len(opening) > MAX_DOCUMENT_BYTES:
            break
    if not opening or opening.isspace():
        raise InvalidInput("the input is empty; give a job object, an array of them, or JSON Lines")
    if len(filled) == 2 and _is_whole_object(filled[0][1]):
        return _json_lines(chain(filled, lines))
    return _document(bytes(opening) + stream.read(max(0, MAX_DOCUMENT_BYTES + 1 - len(opening))))


def check_strings(value: object) -> None:
    """Refuses what JSON's syntax lets through, at any depth: NUL bytes, lone surrogates, numbers
    that aren't finite, repeated keys, nesting without end."""
    todo: list[tuple[str, int, object]] = [("", 1, value)]
    while todo:
        field, depth, item = todo.pop()
        if depth > MAX_DEPTH:
            refuse(field, f"nested deeper than {MAX_DEPTH}")
        if isinstance(item, str):
            _check_text(field, item)
        elif isinstance(item, float) and not math.isfinite(item):
            refuse(field, f"must be a finite number, not {shown(item)}")
        elif isinstance(item, list):
            todo += [(f"{field}[{at}]", depth + 1, part) for at, part in enumerate(item)]
        elif isinstance(item, dict):
            for name, part in item.items():
                inner = f"{field}.{field_name(name)}" if field else field_name(name)
                _check_text(inner, name)
                todo.append((inner, depth + 1, part))
        elif isinstance(item, Repeated):
            inner = f"{field}.{field_name(item.name)}" if field else field_name(item.name)
            refuse(inner, "given twice in one object; keep one")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    line = stream.readline(MAX_DOCUMENT_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if line.startswith(_UTF_16_MARKS) or b"\0" in line[:2]:
        raise InvalidInput("the input must be UTF-8, not UTF-16 or UTF-32; convert it first")
    number = 1
    while line:
        if len(line) > MAX_DOCUMENT_BYTES:
            raise InvalidInput(f"line {number}: longer than 64 MiB; split it")
        yield line
        line = stream.readline(MAX_DOCUMENT_BYTES + 1)
        number += 1


def _is_whole_object(line: bytes) -> bool:
    """Whether a first line belongs to JSON Lines: an object that doesn't go on below, even if
    something in it is wrong."""
    text = line.decode("utf-8", "replace").strip()
    if text.startswith("["):
        return False
    try:
        _STRICT.raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos < len(text)
    except RecursionError:
        pass
    return True


def _json_lines(lines: Iterable[tuple[int, bytes]]) -> Iterator[Found]:
    for number, line in lines:
        if line.isspace():
            continue
        text, suspect = _decoded(line)
        start = 0 if text[0] == "{" else _after_blanks(text, 0)
        value, end = _value(text, start, suspect, _by_line, number)
        if text[end:] != "\n" and (end := _after_blanks(text, end)) < len(text):
            where = f"column {end + 1}"
            raise InvalidInput(f"line {number}: text after the object at {where}; one job a line")
        yield _by_line, number, suspect, value


def _document(data: bytes) -> Iterator[Found]:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InvalidInput("jobs: longer than 64 MiB; give JSON Lines, one object a line")
    text, suspect = _decoded(data)
    start = _after_blanks(text, 0)
    if text.startswith("[", start):
        yield from _array(text, start, suspect)
        return
    value, end = _value(text, start, suspect, _by_index, 0)
    _refuse_rest(text, end)
    yield _by_index, 0, suspect, value


def _array(text: str, start: int, suspect: bool) -> Iterator[Found]:
    """The elements one by one, so that only the text and one job are held at a time."""
    at = _after_blanks(text, start + 1)
    if text.startswith("]", at):
        raise InvalidInput("jobs: the array is empty; give at least one job")
    for index in count():
        value, at = _value(text, at, suspect, _by_index, index)
        yield _by_index, index, suspect, value
        at = _after_blanks(text, at)
        if text.startswith("]", at):
            return _refuse_rest(text, at + 1)
        if not text.startswith(",", at):
            problem = json.JSONDecodeError("Expecting ',' or ']'", text, at)
            raise InvalidInput(f"jobs[{index}]: {_syntax(problem)}")
        at = _after_blanks(text, at + 1)


def _refuse_rest(text: str, end: int) -> None:
    end = _after_blanks(text, end)
    if end < len(text):
        where = _position(json.JSONDecodeError("", text, end))
        raise InvalidInput(
            f"jobs: text after the end at {where}; for several jobs give an array, or one a line"
        )


def _decoded(data: bytes) -> tuple[str, bool]:
    """Text, and whether a string in it may hold what only escapes or bad bytes can bring in."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), True
    return text, "\\u" in text or "\0" in text


_BLANKS = r"[ \t\r\n]*"


def _after_blanks(text: str, at: int) -> int:
    return re.compile(_BLANKS).match(text, at).end()  # type: ignore[union-attr]


def _by_index(index: int, field: str) -> str:
    return f"jobs[{index}].{field}" if field else f"jobs[{index}]"


def _by_line(line: int, field: str) -> str:
    return f"line {line}: {field}" if field else f"line {line}"


def _object(pairs: list[tuple[str, object]]) -> object:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    return Repeated(Counter(name for name, _ in pairs).most_common(1)[0][0])


def _number(digits: str) -> int:
    # int() refuses very long texts with an error that would not name the field
    return int(digits[:_MOST_DIGITS])


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number)
# lets a NUL into a string, where it is found and its field named
_LENIENT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number, strict=False)


def _value(text: str, at: int, suspect: bool, place: Place, number: int) -> tuple[object, int]:
    try:
        return (_LENIENT if suspect else _STRICT).raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{place(number, '')}: {_syntax(error)}") from None
    except RecursionError:
        where = place(number, _deep_field(text, at))
        raise InvalidInput(f"{where}: nested deeper than {MAX_DEPTH}") from None


def _syntax(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()):
        return "not JSON: it ends too early"
    message = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
    return f"not JSON: {message} at {_position(error)}"


def _position(error: json.JSONDecodeError) -> str:
    return f"line {error.lineno} column {error.colno}"


_LEXEME = r'"((?:[^"\\]|\\.)*)"|[\[{]|[\]}]'


def _deep_field(text: str, at: int) -> str:
    """The field of the object at ``at`` in which the nesting goes too deep."""
    depth, field = 0, None
    for token in re.compile(_LEXEME).finditer(text, at):
        if token[1] is not None:
            field = token[1] if depth == 1 else field
        else:
            depth += 1 if token[0] in "[{" else -1
            if depth > MAX_DEPTH:
                break
    return "" if field is None else field_name(field)


_FORBIDDEN = "[\0\ud800-\udfff]"


def _check_text(field: str, text: str) -> None:
    if bad := re.search(_FORBIDDEN, text):
        what = "a NUL byte" if bad[0] == "\0" else "a lone surrogate, or bytes that are not UTF-8"
        refuse(field, f"must not hold {what}")
