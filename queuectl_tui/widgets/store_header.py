"""The top line: which store, how fresh the picture is, and how the queue is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from queuectl_tui.text import age
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit, measure, steady
from store import Status

_BARS = "▁▂▃▄▅▆▇█"
_MINUTES = 12
_OLDEST = 5


class Freshness(Enum):
    """How far what is shown can be trusted to be what is."""

    LIVE = "live"
    PAUSED = "paused"
    STALE = "stale"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Health:
    """``stale_seconds`` is the age of what is shown, or how long the reading has taken so far;
    ``error`` matters only while ``STALE``."""

    freshness: Freshness = Freshness.LIVE
    interval: float = 1.0
    stale_seconds: float = 0.0
    error: str = ""


class StoreHeader(OneLine):
    """What every screen shows first."""

    def __init__(self, place: str, *, read_only: bool) -> None:
        super().__init__()
        self._place = place
        self._read_only = read_only
        self._health = Health()
        self._status: Status | None = None
        self._room: dict[int, int] = {}

    def show_health(self, health: Health) -> None:
        self._health = health
        self._compose_line()

    def show_status(self, status: Status) -> None:
        self._status = status
        self._compose_line()

    def on_resize(self) -> None:
        self._room.clear()
        self._compose_line()

    def _compose_line(self) -> None:
        parts = [
            Part(4, (Piece("queuectl", "bold $text-primary"),)),
            Part(6, (Piece(self._place, "bold"),)),
            Part(10, (freshness(self._health),)),
        ]
        if self._read_only:
            parts.append(Part(9, (Piece("READ-ONLY", "bold $warning"),)))
        if self._status is not None:
            was_pending = _OLDEST in self._room
            parts += [self._in_place(part) for part in _status_parts(self._status, was_pending)]
        self.show(fit(parts, self.size.width - 2))

    def _in_place(self, part: Part) -> Part:
        """``part`` in the room that it had, so that what follows stays where it is."""
        needed = measure(part.pieces)
        room = self._room[part.keep] = steady(self._room.get(part.keep, 0), needed)
        return Part(part.keep, (*part.pieces, Piece(" " * (room - needed))))


def freshness(health: Health) -> Piece:
    """How fresh the picture is: a glyph and a word."""
    match health.freshness:
        case Freshness.PAUSED:
            return Piece("‖ PAUSED", "bold $warning")
        case Freshness.STALE:
            return Piece(f"▲ STALE {age(health.stale_seconds)}", "bold $error")
        case Freshness.READING:
            return Piece(f"◌ READING {age(health.stale_seconds)}", "bold $warning")
        case Freshness.LIVE:
            slow = f" {health.interval:g}s" if health.interval != 1 else ""
            return Piece(f"● LIVE{slow}", "$success")


def _status_parts(status: Status, was_pending: bool) -> list[Part]:
    parts = [Part(8, tuple(_workers(status)))]
    oldest = status.oldest_pending_seconds
    if oldest is not None or was_pending:
        waited = "-" if oldest is None else age(oldest)
        parts.append(Part(_OLDEST, (Piece("oldest pending ", "dim"), Piece(waited))))
    rate = f"{status.completed_per_minute:.3g}/min"
    parts.append(Part(7, (Piece(rate),)))
    parts.append(Part(2, (Piece(sparkline(_finished(status)), "$primary"),)))
    failed = failed_percent(status)
    if failed is not None:
        share = f"{failed:.0f}%" if failed >= 10 else f"{failed:.2g}%"
        parts.append(Part(3, (Piece("fail ", "dim"), Piece(share))))
    if failed:
        bars = sparkline([minute[1] for minute in status.per_minute[-_MINUTES:]])
        parts.append(Part(1, (Piece(bars, "$error"),)))
    return parts


def _workers(status: Status) -> list[Piece]:
    if status.workers_up:
        busy = f"{status.workers_busy}/{status.workers_up} busy"
        pieces = [Piece("workers ", "dim"), Piece(busy)]
    else:
        wanted = status.oldest_pending_seconds is not None
        pieces = [Piece("no workers", "bold $warning" if wanted else "dim")]
    if status.workers_stale:
        pieces.append(Piece(f" {status.workers_stale} STALE", "bold $error"))
    return pieces


def _finished(status: Status) -> list[int]:
    return [done + failed for done, failed in status.per_minute[-_MINUTES:]]


def failed_percent(status: Status) -> float | None:
    """How many of the attempts of the last minutes failed, or None if there were none."""
    done = sum(minute[0] for minute in status.per_minute)
    failed = sum(minute[1] for minute in status.per_minute)
    return 100 * failed / (done + failed) if done + failed else None


def sparkline(values: Sequence[int]) -> str:
    """One bar a value; the highest is a full one."""
    top = max(values, default=0)
    if not top:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((len(_BARS) - 1) * value / top)] for value in values)
