"""What headless commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from queuectl_tui.streams import can_paint, write, write_bytes
from queuectl_tui.text import escape, fit, timestamp, width
from store import (
    Attempt,
    Job,
    JobState,
    QueueDepth,
    QueueInfo,
    Schedule,
    Status,
    Stream,
    Worker,
    WorkerState,
)
from store.fields import FIELDS, to_json
from store.jobs import AttemptState
from store.kinds import MASK, whole_or_fraction

if TYPE_CHECKING:
    from store.output import Folders
    from store.settings import Setting, Value

# -- JSON


def print_json(value: object) -> None:
    """One document, indented."""
    write_bytes(f"{_encoded(value, indent=2)}\n".encode())


def print_json_line(value: object) -> None:
    """One document on one line, for streams of them."""
    write_bytes(f"{_encoded(value)}\n".encode())


def print_json_array(values: Iterable[object]) -> None:
    """An array, one element a line, however many there are."""
    opening = "["
    for value in values:
        write_bytes(f"{opening}\n{_encoded(value)}".encode())
        opening = ","
    write_bytes(b"[]\n" if opening == "[" else b"\n]\n")


def json_text(text: str) -> str:
    """``text`` as it stands between the quotes of a JSON string."""
    return _encoded(text)[1:-1]


def _encoded(value: object, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(_UNSAFE_IN_JSON, lambda match: f"\\u{ord(match.group()):04x}", text)


# DEL and the C1 controls act on terminals; lone surrogates have no UTF-8
_UNSAFE_IN_JSON = "[\x7f-\x9f\ud800-\udfff]"


def job_to_json(job: Job, *, show_env: bool = False) -> dict[str, object]:
    """The fixed shape; beyond it the fields of which the job has another value than most, and
    ``paused``."""
    shape: dict[str, object] = {
        name: job[at] if convert is None or job[at] is None else convert(job[at])
        for name, at, convert in _FIXED
    }
    shape["env"] = dict(job.env) if show_env else dict.fromkeys(job.env, MASK)
    for name, at, default in _BEYOND:
        if job[at] != default:
            shape[name] = to_json(job, name)
    if job.paused:
        shape["paused"] = True
    return shape


_CONVERTED: Mapping[str, Callable[[Any], object]] = {
    name: field.kind.to_json for name, field in FIELDS.items() if field.kind.to_json
} | {
    "state": str,
    **dict.fromkeys(("run_at", "created_at", "updated_at", "started_at", "finished_at"), timestamp),
}
_FIXED = tuple(
    (name, Job._fields.index(name), _CONVERTED.get(name))
    for name in (
        *("id", "command", "argv", "state", "queue", "priority", "label", "attempts"),
        *("max_retries", "timeout", "stop_grace", "run_at", "cwd", "env", "depends_on"),
        *("unique_key", "backoff_base", "created_at", "updated_at", "started_at", "finished_at"),
        *("exit_code", "signal", "last_error", "worker"),
    )
)
"""Names, where they are in a ``Job``, and what makes JSON of them where that is needed."""
_BEYOND = tuple(
    (name, Job._fields.index(name), field.default)
    for name, field in FIELDS.items()
    if name in Job._fields and name not in {name for name, *_ in _FIXED}
)


def attempt_to_json(attempt: Attempt, folders: Folders) -> dict[str, object]:
    """The fixed shape; beyond it ``children_ended``, where there were some.

    ``folders`` tell which of its output rests in files.
    """
    stdout, stderr = (folders.file(attempt, stream) for stream in Stream)
    ended = {"children_ended": attempt.children_ended} if attempt.children_ended else {}
    return {
        "attempt": attempt.number,
        "state": attempt.state.value,
        "started_at": timestamp(attempt.started_at),
        "finished_at": _time(attempt.finished_at),
        "worker": attempt.worker,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "error": attempt.error,
        "cpu_seconds": whole_or_fraction(attempt.cpu_seconds),
        "max_rss_bytes": attempt.max_rss_bytes,
        "stdout_bytes": attempt.stdout_bytes,
        "stderr_bytes": attempt.stderr_bytes,
        "stdout_file": None if stdout is None else str(stdout),
        "stderr_file": None if stderr is None else str(stderr),
        **ended,
    }


def worker_to_json(worker: Worker) -> dict[str, object]:
    return {
        "id": worker.id,
        "kind": worker.kind.value,
        "pool": worker.pool,
        "pid": worker.pid,
        "host": worker.host,
        "state": worker.state.value,
        "job": worker.job,
        "attempt": worker.attempt,
        "done": worker.done,
        "failed": worker.failed,
        "started_at": timestamp(worker.started_at),
        "heartbeat_age": whole_or_fraction(worker.heartbeat_age),
        "cpu_percent": whole_or_fraction(worker.cpu_percent),
        "rss_bytes": worker.rss_bytes,
        "queues": list(worker.queues),
    }


def status_to_json(
    status: Status, waits_for: Mapping[str, list[dict[str, object]]]
) -> dict[str, object]:
    """``waits_for`` tells of queues, by name, why nothing of them starts."""
    return {
        "counts": {state.value: status.counts.get(state, 0) for state in JobState},
        "workers": {
            "up": status.workers_up,
            "busy": status.workers_busy,
            "stale": status.workers_stale,
        },
        "queues": [
            {
                "name": queue.name,
                "paused": queue.paused,
                "max_running": queue.max_running,
                "pending": queue.pending,
                "processing": queue.processing,
                **({"waits_for": waits_for[queue.name]} if waits_for.get(queue.name) else {}),
            }
            for queue in status.queues
        ],
        "oldest_pending_seconds": whole_or_fraction(status.oldest_pending_seconds),
        "completed_per_minute": whole_or_fraction(status.completed_per_minute),
    }


def queue_to_json(depth: QueueDepth) -> dict[str, object]:
    info = depth.info
    return {
        "name": info.name,
        "paused": info.paused,
        "max_running": info.max_running,
        "max_per_label": info.max_per_label,
        "rate": _rate_to_json(info),
        "pending": info.pending,
        "processing": info.processing,
        "slot_env": info.slot_name,
        "slots": list(info.slots),
        "counts": {state.value: depth.counts.get(state, 0) for state in JobState},
        "oldest_pending_seconds": whole_or_fraction(depth.oldest_pending_seconds),
        "completed_per_minute": whole_or_fraction(depth.completed_per_minute),
    }


def _rate_to_json(info: QueueInfo) -> dict[str, object] | None:
    if info.rate is None:
        return None
    return {
        "starts": info.rate.starts,
        "seconds": whole_or_fraction(info.rate.seconds),
        "opens_at": None if info.rate_opens_at is None else timestamp(info.rate_opens_at),
    }


def schedule_to_json(schedule: Schedule) -> dict[str, object]:
    last = schedule.last
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "every": whole_or_fraction(schedule.every),
        "tz": schedule.tz,
        "overlap": schedule.overlap.value,
        "catch_up": schedule.catch_up,
        "paused": schedule.paused,
        "next_at": None if schedule.paused else timestamp(schedule.next_at),
        "command": schedule.job.command,
        "argv": None if schedule.job.argv is None else list(schedule.job.argv),
        "queue": schedule.job.queue,
        "last_job": None if last is None else {"id": last.id, "state": last.state.value},
    }


def setting_to_json(setting: Setting, value: Value) -> dict[str, object]:
    """``value`` and default as the program reads them: seconds, bytes, numbers; ``null``: none."""
    return {
        "key": setting.name,
        "value": _read(value),
        "default": _read(setting.parse(setting.default)),
        "meaning": setting.help,
    }


def _read(value: Value) -> Value | None:
    return (value or None) if isinstance(value, str) else whole_or_fraction(value)


def _time(ms: int | None) -> str | None:
    return None if ms is None else timestamp(ms)


# -- Tables

_GAP = "  "
_NARROWEST = 6
_WRAPPED = 20  # cells: no narrower than this for the sake of others
_COLOURS = {
    **dict.fromkeys(("RUNNING", "BUSY"), "36"),
    **dict.fromkeys(("DONE", "COMPLETED"), "32"),
    **dict.fromkeys(("RETRYING", "DRAINING", "PAUSED", "HELD"), "33"),
    **dict.fromkeys(("DEAD", "FAILED", "TIMED OUT", "LOST", "STALE"), "31"),
    **dict.fromkeys(("BLOCKED", "CANCELLED"), "2"),
}
_BOLD = "1"


class _Word(str):
    """A state's word for people that is no state's value."""

    __slots__ = ()


_STATES = JobState | AttemptState | WorkerState | _Word


def state_cell(job: Job) -> object:
    """A job's state in a table."""
    return _Word(job.shown_state)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, header: bool = True
) -> None:
    """A table, as wide as the terminal at most; the last column is cut first.

    Numbers stand right, ``None`` is a dash, states have their colour. Cells needn't be escaped.
    """
    cells = [list(row) for row in rows]
    texts = [[_shown(cell) for cell in row] for row in cells]
    titles = columns if header else [""] * len(columns)
    widths = _fitted(_natural(titles, texts), line_width())
    right = [any(map(_is_number, column)) for column in zip(columns, *cells, strict=True)]
    coloured = has_colour()
    if header:
        write(_line(columns, widths, right, [_BOLD if coloured else ""] * len(columns)))
    for row, text in zip(cells, texts, strict=True):
        write(_line(text, widths, right, [_colour(cell) if coloured else "" for cell in row]))


def print_wrapped_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of texts, which go on below where the terminal is too narrow for them.

    The last column has what room the others leave.
    """
    texts = [[_shown(cell) for cell in row] for row in rows]
    widths, room = _natural(columns, texts), line_width()
    gaps = len(_GAP) * (len(widths) - 1)
    if sum(widths) + gaps > room:
        widths[1:-1] = [min(cells, _WRAPPED) for cells in widths[1:-1]]
        widths[-1] = max(_WRAPPED, room - sum(widths[:-1]) - gaps)
    widths = _fitted(widths, room)
    plain = [False] * len(columns), [""] * len(columns)
    write(_line(columns, widths, plain[0], [_BOLD if has_colour() else ""] * len(columns)))
    for row in texts:
        for line in zip_longest(*map(_wrapped, row, widths), fillvalue=""):
            write(_line(line, widths, *plain))


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one pair a line; long values are not cut."""
    longest = max(map(len, fields))
    for name, value in fields.items():
        write(f"{name:<{longest}}{_GAP}{_shown(value)}\n")


def has_colour() -> bool:
    return can_paint() and not os.environ.get("NO_COLOR")


def line_width() -> int:
    """The terminal's width; a pipe has none, unless COLUMNS says so."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        import shutil

        return shutil.get_terminal_size().columns
    return sys.maxsize


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, JobState):
        return cell.label
    if isinstance(cell, AttemptState | WorkerState):
        return cell.value.upper().replace("_", " ")
    return escape(str(cell))


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def _colour(cell: object) -> str:
    return _COLOURS.get(_shown(cell), "") if isinstance(cell, _STATES) else ""


def _natural(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width, column)) for column in zip(columns, *texts, strict=True)]


def _wrapped(text: str, cells: int) -> list[str]:
    """Lines of whole words, as wide as ``cells`` at most unless one word alone is wider."""
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        if width(f"{lines[-1]} {word}") <= cells:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fitted(widths: list[int], room: int) -> list[int]:
    """Take from the last column while it is wide, then from the widest."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    for _ in range(excess):
        at = len(widths) - 1 if widths[-1] > 2 * _NARROWEST else widths.index(max(widths))
        if widths[at] <= _NARROWEST:
            break
        widths[at] -= 1
    return widths


def _line(
    cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], colours: Sequence[str]
) -> str:
    parts = []
    for cell, room, to_the_right, colour in zip(cells, widths, right, colours, strict=True):
        text = fit(cell, room)
        padding = " " * (room - width(text))
        if colour:
            text = f"\x1b[{colour}m{text}\x1b[0m"
        parts.append(padding + text if to_the_right else text + padding)
    return _GAP.join(parts).rstrip() + "\n"
