from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.stage import Backstage


@pytest.fixture
def backstage(tmp_path: Path) -> Iterator[Backstage]:
    made = Backstage(tmp_path)
    yield made
    made.close()
