"""Each test gets a store of its own, and leaves no process behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workers.rig import Rig


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("rig"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One store with one worker that the tests of a file share: for jobs that disturb nobody."""
    made = Rig(tmp_path_factory.mktemp("house"))
    made.start(1)
    yield made
    made.close()
