"""An interrupt may strike at any instruction: nothing is kept, and nothing stays open."""

from __future__ import annotations

import pytest

from store import Interrupted, NewJob
from store.queue import Queue

from .breakage import BreakableClock, Breakage, broken

INSTRUCTIONS = range(60)


@pytest.mark.parametrize("after", INSTRUCTIONS)
def test_an_interrupted_change_leaves_no_transaction_open(queue: Queue, after: int) -> None:
    with (
        broken(queue, BreakableClock(), Breakage.INTERRUPT, after),
        pytest.raises(Interrupted),
    ):
        queue.enqueue([NewJob(command="true")] * 50)
    assert not queue._database.connection().in_transaction
    assert queue.count() == 0
