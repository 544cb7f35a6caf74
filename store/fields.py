"""One table of a job's fields: what each accepts, how it is kept, typed, printed and explained.

``NewJob`` and ``Job`` have an attribute for each. The reader of documents, the columns of the
store, the options of the command line, the forms of the app, JSON and ``show`` follow this table: a
new field is an entry here, an attribute there, a column in a migration, and what makes use of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from store import kinds
from store.fielderrors import refuse
from store.jobs import NewJob, OnDependencyFailure
from store.kinds import Kind

if TYPE_CHECKING:
    from store.settings import Value

FLAG = "flag"
"""The ``metavar`` of an option that takes no value."""


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


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field(
            "command",
            kinds.COMMAND,
            "Command",
            "A line for the shell, such as  make test && ./deploy.sh",
            basic=True,
        ),
        Field(
            "argv",
            kinds.ARGV,
            "Program",
            "A program and its arguments, quoted as for a shell; none is used",
        ),
        Field("id", kinds.NAME, "Id", "Made up if blank; letters, digits and . _ : -", basic=True),
        Field(
            "queue",
            kinds.NAME,
            "Queue",
            "default if blank",
            metavar="NAME",
            help="Else: default.",
            basic=True,
        ),
        Field(
            "priority",
            kinds.integers(-kinds.MAX_PRIORITY, kinds.MAX_PRIORITY),
            "Priority",
            "-1000 to 1000, higher first; 0 if blank",
            metavar="N",
            help="-1000 to 1000; higher runs first.",
            clearable=True,
            basic=True,
        ),
        Field(
            "max_retries",
            kinds.integers(0, kinds.MAX_RETRIES),
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
            kinds.DURATION,
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
            kinds.DURATION,
            "Stop grace",
            "How long between SIGTERM and SIGKILL: 10, 1m; blank: as set",
            metavar="D",
            help="Between SIGTERM and SIGKILL.",
            clearable=True,
        ),
        Field(
            "backoff_base",
            kinds.numbers(1, 1e300, "of 1 or more"),
            "Backoff base",
            "Retry n waits the delay * this ** n; blank: as set",
            metavar="N",
            help="Retry n waits the delay * N ** n.",
            clearable=True,
        ),
        Field(
            "backoff_delay",
            kinds.DURATION,
            "Backoff delay",
            "What the wait before a retry is a multiple of: 1, 30s; blank: as set",
            metavar="D",
            help="What the wait before a retry is a multiple of; with base 1 it is the wait.",
            clearable=True,
        ),
        Field(
            "backoff_max",
            kinds.DURATION,
            "Backoff max",
            "The longest wait before a retry; 0: no limit; blank: as set",
            metavar="D",
            help="The longest wait before a retry; 0: no limit.",
            clearable=True,
        ),
        Field(
            "backoff_jitter",
            kinds.numbers(0, 1, "from 0 to 1"),
            "Backoff jitter",
            "0 to 1: a wait is up to so much of it shorter or longer; blank: as set",
            metavar="N",
            help="0 to 1: a wait is up to so much of it shorter or longer, by chance.",
            clearable=True,
        ),
        Field(
            "fail_on",
            kinds.FAILURE_LIST,
            "Fail on",
            "Dead at once, no retry: exit codes, 64-78, timeout, signal, lost",
            metavar="CODES",
            help="Dead at once, no retry: exit codes, ranges (64-78), timeout, signal, lost.",
            clearable=True,
        ),
        Field(
            "success_exit_codes",
            kinds.EXIT_CODES,
            "Success codes",
            "Exit codes that count as success: 0,3; 0 if blank",
            metavar="CODES",
            help="Exit codes that count as success; else 0.",
            clearable=True,
        ),
        Field(
            "nice",
            kinds.integers(0, kinds.MAX_NICE),
            "Nice",
            "0 to 19: how far it gives way to other processes; 0 if blank",
            metavar="N",
            help="0 to 19: how far it gives way to other processes.",
            clearable=True,
        ),
        Field(
            "keep_children",
            kinds.YES_OR_NO,
            "Keep children",
            "yes: what the command leaves running is left alone",
            metavar=FLAG,
            help="Leave alone what the command leaves running; else it is ended.",
            spellings=("--keep-children/--end-children",),
        ),
        Field(
            "env",
            kinds.VARIABLES,
            "Variables",
            "NAME=VALUE NAME2='with blanks'; NAME alone takes it along from here",
            metavar="NAME[=VALUE]",
            help="Set, or take along, NAME.",
        ),
        Field(
            "unique_key",
            kinds.TEXT,
            "Unique key",
            "Refused while an unfinished job has the same",
            metavar="TEXT",
            help="Refuse while an unfinished job has it.",
            clearable=True,
        ),
        Field(
            "label",
            kinds.LABEL,
            "Label",
            "Free text, searchable",
            metavar="TEXT",
            help="Free text.",
            clearable=True,
            basic=True,
        ),
        Field(
            "cwd",
            kinds.FOLDER,
            "Folder",
            "Absolute; where the app was started if blank",
            metavar="FOLDER",
            help="Where to run; else here.",
            basic=True,
        ),
        Field(
            "delay",
            kinds.DURATION,
            "Delay",
            "Not before so long from now: 90, 10m, 1h30m",
            metavar="D",
            help="Not before this long from now.",
            basic=True,
            stored=False,
        ),
        Field(
            "run_at",
            kinds.TIME,
            "Run at",
            "Not before this time",
            metavar="TIME",
            help="Not before this time: 22:15, tomorrow 9:00, 2026-11-25 10:30, or RFC 3339.",
            spellings=("--run-at", "--at"),
        ),
        Field(
            "held",
            kinds.YES_OR_NO,
            "Held",
            "yes: not started until it is released",
            metavar=FLAG,
            help="Not started until released.",
            spellings=("--hold",),
        ),
        Field(
            "depends_on",
            kinds.JOB_IDS,
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
            kinds.ON_DEPENDENCY_FAILURE,
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
    if job.fail_on and (both := kinds.exit_codes_of(job.fail_on) & set(job.success_exit_codes)):
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
    value, convert = getattr(job, name), FIELDS[name].kind.to_json
    return value if value is None or convert is None else convert(value)


def typed(job: Any, name: str) -> str:
    """A field of a ``Job`` or ``NewJob`` as a person would type it; blank for ``None``."""
    value = getattr(job, name)
    return "" if value is None else FIELDS[name].kind.typed(value)


def is_default(job: Any, name: str) -> bool:
    """Whether the field is what it would be had nobody given it."""
    value = getattr(job, name)
    return bool(value == FIELDS[name].default)
