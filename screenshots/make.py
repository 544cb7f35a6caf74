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
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

os.environ.update(TZ="UTC", TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor")
os.environ.pop("NO_COLOR", None)
time.tzset()
socket.gethostname = lambda: "web-1"
sys.path.insert(0, str(Path(__file__).parents[1]))

from textual.pilot import Pilot  # noqa: E402 - Textual reads its variables when it is imported

from queuectl_tui.app import QueueApp  # noqa: E402
from screenshots.camera import film, photograph, still  # noqa: E402
from screenshots.scene import Clock, seed  # noqa: E402
from screenshots.tour import SIZE as TOUR_SIZE  # noqa: E402
from screenshots.tour import tour  # noqa: E402
from store import open_store  # noqa: E402
from store.queue import Queue  # noqa: E402

FOLDER = Path(__file__).parent
SIZE = (120, 36)
PICTURES = {
    "jobs": ("j", "j", "space", "j", "j", "j", "j"),
    "dlq": ("D",),
    "errors": ("D", "E"),
    "workers": ("W",),
    "queues": ("Q",),
    "schedules": ("T",),
    "job": ("slash", *"backup", "enter", "enter"),
    "chain": ("slash", *"monthly", "enter", "enter", "4"),
    "add": ("a", *"make test"),
    "help": ("question_mark",),
}
"""The keys that lead to each."""

Opened = tuple[Pilot[None], Queue, Clock]


@asynccontextmanager
async def opened(size: tuple[int, int]) -> AsyncIterator[Opened]:
    """An app over a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        queue = open_store(f"{folder}/queue.db", durable=False, clock=clock, random=Random(1))
        seed(queue, clock)
        async with QueueApp(queue).run_test(size=size, notifications=True) as pilot:
            await still(pilot)
            yield pilot, queue, clock
        queue.close()


async def picture(keys: Sequence[str]) -> str:
    async with opened(SIZE) as (pilot, _, _):
        for key in keys:
            await pilot.press(key)
            await still(pilot)
        return photograph(pilot.app).svg()


async def moving_picture() -> str:
    async with opened(TOUR_SIZE) as (pilot, queue, clock):
        return film(*await tour(pilot, queue, clock))


def pictures() -> Iterator[tuple[str, str]]:
    for name, keys in PICTURES.items():
        yield name, asyncio.run(picture(keys))
    yield "tour", asyncio.run(moving_picture())


def main(arguments: Sequence[str]) -> int:
    checks, drifted = "--check" in arguments, []
    for name, svg in pictures():
        path = FOLDER / f"{name}.svg"
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            drifted.append(name)
            if not checks:
                path.write_text(svg, encoding="utf-8")
    print(f"{'differ' if checks else 'changed'}: {', '.join(drifted) or 'none'}")
    return 1 if drifted and checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
