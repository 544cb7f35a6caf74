"""The top line of the job screen: which job, how it stands, and where one is."""

from __future__ import annotations

from queuectl_tui.text import GLYPHS, duration, signal_name
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit
from queuectl_tui.widgets.store_header import Health, freshness
from store import Job, JobState

_TABS = (("1", "output", "Output"), ("2", "attempts", "Attempts"), ("3", "info", "Info"))
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
        self._parts: list[Part] = []
        self._health = Health()

    def show_job(self, job: Job, now: int, tab: str) -> None:
        tabs = [_tab(key, name, word, active=name == tab) for key, name, word in _TABS]
        self._parts = [
            Part(10, (Piece(job.id, "bold"),)),
            Part(9, (Piece(f"{GLYPHS[job.state]} {job.state.label}", TONES[job.state]),)),
            Part(8, tuple(piece for pieces in tabs for piece in pieces)),
            Part(5, (Piece(_outcome(job, now)),)),
            Part(4, (Piece("try ", "dim"), Piece(f"{job.attempts}/{job.max_retries + 1}"))),
            Part(3, (Piece("queue ", "dim"), Piece(job.queue))),
            Part(2, (Piece(job.line[:200], "dim"),)),
        ]
        self._compose_line()

    def show_health(self, health: Health) -> None:
        self._health = health
        self._compose_line()

    def on_resize(self) -> None:
        self._compose_line()

    def _compose_line(self) -> None:
        parts = [Part(7, (freshness(self._health),)), *self._parts]
        self.show(fit(parts, self.size.width - 2))


def _tab(key: str, name: str, word: str, *, active: bool) -> tuple[Piece, ...]:
    action = f"screen.tab('{name}')"
    if active:
        return (Piece(f"[{key} {word}]", "bold reverse", action), Piece(" "))
    return (Piece(f" {key}", "$accent", action), Piece(f" {word} ", "", action), Piece(" "))


def _outcome(job: Job, now: int) -> str:
    if job.state is JobState.PROCESSING and job.started_at is not None:
        running = f"for {duration(max(0, now - job.started_at) // 1000)}"
        return f"{running}, stopping" if job.cancel_requested else running
    if job.state in (JobState.PENDING, JobState.FAILED):
        wait = job.run_at - now
        return f"due in {duration(-(-wait // 1000))}" if wait > 0 else "due"
    if job.signal is not None:
        return signal_name(job.signal)
    return f"exit {job.exit_code}" if job.exit_code is not None else ""
