"""A walk through the app: a job is added, runs, fails, and gets another try."""

from __future__ import annotations

from collections.abc import Sequence

from textual.pilot import Pilot

from queuectl_tui.screens.live import LiveScreen
from screenshots.camera import Frame, photograph, still
from screenshots.scene import Clock
from store import AttemptState, Lease, Outcome, Output, Stream
from store.queue import Queue

SIZE = (100, 30)
BUILT = tuple(f"[{number}/4] {step}\n".encode() for number, step in enumerate(
    ("npm ci", "npm run build", "rsync dist/ eu-1:/srv/www/", "systemctl reload nginx"), 1
))  # fmt: skip
REFUSED = b"ssh: connect to host eu-1 port 22: Connection refused\n"


async def tour(
    pilot: Pilot[None], queue: Queue, clock: Clock
) -> tuple[Sequence[Frame], Sequence[float]]:
    """The frames, and for how many seconds each of them stays."""
    camera = _Camera(pilot)
    worker = _Worker(queue, clock, pilot)
    await camera.take("Every job, live: what runs, what waits, what failed", 3)
    await camera.press("a")
    await camera.press(*"./deploy.sh eu")
    await camera.take("a: add a job: each field is checked as you type", 2)
    await camera.press("tab", *"deploy-eu", "tab", *"deploy", "tab", "tab", "tab", "0")
    await camera.take("a: add a job: each field is checked as you type", 2)
    await camera.press("enter")
    await camera.take("It waits for a worker …", 1.5)
    await worker.start()
    await camera.take("… and runs", 1.5)
    await camera.press("o")
    await worker.print(BUILT[0])
    await camera.take("o: follow what it prints, as it comes", 1)
    await worker.print(BUILT[1])
    await camera.take("o: follow what it prints, as it comes", 1)
    await worker.print(BUILT[2])
    await camera.take("o: follow what it prints, as it comes", 1)
    await worker.end(1, REFUSED)
    await camera.press("t")
    await camera.take("It fails, and no retry is left; t shows stderr", 2.5)
    await camera.press("D")
    await camera.take("D: the dead letter queue: the last error, the output beside it", 3)
    await camera.press("r")
    await camera.take("r: another try", 1.5)
    await camera.press("J")
    await worker.start()
    for line in BUILT:
        await worker.print(line)
    await camera.take("A worker takes it again …", 1.5)
    await worker.end(0)
    await camera.take("… and it is done", 3)
    return camera.frames, camera.seconds


class _Camera:
    def __init__(self, pilot: Pilot[None]) -> None:
        self._pilot = pilot
        self.frames: list[Frame] = []
        self.seconds: list[float] = []

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self._pilot.press(key)
        await still(self._pilot)

    async def take(self, caption: str, seconds: float) -> None:
        """A frame without toasts: they come and go by themselves."""
        self._pilot.app.clear_notifications()
        await still(self._pilot)
        self.frames.append(photograph(self._pilot.app, caption))
        self.seconds.append(seconds)


class _Worker:
    """One that does what it is told."""

    def __init__(self, queue: Queue, clock: Clock, pilot: Pilot[None]) -> None:
        self._queue, self._clock, self._pilot = queue, clock, pilot
        self._name = [each.id for each in queue.workers() if each.job is None][-1]
        self._lease: Lease | None = None
        self._printed = b""

    async def start(self) -> None:
        self._lease = self._queue.claim(self._name, ["deploy"])
        assert self._lease is not None
        await self.print(b"")

    async def print(self, text: bytes) -> None:
        self._printed += text
        self._queue.folders.scratch(self._name, Stream.STDOUT).write_bytes(self._printed)
        await self._seen()

    async def end(self, exit_code: int, stderr: bytes = b"") -> None:
        assert self._lease is not None
        said = stderr.decode().strip()
        outcome = Outcome(
            AttemptState.FAILED if exit_code else AttemptState.COMPLETED,
            exit_code=exit_code,
            error=f"exit code {exit_code}: {said}" if exit_code else None,
            stdout=Output(len(self._printed), self._printed),
            stderr=Output(len(stderr), stderr),
        )
        self._queue.finish(self._lease, outcome)
        self._printed = b""
        self._queue.folders.scratch(self._name, Stream.STDOUT).write_bytes(b"")
        await self._seen()

    async def _seen(self) -> None:
        """Two seconds on, the app has looked."""
        self._clock.now += 2_000
        for each in self._queue.workers():
            self._queue.registry.heartbeat(each.id)
        screen = self._pilot.app.screen
        if isinstance(screen, LiveScreen):
            screen.ask()
        await still(self._pilot)
