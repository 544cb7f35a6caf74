"""Toasts, escaped, never read as markup."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.screen import Screen

from queuectl_tui.screens.confirm import Confirm, Question
from queuectl_tui.screens.job_actions import Voice
from queuectl_tui.text import escape


def say(screen: Screen[Any], sentence: str) -> None:
    """Tells what was done."""
    screen.app.notify(escape(sentence), timeout=3, markup=False)


def complain(screen: Screen[Any], sentence: str) -> None:
    """Tells what can't be done, or went wrong."""
    screen.app.notify(escape(sentence), severity="error", timeout=6, markup=False)


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
    )
