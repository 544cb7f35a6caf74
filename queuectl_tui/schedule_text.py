"""What a schedule says about itself, on the command line and in the app."""

from __future__ import annotations

from queuectl_tui.text import duration
from store import NewJob, Schedule


def when(schedule: Schedule) -> str:
    """``every 10m``, or the expression and its zone."""
    if schedule.every is not None:
        return f"every {duration(schedule.every)}"
    return f"{schedule.cron} {schedule.tz}"


def command_line(job: NewJob) -> str:
    """The command, an argument vector quoted as a shell would need it."""
    if job.command is not None:
        return job.command
    import shlex

    return shlex.join(job.argv or ())
