"""The README's table of a job's fields has them all."""

from __future__ import annotations

import re
from pathlib import Path

from store.fields import FIELDS

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_fields_is_complete() -> None:
    section = README.read_text().partition("## Jobs\n")[2].partition("\n## ")[0]
    table = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    named = set(re.findall(r"`(\w+)`", " ".join(table)))
    assert set(FIELDS) <= named
