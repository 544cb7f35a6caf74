from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from store import open_store
from store.queue import Queue

START = 1_800_000_000_000


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    opened = open_store(str(tmp_path / "queue.db"), clock=clock, random=Random(7))
    yield opened
    opened.close()
