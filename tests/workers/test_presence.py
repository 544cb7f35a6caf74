"""Whether a store is still at its path, by looks at a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import QueueError, open_store
from store.queue import Queue
from workers.presence import StoreWatch, require_file


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    opened = open_store(str(tmp_path / "store" / "queue.db"))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def looks(watch: StoreWatch, clock: Clock, *at: float) -> str | None:
    for now in at:
        clock.now = now
        watch.look()
    return watch.gone


def test_a_store_that_stays_away_for_five_seconds_is_gone(queue: Queue, clock: Clock) -> None:
    watch = StoreWatch(queue, clock=clock)
    assert looks(watch, clock, 0, 10) is None
    assert not watch.is_away

    queue.path.unlink()
    assert looks(watch, clock, 11, 15.9) is None
    assert watch.is_away
    assert looks(watch, clock, 16) == "removed"


def test_a_store_that_comes_back_was_never_gone(queue: Queue, clock: Clock) -> None:
    watch = StoreWatch(queue, clock=clock)
    aside = queue.path.with_name("aside")
    queue.path.rename(aside)
    assert looks(watch, clock, 0, 4) is None
    aside.rename(queue.path)
    assert looks(watch, clock, 4.5) is None
    queue.path.rename(aside)
    assert looks(watch, clock, 5, 9.9) is None
    queue.path.write_bytes(b"")
    assert looks(watch, clock, 10) == "replaced"


def test_a_path_that_cannot_be_looked_at_tells_nothing(queue: Queue, clock: Clock) -> None:
    watch = StoreWatch(queue, clock=clock)
    folder = queue.path.parent
    folder.rename(folder.with_name("aside"))
    folder.write_text("no folder")
    assert looks(watch, clock, 0, 10, 20) is None
    folder.unlink()
    folder.symlink_to(folder)
    assert looks(watch, clock, 30, 40) is None
    assert not watch.is_away
    folder.unlink()
    assert looks(watch, clock, 50, 60) == "removed"


def test_only_the_file_itself_is_taken_for_it(queue: Queue) -> None:
    require_file(queue.url, queue.file)
    copy = queue.path.with_name("copy")
    copy.write_bytes(queue.path.read_bytes())
    copy.rename(queue.path)

    with pytest.raises(QueueError, match=r"the store at .*/queue\.db was replaced"):
        require_file(queue.url, queue.file)
