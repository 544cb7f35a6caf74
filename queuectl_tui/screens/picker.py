"""A list in front of a screen, to choose from."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen
from textual.widgets import OptionList

Choice = TypeVar("Choice")


class Picker(ModalScreen[Choice | None]):
    """Dismissed with None when left."""

    AUTO_FOCUS = "OptionList"

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_step(self, step: int) -> None:
        options = self.query_one(OptionList)
        (options.action_cursor_down if step > 0 else options.action_cursor_up)()
