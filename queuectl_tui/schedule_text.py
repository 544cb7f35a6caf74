"""What a schedule says about itself, on the command line and in the app."""

from __future__ import annotations

import re

from queuectl_tui.text import duration
from store import Schedule


def when(schedule: Schedule) -> str:
    """``every 10m``, or the expression and its zone."""
    if schedule.every is not None:
        return f"every {_without_zeros(duration(schedule.every))}"
    return f"{schedule.cron} {schedule.tz}"


def _without_zeros(duration_text: str) -> str:
    """``10m`` for ``10m00s``."""
    return re.sub(r"(?<=[mhd])0+[smh]$", "", duration_text)
