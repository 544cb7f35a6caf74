"""Writing a list of jobs to a file, page by page, however long it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from queuectl_tui.output import job_to_json
from queuectl_tui.private_file import write_new, write_over
from store import InvalidInput, Job, JobFilter, Order

if TYPE_CHECKING:
    from store.queue import Queue

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Listed:
    """Which jobs, in which order."""

    filter: JobFilter
    order: Order


class Stopped(Exception):
    """Nobody waits for the file any more."""


def export_jobs(
    queue: Queue, listed: Listed, path: Path, *, overwrite: bool, go_on: Callable[[], bool]
) -> int:
    """Writes CSV, JSON or JSON Lines, by the name's ending; how many jobs.

    Only the owner may read the file. Raises ``InvalidInput`` for another ending, ``OSError``
    (``FileExistsError`` unless ``overwrite``), and ``Stopped`` once ``go_on`` says no; then there
    is no file.
    """
    write_as = _WRITERS[ending(path)]
    counted = _Counted(_pages(queue, listed, go_on))
    write = write_over if overwrite else write_new
    write(path, (text.encode("utf-8", "backslashreplace") for text in write_as(counted)))
    return counted.number


def ending(path: Path) -> str:
    """The file's ending, if it names a format. Raises ``InvalidInput``."""
    if path.suffix.lower() in _WRITERS:
        return path.suffix.lower()
    raise InvalidInput(f"the name must end in one of {' '.join(_WRITERS)}")


class _Counted:
    def __init__(self, jobs: Iterable[Job]) -> None:
        self.number = 0
        self._jobs = jobs

    def __iter__(self) -> Iterator[Job]:
        for job in self._jobs:
            self.number += 1
            yield job


def _pages(queue: Queue, listed: Listed, go_on: Callable[[], bool]) -> Iterator[Job]:
    """Each job once, though new ones arrive and push the list along."""
    seen: frozenset[int] = frozenset()
    offset = 0
    while page := queue.jobs(listed.filter, listed.order, limit=_PAGE, offset=offset):
        if not go_on():
            raise Stopped
        yield from (job for job in page if job.seq not in seen)
        seen = frozenset(job.seq for job in page)
        offset += len(page)


def _as_csv(jobs: Iterable[Job]) -> Iterator[str]:
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for job in jobs:
        values = job_to_json(job)
        if writer is None:
            writer = csv.DictWriter(buffer, fieldnames=list(values))
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in values.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _as_json(jobs: Iterable[Job]) -> Iterator[str]:
    opening = "["
    for job in jobs:
        yield f"{opening}\n{_encoded(job)}"
        opening = ","
    yield "[]\n" if opening == "[" else "\n]\n"


def _as_json_lines(jobs: Iterable[Job]) -> Iterator[str]:
    for job in jobs:
        yield f"{_encoded(job)}\n"


def _encoded(job: Job) -> str:
    return json.dumps(job_to_json(job), ensure_ascii=False)


_WRITERS: dict[str, Callable[[Iterable[Job]], Iterator[str]]] = {
    ".csv": _as_csv,
    ".json": _as_json,
    ".jsonl": _as_json_lines,
}
