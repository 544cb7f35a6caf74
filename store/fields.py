"""One table of a job's fields: what each accepts, how it is kept, typed, printed and explained.

``NewJob`` and ``Job`` have an attribute for each. The reader of documents, the columns of the
store, the options of the command line, the forms of the app, JSON and ``show`` follow this table: a
new field is an entry here, an attribute there, a column in a migration, and what makes use of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from store.documents import Repeated
from store.errors import InvalidInput
from store.fielderrors import field_name, refuse, shown
from store.jobs import NewJob, OnDependencyFailure
from store.timespec import duration_text, parse_duration

if TYPE_CHECKING:
    from store.settings import Value

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
FLAG = "flag"
"""The ``metavar`` of an option that takes no value."""

Check = Callable[[str, object], object]
"""A field's name and its value in a document; the clean value. Raises ``FieldError``."""


def _same(value: Any) -> Any:
    return value


class Kind:
    """What fields of one sort have in common.

    ``check`` takes the value of a document, ``parse`` makes that of what a person typed (most
    problems are left for ``check`` to find), ``typed`` writes the clean value as a person would.
    ``pack`` and ``unpack`` lead to the column and back, ``to_json`` to a document; an empty value
    is packed as NULL, and NULL is read as the field's default.
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
        to_json: Callable[[Any], object] = _same,
    ) -> None:
        self.check = check
        self.parse = parse
        self.typed = typed
        self.pack = pack
        self.unpack = unpack
        self.to_json = to_json


class Field:
    """One field. ``label`` is its name for people, ``hint`` and ``help`` what a form and the
    command line say of it, ``metavar`` its value there; without one it has no option.

    ``settled`` names the setting that a job without a value takes when it is enqueued.
    ``spellings`` are those of the option where it isn't the field's own name. ``clearable``: an
    empty value means the default. ``basic``: the form for a new job asks for it. ``stored``: it
    has a column.
    """

    __slots__ = (
        "basic",
        "clearable",
        "default",
        "help",
        "hint",
        "kind",
        "label",
        "metavar",
        "name",
        "settled",
        "spellings",
        "stored",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        label: str,
        hint: str = "",
        *,
        metavar: str = "",
        help: str = "",  # noqa: A002 - as click calls it
        spellings: tuple[str, ...] = (),
        settled: str | None = None,
        clearable: bool = False,
        basic: bool = False,
        stored: bool = True,
    ) -> None:
        self.name = name
        self.kind = kind
        self.label = label
        self.hint = hint
        self.metavar = metavar
        self.help = help
        self.spellings = spellings or (f"--{name.replace('_', '-')}",)
        self.settled = settled
        self.clearable = clearable
        self.basic = basic
        self.stored = stored
        self.default: object = NewJob._field_defaults[name]


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
            found.update({item} & _EXIT_CODES)
        elif type(item) is str and (match := re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", item)):
            first, last = map(int, match.groups())
            found.update(set(range(first, last + 1)) if last <= 255 else ())
    return found


_EXIT_CODES = frozenset(range(256))


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


# -- The table

_TEXT = Kind(_unique_key)
_NAME = Kind(_name)
_DURATION = Kind(_duration, typed=duration_text, to_json=whole_or_fraction)
_FLAG = Kind(_flag, parse=_yes_or_no, typed=_as_yes_or_no, unpack=bool)


def _integers(low: int, high: int) -> Kind:
    return Kind(_integer(low, high), parse=_whole)


def _numbers(low: float, high: float, bounds: str) -> Kind:
    check = _number(low, high, bounds)
    return Kind(check, parse=_fraction, typed=_as_number, to_json=whole_or_fraction)


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field(
            "command",
            Kind(_command),
            "Command",
            "A line for the shell, such as  make test && ./deploy.sh",
            basic=True,
        ),
        Field(
            "argv",
            Kind(
                _argv,
                parse=split_words,
                typed=_as_words,
                pack=_packed,
                unpack=_unpacked,
                to_json=list,
            ),
            "Program",
            "A program and its arguments, quoted as for a shell; none is used",
        ),
        Field("id", _NAME, "Id", "Made up if blank; letters, digits and . _ : -", basic=True),
        Field(
            "queue",
            _NAME,
            "Queue",
            "default if blank",
            metavar="NAME",
            help="Else: default.",
            basic=True,
        ),
        Field(
            "priority",
            _integers(-MAX_PRIORITY, MAX_PRIORITY),
            "Priority",
            "-1000 to 1000, higher first; 0 if blank",
            metavar="N",
            help="-1000 to 1000; higher runs first.",
            clearable=True,
            basic=True,
        ),
        Field(
            "max_retries",
            _integers(0, MAX_RETRIES),
            "Max retries",
            "Runs after the first that fails; blank: as the store is set",
            metavar="N",
            help="Runs after the first.",
            settled="default_max_retries",
            clearable=True,
            basic=True,
        ),
        Field(
            "timeout",
            _DURATION,
            "Timeout",
            "How long one attempt may take: 90, 10m; 0: no limit; blank: as the store is set",
            metavar="D",
            help="The longest that one attempt may take; 0: none.",
            settled="default_timeout",
            clearable=True,
            basic=True,
        ),
        Field(
            "stop_grace",
            _DURATION,
            "Stop grace",
            "How long between SIGTERM and SIGKILL: 10, 1m; blank: as set",
            metavar="D",
            help="Between SIGTERM and SIGKILL.",
            clearable=True,
        ),
        Field(
            "backoff_base",
            _numbers(1, 1e300, "of 1 or more"),
            "Backoff base",
            "Retry n waits the delay * this ** n; blank: as set",
            metavar="N",
            help="Retry n waits the delay * N ** n.",
            clearable=True,
        ),
        Field(
            "backoff_delay",
            _DURATION,
            "Backoff delay",
            "What the wait before a retry is a multiple of: 1, 30s; blank: as set",
            metavar="D",
            help="What the wait before a retry is a multiple of; with base 1 it is the wait.",
            clearable=True,
        ),
        Field(
            "backoff_max",
            _DURATION,
            "Backoff max",
            "The longest wait before a retry; 0: no limit; blank: as set",
            metavar="D",
            help="The longest wait before a retry; 0: no limit.",
            clearable=True,
        ),
        Field(
            "backoff_jitter",
            _numbers(0, 1, "from 0 to 1"),
            "Backoff jitter",
            "0 to 1: a wait is up to so much of it shorter or longer; blank: as set",
            metavar="N",
            help="0 to 1: a wait is up to so much of it shorter or longer, by chance.",
            clearable=True,
        ),
        Field(
            "fail_on",
            Kind(
                _failures,
                parse=_codes,
                typed=_as_codes,
                pack=_packed,
                unpack=_unpacked,
                to_json=list,
            ),
            "Fail on",
            "Dead at once, no retry: exit codes, 64-78, timeout, signal, lost",
            metavar="CODES",
            help="Dead at once, no retry: exit codes, ranges (64-78), timeout, signal, lost.",
            clearable=True,
        ),
        Field(
            "success_exit_codes",
            Kind(
                _exit_codes,
                parse=_codes,
                typed=_as_codes,
                pack=_packed_success,
                unpack=_unpacked,
                to_json=list,
            ),
            "Success codes",
            "Exit codes that count as success: 0,3; 0 if blank",
            metavar="CODES",
            help="Exit codes that count as success; else 0.",
            clearable=True,
        ),
        Field(
            "nice",
            _integers(0, MAX_NICE),
            "Nice",
            "0 to 19: how far it gives way to other processes; 0 if blank",
            metavar="N",
            help="0 to 19: how far it gives way to other processes.",
            clearable=True,
        ),
        Field(
            "keep_children",
            _FLAG,
            "Keep children",
            "yes: what the command leaves running is left alone",
            metavar=FLAG,
            help="Leave alone what the command leaves running; else it is ended.",
            spellings=("--keep-children/--end-children",),
        ),
        Field(
            "env",
            Kind(
                _env,
                parse=_variables,
                typed=_as_variables,
                pack=_packed_env,
                unpack=json.loads,
                to_json=dict,
            ),
            "Variables",
            "NAME=VALUE NAME2='with blanks'; NAME alone takes it along from here",
            metavar="NAME[=VALUE]",
            help="Set, or take along, NAME.",
        ),
        Field(
            "unique_key",
            _TEXT,
            "Unique key",
            "Refused while an unfinished job has the same",
            metavar="TEXT",
            help="Refuse while an unfinished job has it.",
            clearable=True,
        ),
        Field(
            "label",
            Kind(_label),
            "Label",
            "Free text, searchable",
            metavar="TEXT",
            help="Free text.",
            clearable=True,
            basic=True,
        ),
        Field(
            "cwd",
            Kind(_cwd),
            "Folder",
            "Absolute; where the app was started if blank",
            metavar="FOLDER",
            help="Where to run; else here.",
            basic=True,
        ),
        Field(
            "delay",
            _DURATION,
            "Delay",
            "Not before so long from now: 90, 10m, 1h30m",
            metavar="D",
            help="Not before this long from now.",
            basic=True,
            stored=False,
        ),
        Field(
            "run_at",
            Kind(_time),
            "Run at",
            "Not before this time",
            metavar="TIME",
            help="Not before this time: 22:15, tomorrow 9:00, 2026-11-25 10:30, or RFC 3339.",
            spellings=("--run-at", "--at"),
        ),
        Field(
            "held",
            _FLAG,
            "Held",
            "yes: not started until it is released",
            metavar=FLAG,
            help="Not started until released.",
            spellings=("--hold",),
        ),
        Field(
            "depends_on",
            Kind(_depends_on, parse=_ids, typed=_as_ids, to_json=list),
            "After",
            "Ids of jobs that must complete first, blanks between them",
            metavar="ID",
            help="Run after these.",
            spellings=("--depends-on", "--after"),
            clearable=True,
            basic=True,
            stored=False,
        ),
        Field(
            "on_dependency_failure",
            Kind(_on_dependency_failure, pack=_value, unpack=OnDependencyFailure, to_json=str),
            "If those fail",
            "When one of them is dead or cancelled: hold (blank), cancel or run",
            metavar="|".join(OnDependencyFailure),
            help="When one of them is dead or cancelled: wait on (default), be cancelled, or run.",
        ),
    )
}
"""In the order in which people meet them."""


def require_consistent(job: NewJob) -> None:
    """What fields mean to each other. Raises ``FieldError``."""
    if job.fail_on and (both := exit_codes_of(job.fail_on) & set(job.success_exit_codes)):
        refuse("fail_on", f"{min(both)} is one of success_exit_codes; it can't be both")


# -- Rows of the table job

COLUMNS = tuple(name for name in NewJob._fields if FIELDS[name].stored)
"""The columns of what a job was given; they are the first fields of ``NewJob``."""

_PACKED = tuple(
    (at, pack) for at, name in enumerate(COLUMNS) if (pack := FIELDS[name].kind.pack) is not None
)
_SETTLED = tuple(
    (at, setting)
    for at, name in enumerate(COLUMNS)
    if (setting := FIELDS[name].settled) is not None
)
RUN_AT, CWD = COLUMNS.index("run_at"), COLUMNS.index("cwd")
UNPACKED: Mapping[str, Callable[[Any], object]] = {
    name: unpack for name in COLUMNS if (unpack := FIELDS[name].kind.unpack) is not None
}


def columns_of(job: NewJob, settings: Mapping[str, Value], now: int) -> list[Any]:
    """What ``job`` is in ``COLUMNS``; the time and the folder are None where it leaves them open.

    ``now`` is UTC milliseconds.
    """
    row: list[Any] = [*job[: len(COLUMNS)]]
    for at, pack in _PACKED:
        row[at] = pack(row[at]) if row[at] else None
    for at, setting in _SETTLED:
        if row[at] is None:
            row[at] = settings[setting]
    if job.delay is not None:
        row[RUN_AT] = now + int(job.delay * 1000)
    return row


def read_column(name: str, value: Any) -> Any:
    """The value of a field as its column has it."""
    if value is None:
        return FIELDS[name].default
    return UNPACKED[name](value)


# -- Fields of a job for people and programs


def to_json(job: Any, name: str) -> object:
    """A field of a ``Job`` or ``NewJob`` as a document has it."""
    value = getattr(job, name)
    return None if value is None else FIELDS[name].kind.to_json(value)


def typed(job: Any, name: str) -> str:
    """A field of a ``Job`` or ``NewJob`` as a person would type it; blank for ``None``."""
    value = getattr(job, name)
    return "" if value is None else FIELDS[name].kind.typed(value)


def is_default(job: Any, name: str) -> bool:
    """Whether the field is what it would be had nobody given it."""
    value = getattr(job, name)
    return bool(value == FIELDS[name].default)
