"""What tables of jobs on the command line can tell: one name for each column, in every command.

The names are those of the app's columns, of ``--sort``, and of a job in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from queuectl_tui.commands.options import no_header_option
from queuectl_tui.output import print_table, state_cell
from queuectl_tui.text import age, duration, local_time
from store import Job, JobState
from store.fielderrors import did_you_mean
from store.fields import FIELDS, typed
from store.kinds import MASK

if TYPE_CHECKING:
    from queuectl_tui.waiting import Reason
    from store.queue import Queue

Function = Callable[..., Any]

USUAL = ("id", "state", "queue", "priority", "try", "created", "exit", "command")
OF_DEAD = ("id", "queue", "try", "died", "exit", "command", "last_error")
_SAME = {"pri": "priority", "created_at": "created", "updated_at": "updated", "exit_code": "exit"}
_SAME |= {"started_at": "started", "finished_at": "finished"}
_SORTED_BY = {"try": "attempts", "age": "created", "next": "run_at", "died": "finished"}
_TITLES = {"priority": "PRI", "next": "NEXT/DUR"}


class _Facts(NamedTuple):
    """What a cell may need besides the job; ``now`` is UTC milliseconds."""

    now: int
    show_env: bool = False
    reasons: Mapping[str, tuple[Reason, ...]] = {}


_Cell = Callable[[Job, _Facts], object]


def canonical(name: str) -> str:
    """A column's name however it is spelled: ``CREATED``, ``created-at``, ``created_at``."""
    folded = name.strip().lower().replace("-", "_").replace(" ", "_")
    return _SAME.get(folded, folded)


def sort_column(name: str) -> str:
    """The column that the store sorts by, where one is named that tells the same."""
    found = canonical(name)
    return _SORTED_BY.get(found, found)


def names() -> list[str]:
    """Every column there is."""
    return [*_cells()]


class _Columns(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "columns"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        chosen = tuple(canonical(name) for name in value.split(",") if name.strip())
        if not chosen:
            self.fail("name some columns, such as id,state,took", param, ctx)
        for name in chosen:
            if name not in _cells():
                hint = did_you_mean(name, _cells()) or f"; one of {', '.join(_cells())}"
                self.fail(f"no such column: {name}{hint}", param, ctx)
        return chosen


def columns_options(function: Function) -> Function:
    """``--columns`` and ``--no-header``; a command refuses them with ``refuse_with_json``."""
    columns = click.option(
        "--columns",
        type=_Columns(),
        metavar="NAMES",
        help="id,state,took … in this order: every field, and age, took, try, next, waits_for.",
    )
    return columns(no_header_option(function))


def print_columns(
    queue: Queue,
    jobs: Iterable[Job],
    columns: Sequence[str],
    *,
    header: bool = True,
    show_env: bool = False,
) -> None:
    """A table of jobs."""
    jobs = [*jobs]
    facts = _Facts(queue.now(), show_env)
    if "waits_for" in columns:
        from queuectl_tui.waiting import Waiting

        facts = facts._replace(reasons=Waiting(queue).of(jobs))
    cells = [_cells()[name] for name in columns]
    titles = [_TITLES.get(name, name.upper().replace("_", " ")) for name in columns]
    rows = [[cell(job, facts) for cell in cells] for job in jobs]
    print_table(titles, rows, header=header)


# -- Cells

_PLAIN = (
    *("id", "queue", "priority", "max_retries", "attempts", "number", "signal"),
    *("last_error", "worker", "schedule"),
)


@cache
def _cells() -> Mapping[str, _Cell]:
    given = {name: _typed(name) for name in FIELDS if name in Job._fields}
    return given | {name: _attribute(name) for name in _PLAIN} | _SPECIAL


def _typed(name: str) -> _Cell:
    return lambda job, _: typed(job, name) or None


def _attribute(name: str) -> _Cell:
    return lambda job, _: getattr(job, name)


def _time(name: str) -> _Cell:
    def cell(job: Job, facts: _Facts) -> str | None:
        ms = getattr(job, name)
        return None if ms is None else local_time(ms, facts.now)

    return cell


def _took(job: Job, facts: _Facts) -> str | None:
    if job.started_at is None:
        return None
    runs = job.state is JobState.PROCESSING
    end = facts.now if runs or job.finished_at is None else job.finished_at
    return duration(max(0, end - job.started_at) / 1000)


def _next(job: Job, facts: _Facts) -> str | None:
    if job.state not in (JobState.PENDING, JobState.FAILED):
        return "waits" if job.state is JobState.BLOCKED else _took(job, facts)
    if job.held:
        return "waits"
    left = job.run_at - facts.now
    return f"in {duration(left / 1000)}" if left > 0 else "due"


def _env(job: Job, facts: _Facts) -> str | None:
    shown = (f"{name}={value if facts.show_env else MASK}" for name, value in job.env.items())
    return " ".join(shown) or None


def _waits_for(job: Job, facts: _Facts) -> str | None:
    from queuectl_tui.waiting import in_words

    return in_words(facts.reasons.get(job.id, ())) or None


_SPECIAL: dict[str, _Cell] = {
    "state": lambda job, _: state_cell(job),
    "command": lambda job, _: job.line,
    "argv": lambda job, _: job.line if job.argv else None,
    "try": lambda job, _: f"{job.attempts}/{job.max_retries + 1}",
    "exit": _attribute("exit_code"),
    "age": lambda job, facts: age(max(0, facts.now - job.created_at) / 1000),
    "took": _took,
    "next": _next,
    "created": _time("created_at"),
    "updated": _time("updated_at"),
    "started": _time("started_at"),
    "finished": _time("finished_at"),
    "died": _time("finished_at"),
    "run_at": _time("run_at"),
    "env": _env,
    "paused": lambda job, _: "yes" if job.paused else None,
    "waits_for": _waits_for,
}
