"""All about the attempt under the cursor, for which its row has no room."""

from __future__ import annotations

from collections.abc import Iterable

from queuectl_tui.text import duration, escape, escape_lines, local_time, signal_name, size
from queuectl_tui.widgets.field_list import FieldList
from store import Attempt


class AttemptDetail(FieldList):
    """Blank where there is no attempt."""

    DEFAULT_CSS = """
    AttemptDetail {
        height: auto; max-height: 60%; padding: 0 1; border-top: solid $surface-lighten-2;
    }
    """

    def show_attempt(self, attempt: Attempt | None, now: int) -> None:
        self.display = attempt is not None
        if attempt is not None:
            self.show_fields(_fields(attempt, now))


def _fields(attempt: Attempt, now: int) -> Iterable[tuple[str, str]]:
    ended = attempt.finished_at
    memory = attempt.max_rss_bytes
    return (
        ("attempt", f"{attempt.number}  {attempt.state.value.replace('_', ' ')}"),
        ("worker", escape(attempt.worker)),
        ("started", local_time(attempt.started_at, now)),
        ("ended", "" if ended is None else _ended(attempt.started_at, ended, now)),
        ("exit", _exit(attempt)),
        ("CPU time", "" if attempt.cpu_seconds is None else duration(attempt.cpu_seconds)),
        ("most memory", "" if memory is None else size(memory)),
        ("output", _written(attempt)),
        ("error", escape_lines(attempt.error or "")),
    )


def _ended(started: int, ended: int, now: int) -> str:
    return f"{local_time(ended, now)}, after {duration((ended - started) / 1000)}"


def _exit(attempt: Attempt) -> str:
    if attempt.signal is not None:
        return signal_name(attempt.signal)
    return "" if attempt.exit_code is None else str(attempt.exit_code)


def _written(attempt: Attempt) -> str:
    if attempt.stdout_bytes is None or attempt.stderr_bytes is None:
        return ""
    return f"stdout {size(attempt.stdout_bytes)}, stderr {size(attempt.stderr_bytes)}"
