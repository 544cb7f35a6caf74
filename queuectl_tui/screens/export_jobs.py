"""Saving what is listed as CSV or JSON, while the app goes on."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from queuectl_tui.export import Listed, Stopped, ending, export_jobs
from queuectl_tui.screens.save_as import SaveAs
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.screens.talk import complain, say
from store import QueueError

_WORTH_A_WORD = 20_000


async def export(screen: Screen[Any], session: Session, listed: Listed, total: int) -> None:
    """Asks for a file and writes the jobs listed to it; tells ``screen`` what came of it."""
    form = SaveAs(
        session.memory,
        f"Save {total:,} jobs as CSV or JSON",
        name="jobs.csv",
        hint="Ends in .csv, .json or .jsonl; only you may read it",
        check=ending,
    )
    target = await screen.app.push_screen_wait(form)
    if target is None:
        return
    if total > _WORTH_A_WORD:
        say(screen, f"Writing {total:,} jobs …")
    try:
        number = await session.call(
            Lane.FILES,
            lambda queue: export_jobs(
                queue,
                listed,
                target.path,
                overwrite=target.overwrite,
                go_on=lambda: not session.closed,
            ),
        )
    except Stopped:
        return
    except QueueError as error:
        complain(screen, str(error))
    except OSError as error:
        complain(screen, f"{target.path}: {error.strerror or error}")
    else:
        say(screen, f"Wrote {number:,} jobs to {target.path}")
