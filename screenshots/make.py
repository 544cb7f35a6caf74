"""Make every picture of the README from one seeded store: ``python screenshots/make.py``.

With ``--check`` nothing is written: exit code 1 when a picture is not what it would be now.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent
NOW = 1_796_034_600_000  # 2026-11-30T10:30:00Z
SIZE = (120, 36)
PATIENCE = 10.0

os.environ.update(TZ="UTC", TEXTUAL_ANIMATIONS="none")
os.environ.pop("NO_COLOR", None)
time.tzset()
socket.gethostname = lambda: "web-1"

from textual.pilot import Pilot  # noqa: E402 - Textual reads its variables when it is imported

from queuectl_tui.app import QueueApp  # noqa: E402
from store import (  # noqa: E402
    AttemptState,
    NewJob,
    Outcome,
    Output,
    ProcessIdentity,
    Stream,
    WorkerKind,
    open_store,
)
from store.queue import Queue  # noqa: E402

TAR = b"".join(b"data/www/app/assets/chunk-%03d.js\n" % number for number in range(1, 41))
ENCODE = b"".join(b"frame=%5d fps= 48 q=28.0 size=%7dKiB\n" % (n * 240, n * 911) for n in range(9))


class Clock:
    """The store's time while the past is told."""

    def __init__(self) -> None:
        self.now = NOW - 3_600_000

    def __call__(self) -> int:
        return self.now


def seed(queue: Queue, clock: Clock) -> None:
    """An hour of a web server's queue."""
    supervisor = queue.registry.register(
        WorkerKind.SUPERVISOR, pool="default", host="web-1", identity=_process(41229), count=4
    )
    workers = [
        queue.registry.register(
            WorkerKind.WORKER,
            pool="default",
            host="web-1",
            identity=_process(41230 + number),
            supervisor=supervisor,
        )
        for number in range(4)
    ]
    chance = Random(4)
    for number in range(180):
        clock.now += 18_000
        _run(queue, workers[number % 4], number, chance)
    clock.now = NOW - 250_000
    _start(
        queue, workers[0], NewJob(id="www-backup", command="tar czf /srv/backup.tgz /data/www"), TAR
    )
    clock.now = NOW - 64_000
    film = NewJob(id="intro-film", argv=("ffmpeg", "-i", "in.mov", "-crf", "28", "out.mp4"))
    _start(queue, workers[1], film, ENCODE)
    clock.now = NOW - 42_000
    mail = NewJob(id="mail-17", command="./send.sh batch-17", queue="mail", max_retries=4)
    _fail(queue, workers[2], mail, 75, "smtp.example.com: 451 try again later")
    queue.enqueue(
        [
            NewJob(id="report", command="make report", depends_on=("www-backup",), label="monthly"),
            NewJob(id="nightly", command="./nightly.sh", delay=5_400, queue="nightly"),
            NewJob(id="thumbs", command="[ -f /tmp/x ] && rm /tmp/x"),
            NewJob(id="sync-eu", command="rsync -a /data/ eu:/data/", priority=5),
        ]
    )
    clock.now = NOW
    for name in (supervisor, *workers):
        queue.registry.heartbeat(name)
    queue.registry.report(
        {
            supervisor: (0.2, 28 << 20),
            **{
                worker: (cpu, rss << 20)
                for worker, cpu, rss in zip(
                    workers, (88.1, 142.0, 0.1, 0.1), (120, 371, 27, 27), strict=True
                )
            },
        },
        silence={},
    )


def _run(queue: Queue, worker: str, number: int, chance: Random) -> None:
    if number % 23 == 11:
        job = NewJob(
            id=f"fetch-{number}", command=f"curl -fsS https://api/v2/{number}", max_retries=0
        )
        _fail(queue, worker, job, 22, "curl: (22) The requested URL returned error: 503")
        return
    queue.enqueue(
        [NewJob(id=f"resize-{number}", command=f"convert img/{number}.png -resize 50% -")]
    )
    lease = queue.claim(worker)
    assert lease is not None
    queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, cpu_seconds=chance.random()))


def _start(queue: Queue, worker: str, job: NewJob, printed: bytes) -> None:
    queue.enqueue([job])
    assert queue.claim(worker) is not None
    queue.folders.scratch(worker, Stream.STDOUT).write_bytes(printed)


def _fail(queue: Queue, worker: str, job: NewJob, exit_code: int, said: str) -> None:
    queue.enqueue([job])
    lease = queue.claim(worker)
    assert lease is not None
    error = f"exit code {exit_code}: {said}"
    printed = Output(len(said) + 1, f"{said}\n".encode())
    outcome = Outcome(AttemptState.FAILED, exit_code=exit_code, error=error, stderr=printed)
    queue.finish(lease, outcome)


def _process(pid: int) -> ProcessIdentity:
    return ProcessIdentity(pid, 1, "boot")


async def settled(pilot: Pilot[None]) -> None:
    """Until the picture has stood still for a while."""
    last, same, deadline = "", 0, time.monotonic() + PATIENCE
    while same < 5 and time.monotonic() < deadline:
        await pilot.pause(0.1)
        shown = pilot.app.export_screenshot()
        same, last = (same + 1, last) if shown == last else (0, shown)


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


Picture = tuple[str, Sequence[str]]
PICTURES: Sequence[Picture] = (
    ("jobs", ("j", "j", "space", "j", "j", "j", "j")),
    ("dlq", ("D",)),
    ("workers", ("W",)),
    ("job", ("slash", *"backup", "enter", "enter")),
    ("add", ("a", *"make test")),
    ("help", ("question_mark",)),
)


async def make(keys: Sequence[str]) -> str:
    """One picture, from a store and an app of its own."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        queue = open_store(f"{folder}/queue.db", durable=False, clock=clock, random=Random(1))
        seed(queue, clock)
        app = QueueApp(queue)
        async with app.run_test(size=SIZE) as pilot:
            await settled(pilot)
            await press(pilot, *keys)
            picture = app.export_screenshot(title="queuectl-tui")
        queue.close()
    return picture


def main(arguments: Sequence[str]) -> int:
    drifted = []
    for name, keys in PICTURES:
        picture = asyncio.run(make(keys))
        path = FOLDER / f"{name}.svg"
        if not path.exists() or path.read_text() != picture:
            drifted.append(name)
        if "--check" not in arguments:
            path.write_text(picture)
    print(f"{'differ' if '--check' in arguments else 'changed'}: {', '.join(drifted) or 'none'}")
    return 1 if drifted and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
