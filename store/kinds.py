"""The kinds of fields that jobs have: what each accepts, and how it is typed, kept and printed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from store.documents import Repeated
from store.errors import InvalidInput
from store.fielderrors import field_name, refuse, shown
from store.jobs import OnDependencyFailure
from store.timespec import duration_text, parse_duration

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
MASK = "***"
"""What stands for an ``env`` value on display; never a value on input."""

MAX_COMMAND_BYTES = 65_536
MAX_LABEL = 200
MAX_PRIORITY = 1000
MAX_RETRIES = 1000
MAX_NICE = 19
FAILURES = ("timeout", "signal", "lost")
"""What ``fail_on`` may name beside exit codes and ranges of them."""

Check = Callable[[str, object], object]
"""A field's name and its value in a document; the clean value. Raises ``FieldError``."""


def _same(value: Any) -> Any:
    return value


class Kind:
    """What fields of one sort have in common.

    ``check`` takes the value of a document, ``parse`` makes that of what a person typed (most
    problems are left for ``check`` to find), ``typed`` writes the clean value as a person would.
    ``pack`` and ``unpack`` lead to the column and back, ``to_json`` to a document, where that isn't
    the value itself; an empty value is packed as NULL, and NULL is read as the field's default.
    """

    __slots__ = ("check", "pack", "parse", "to_json", "typed", "unpack")

    def __init__(
        self,
        check: Check,
        *,
        parse: Callable[[str], object] = _same,
        typed: Callable[[Any], str] = str,
        pack: Callable[[Any], object] | None = None,
        unpack: Callable[[Any], object] | None = None,
        to_json: Callable[[Any], object] | None = None,
    ) -> None:
        self.check = check
        self.parse = parse
        self.typed = typed
        self.pack = pack
        self.unpack = unpack
        self.to_json = to_json


# -- Checks


def _command(name: str, value: object) -> str:
    if type(value) is not str:
        refuse(name, f"must be a string, not {shown(value)}")
    if not value or value.isspace():
        refuse(name, "must not be blank")
    if len(value) * 4 > MAX_COMMAND_BYTES and len(value.encode()) > MAX_COMMAND_BYTES:
        refuse(name, f"must be at most {MAX_COMMAND_BYTES} bytes, not {len(value.encode())}")
    return value


def _argv(name: str, value: object) -> tuple[str, ...]:
    if type(value) is not list:
        refuse(name, f"must be an array of strings, not {shown(value)}")
    if not value:
        refuse(name, "must not be empty; its first string is the program")
    for index, word in enumerate(value):
        if type(word) is not str:
            refuse(f"{name}[{index}]", f"must be a string, not {shown(word)}")
    if not value[0] or value[0].isspace():
        refuse(f"{name}[0]", "must name a program")
    return tuple(value)


def _name(name: str, value: object) -> str:
    if type(value) is not str:
        refuse(name, f"must be a string, not {shown(value)}")
    if not NAME_PATTERN.fullmatch(value):
        refuse(
            name,
            "must be 1 to 128 letters, digits, '.', '_', ':' or '-', the first a letter or digit,"
            f" not {shown(value)}",
        )
    return value


def _integer(low: int, high: int) -> Check:
    def check(name: str, value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            refuse(name, f"must be an integer from {low} to {high}, not {shown(value)}")
        return value

    return check


def _number(low: float, high: float, bounds: str) -> Check:
    def check(name: str, value: object) -> float:
        if type(value) not in (int, float) or not low <= cast("float", value) <= high:
            refuse(name, f"must be a number {bounds}, not {shown(value)}")
        return float(cast("float", value))

    return check


def _flag(name: str, value: object) -> bool:
    if type(value) is not bool:
        refuse(name, f"must be true or false, not {shown(value)}")
    return value


def _duration(name: str, value: object) -> float:
    try:
        return parse_duration(value)
    except InvalidInput as error:
        refuse(name, str(error))


def _time(name: str, _: object) -> int:
    raise NotImplementedError(f"{name} is checked against the time at which it was read")


def _cwd(name: str, value: object) -> str:
    if type(value) is not str or not os.path.isabs(value):
        refuse(name, f"must be an absolute path, not {shown(value)}")
    return value


def _env(name: str, value: object) -> dict[str, str]:
    if type(value) is Repeated:
        refuse(f"{name}.{field_name(value.name)}", "given twice in one object; keep one")
    if type(value) is not dict:
        refuse(name, f"must be an object of strings, not {shown(value)}")
    for variable, text in value.items():
        field = f"{name}.{field_name(variable)}"
        if not variable or "=" in variable:
            refuse(field, "the name of a variable must not be empty or hold '='")
        if type(text) is not str:
            refuse(field, f"must be a string, not {shown(text)}")
        if text == MASK:
            refuse(field, f"{shown(MASK)} is a mask, not a value; export with --show-env")
    return value


def _label(name: str, value: object) -> str:
    if type(value) is not str or len(value) > MAX_LABEL:
        refuse(name, f"must be a string of up to {MAX_LABEL} characters, not {shown(value)}")
    return value


def _depends_on(name: str, value: object) -> tuple[str, ...]:
    if type(value) is not list:
        refuse(name, f"must be an array of job ids, not {shown(value)}")
    return tuple(
        dict.fromkeys(_name(f"{name}[{index}]", job_id) for index, job_id in enumerate(value))
    )


def _unique_key(name: str, value: object) -> str:
    if type(value) is not str or not value:
        refuse(name, f"must be a string, not empty, not {shown(value)}")
    return value


def _on_dependency_failure(name: str, value: object) -> OnDependencyFailure:
    if type(value) is not str or value not in set(OnDependencyFailure):
        refuse(name, f"must be one of {', '.join(OnDependencyFailure)}, not {shown(value)}")
    return OnDependencyFailure(value)


def _exit_codes(name: str, value: object) -> tuple[int, ...]:
    if type(value) is not list or not value:
        refuse(name, f"must be an array of exit codes, not empty, not {shown(value)}")
    for index, code in enumerate(value):
        if type(code) is not int or not 0 <= code <= 255:
            refuse(f"{name}[{index}]", f"must be an exit code from 0 to 255, not {shown(code)}")
    return tuple(dict.fromkeys(value))


def _failures(name: str, value: object) -> tuple[int | str, ...]:
    if type(value) is not list:
        refuse(name, f"must be an array of exit codes and words, not {shown(value)}")
    for index, item in enumerate(value):
        if item not in FAILURES and not exit_codes_of([item]):
            refuse(
                f"{name}[{index}]",
                f"must be an exit code, a range such as '64-78', or one of {', '.join(FAILURES)},"
                f" not {shown(item)}",
            )
    return tuple(dict.fromkeys(value))


def exit_codes_of(failures: list[Any] | tuple[int | str, ...]) -> set[int]:
    """The exit codes that a value of ``fail_on`` stands for."""
    found: set[int] = set()
    for item in failures:
        if type(item) is int:
            found.update({item} & _ALL_CODES)
        elif type(item) is str and (match := re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", item)):
            first, last = map(int, match.groups())
            found.update(set(range(first, last + 1)) if last <= 255 else ())
    return found


_ALL_CODES = frozenset(range(256))


# -- As typed


def split_words(text: str) -> list[str]:
    """Words as a shell would part them. Raises ``InvalidInput``."""
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidInput(str(error).lower()) from None


def _variables(text: str) -> object:
    return dict(word.split("=", 1) for word in split_words(text) if "=" in word)


def _as_variables(env: Mapping[str, str]) -> str:
    return _as_words([f"{name}={value}" for name, value in env.items()])


def _as_words(words: Any) -> str:
    import shlex

    return shlex.join(words)


def _ids(text: str) -> object:
    return text.replace(",", " ").split()


def _as_ids(ids: tuple[str, ...]) -> str:
    return " ".join(ids)


def _codes(text: str) -> object:
    return [int(word) if word.isdecimal() else word for word in text.replace(",", " ").split()]


def _as_codes(codes: tuple[int | str, ...]) -> str:
    return ",".join(map(str, codes))


def _whole(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _fraction(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _yes_or_no(text: str) -> object:
    return {"yes": True, "no": False}.get(text.lower(), text)


def _as_yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def whole_or_fraction(value: float | None) -> float | None:
    """A whole number without its ``.0``."""
    return int(value) if value is not None and value == int(value) else value


def _as_number(value: float) -> str:
    return str(whole_or_fraction(value))


# -- In columns


def _packed(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _packed_env(env: Mapping[str, str]) -> str:
    return json.dumps(dict(env), ensure_ascii=False)


def _packed_success(codes: tuple[int, ...]) -> str | None:
    return None if codes == (0,) else json.dumps(codes)


def _unpacked(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _value(member: OnDependencyFailure) -> str:
    return member.value


# -- The kinds

COMMAND = Kind(_command)
ARGV = Kind(_argv, parse=split_words, typed=_as_words, pack=_packed, unpack=_unpacked, to_json=list)
NAME = Kind(_name)
TEXT = Kind(_unique_key)
LABEL = Kind(_label)
FOLDER = Kind(_cwd)
DURATION = Kind(_duration, typed=duration_text, to_json=whole_or_fraction)
TIME = Kind(_time)
YES_OR_NO = Kind(_flag, parse=_yes_or_no, typed=_as_yes_or_no, unpack=bool)
VARIABLES = Kind(
    _env,
    parse=_variables,
    typed=_as_variables,
    pack=_packed_env,
    unpack=json.loads,
    to_json=dict,
)
JOB_IDS = Kind(_depends_on, parse=_ids, typed=_as_ids, to_json=list)
FAILURE_LIST = Kind(
    _failures, parse=_codes, typed=_as_codes, pack=_packed, unpack=_unpacked, to_json=list
)
EXIT_CODES = Kind(
    _exit_codes,
    parse=_codes,
    typed=_as_codes,
    pack=_packed_success,
    unpack=_unpacked,
    to_json=list,
)
ON_DEPENDENCY_FAILURE = Kind(
    _on_dependency_failure, pack=_value, unpack=OnDependencyFailure, to_json=str
)


def integers(low: int, high: int) -> Kind:
    return Kind(_integer(low, high), parse=_whole)


def numbers(low: float, high: float, bounds: str) -> Kind:
    """``bounds`` says in words which they are."""
    check = _number(low, high, bounds)
    return Kind(check, parse=_fraction, typed=_as_number, to_json=whole_or_fraction)
