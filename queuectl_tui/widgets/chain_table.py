"""What a job waits for above it, and what waits for it below, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from queuectl_tui.widgets.columns import Cell, Column, fitting
from queuectl_tui.widgets.job_columns import exit_status, next_or_duration, state
from queuectl_tui.widgets.row_table import RowTable
from store import Job

if TYPE_CHECKING:
    from store.chains import Chain


@dataclass(frozen=True, slots=True)
class ChainRow:
    """``depth`` is how many steps away a job is: below 0 above the one that is looked at.

    A job that is needed twice stands ``again`` where it is met the second time, without its own.
    """

    key: str
    job: Job
    depth: int
    again: bool = False


class ChainTable(RowTable[ChainRow]):
    """In the order in which the jobs run; what the branches leave is the commands'."""

    def __init__(self) -> None:
        super().__init__(_columns(()), key=lambda row: row.key)

    def show_chain(self, rows: Sequence[ChainRow], *, now: int) -> None:
        """Shows ``rows``, all there are."""
        self.set_columns(_columns(rows))
        self.show_rows(rows, now=now, followed=self.cursor_key)


def chain_rows(chain: Chain, job_id: str) -> list[ChainRow]:
    """The rows for the chain of a job; none where it is alone."""
    if job_id not in chain.jobs:
        return []
    above = [*_tree(chain.needs, chain.jobs, (job_id,), -1, set())]
    below = [*_tree(chain.needed_by, chain.jobs, (job_id,), 1, set())]
    return [*reversed(above), ChainRow(job_id, chain.jobs[job_id], 0), *below]


def _tree(
    links: Mapping[str, tuple[str, ...]],
    jobs: Mapping[str, Job],
    path: tuple[str, ...],
    step: int,
    met: set[str],
) -> Iterator[ChainRow]:
    """What the end of ``path`` is linked to, each followed by its own, one ``step`` further."""
    for each in links.get(path[-1], ()):
        to_it, again = (*path, each), each in met
        met.add(each)
        yield ChainRow(f"{step} {' '.join(to_it)}", jobs[each], step * len(path), again)
        if not again:
            yield from _tree(links, jobs, to_it, step, met)


def _name(row: ChainRow, _: int) -> Cell:
    if not row.depth:
        return Cell(row.job.id, "strong")
    branch = "  " * (abs(row.depth) - 1) + ("└ " if row.depth > 0 else "┌ ")
    return Cell(f"{branch}{row.job.id}{' …' if row.again else ''}", "dim" if row.again else "id")


def _state(row: ChainRow, now: int) -> Cell:
    return state(row.job, now)


def _time(row: ChainRow, now: int) -> Cell:
    return next_or_duration(row.job, now)


def _exit(row: ChainRow, now: int) -> Cell:
    return exit_status(row.job, now)


def _command(row: ChainRow, _: int) -> Cell:
    return Cell(row.job.line)


def _columns(rows: Sequence[ChainRow]) -> tuple[Column[ChainRow], ...]:
    return (
        fitting("JOB", _name, rows, most=40, keep=10),
        Column("STATE", 11, _state, keep=9),
        Column("NEXT/DUR", 9, _time, keep=7, right=True),
        Column("EXIT", 5, _exit, keep=6, right=True),
        Column("COMMAND", 12, _command, keep=8, share=2),
    )
