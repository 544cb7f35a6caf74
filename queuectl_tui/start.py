"""Opening the app: what was wished for is read and checked before the screen is taken."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click
from platformdirs import user_config_dir, user_state_dir

from queuectl_tui import ascii_glyphs
from queuectl_tui.config import read_config
from queuectl_tui.memory import Memory
from queuectl_tui.themes import THEMES
from store.fielderrors import did_you_mean

if TYPE_CHECKING:
    from store.queue import Queue


def open_app(
    queue: Queue,
    *,
    read_only: bool = False,
    remote: bool | None = None,
    mouse: bool = True,
    theme: str | None = None,
) -> int:
    """Runs the app; its exit code. ``remote`` None: so it is under SSH."""
    if theme is not None and theme not in THEMES:
        hint = did_you_mean(theme, THEMES) or f"; there are {', '.join(THEMES)}"
        raise click.UsageError(f"no such theme: {theme}{hint}")
    from queuectl_tui.app import QueueApp, known

    app = QueueApp(
        queue,
        read_only=read_only,
        remote=_is_remote() if remote is None else remote,
        memory=Memory(Path(user_state_dir("queuectl-tui")) / "app.json"),
        config=read_config(Path(user_config_dir("queuectl-tui")) / "config.toml", known()),
        theme=theme,
    )
    if isinstance(sys.__stderr__, TextIOWrapper):  # what the app is painted on
        ascii_glyphs.install()
        sys.__stderr__.reconfigure(errors=ascii_glyphs.ERRORS)
    app.run(mouse=mouse)
    return app.return_code or 0


def _is_remote() -> bool:
    return bool(os.environ.get("SSH_CONNECTION"))
