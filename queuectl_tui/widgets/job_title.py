"""The top line of the job screen: which job, how it stands, and where one is."""

from __future__ import annotations

from queuectl_tui.text import duration, signal_name, state_with_glyph
from queuectl_tui.text import fit as cut_short
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit
from queuectl_tui.widgets.row_table import WATCHED
from queuectl_tui.widgets.store_header import Health, freshness
from store import Job, JobState

_TABS = (("1", "output", "Output"), ("2", "attempts", "Attempts"), ("3", "info", "Info"),
         ("4", "chain", "Chain"))  # fmt: skip
_ROOMY, _NARROW = 100, 70
_SHORTEST_ID = 12
TONES = {
    JobState.PENDING: "$text",
    JobState.BLOCKED: "$text-muted",
    JobState.PROCESSING: "bold $primary",
    JobState.FAILED: "$warning",
    JobState.COMPLETED: "$success",
    JobState.DEAD: "bold $error",
    JobState.CANCELLED: "$text-muted",
}


class JobTitle(OneLine):
    """Tabs at the left, since they are what one looks for."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Job, int, str, bool] | None = None
        self._health = Health()

    def show_job(self, job: Job, now: int, tab: str, *, watched: bool) -> None:
        self._shown = job, now, tab, watched
        self._compose_line()

    def _parts(self, job: Job, now: int, tab: str, watched: bool) -> list[Part]:
        brief = self.size.width < _NARROW
        tabs = [_tab(key, name, word, name == tab, brief) for key, name, word in _TABS]
        name = cut_short(job.id, max(_SHORTEST_ID, self.size.width // 4))
        return [
            Part(10, (Piece(f"{WATCHED} " if watched else "", "$accent"), Piece(name, "bold"))),
            Part(9, (Piece(state_with_glyph(job), _tone(job)),)),
            Part(8, tuple(piece for pieces in tabs for piece in pieces)),
            Part(5, (Piece(_outcome(job, now)),)),
            Part(4, (Piece("try ", "dim"), Piece(f"{job.attempts}/{job.max_retries + 1}"))),
            Part(3, (Piece("queue ", "dim"), Piece(job.queue))),
            Part(2, (Piece(job.line[:200], "dim"),)),
        ]

    def show_health(self, health: Health) -> None:
        self._health = health
        self._compose_line()

    def on_resize(self) -> None:
        self._compose_line()

    def _compose_line(self) -> None:
        shown = self._parts(*self._shown) if self._shown else []
        gap = " " if self.size.width < _ROOMY else "   "
        parts = [Part(8, (freshness(self._health),)), *shown]
        self.show(fit(parts, self.size.width, gap=gap))


def _tab(key: str, name: str, word: str, active: bool, brief: bool) -> tuple[Piece, ...]:
    """``brief``: only the open one has its name."""
    action = f"screen.tab('{name}')"
    if brief and not active:
        return (Piece(f" {key} ", "$accent", action),)
    if active:
        return (Piece(f"[{key} {word}]", "bold reverse", action), Piece(" "))
    return (Piece(f" {key}", "$accent", action), Piece(f" {word} ", "", action), Piece(" "))


def _tone(job: Job) -> str:
    return "bold $warning" if job.suspended else TONES[job.state]


def _outcome(job: Job, now: int) -> str:
    if job.state is JobState.PROCESSING and job.started_at is not None:
        running = f"for {duration(max(0, now - job.started_at) // 1000)}"
        return f"{running}, stopping" if job.cancel_requested else running
    if job.state in (JobState.PENDING, JobState.FAILED) and not job.held:
        wait = job.run_at - now
        return f"due in {duration(-(-wait // 1000))}" if wait > 0 else "due"
    if job.signal is not None:
        return signal_name(job.signal)
    return f"exit {job.exit_code}" if job.exit_code is not None else ""
