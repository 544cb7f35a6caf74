"""Toasts, escaped, never read as markup."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from textual.app import App
from textual.screen import Screen

from queuectl_tui.clipboard import load_tmux_buffer
from queuectl_tui.screens.confirm import Confirm, Question
from queuectl_tui.screens.job_actions import Voice
from queuectl_tui.screens.working import working
from queuectl_tui.text import escape


def say(screen: Screen[Any], sentence: str) -> None:
    """Tells what was done."""
    screen.app.notify(escape(sentence), timeout=3, markup=False)


def complain(screen: Screen[Any], sentence: str) -> None:
    """Tells what can't be done, or went wrong."""
    screen.app.notify(escape(sentence), severity="error", timeout=6, markup=False)


def copy(screen: Screen[Any], text: str, what: str) -> None:
    """Puts ``text`` on the clipboard of the terminal, and tells which way it went there."""
    screen.run_worker(_copy(screen, text, what))


async def _copy(screen: Screen[Any], text: str, what: str) -> None:
    if "TMUX" in os.environ and await asyncio.to_thread(load_tmux_buffer, text):
        say(screen, f"Copied {what} into tmux's buffer, which its terminal may take over")
    else:
        screen.app.copy_to_clipboard(text)
        say(screen, f"Sent {what} to your terminal to copy (OSC 52); if it didn't, c shows it")


def _app(screen: Screen[Any]) -> App[Any]:
    return screen.app


def voice_of(screen: Screen[Any]) -> Voice:
    """How actions started on ``screen`` ask and tell."""

    async def ask(question: Question) -> bool:
        return await _app(screen).push_screen_wait(Confirm(question))

    return Voice(
        ask=ask,
        say=lambda sentence: say(screen, sentence),
        complain=lambda sentence: complain(screen, sentence),
        working=lambda progress: working(_app(screen), progress),
        later=lambda work: _app(screen).run_worker(work),
    )
