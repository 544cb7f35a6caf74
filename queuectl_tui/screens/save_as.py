"""Asking where to save something; what is there already is replaced only after a question."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from queuectl_tui.memory import Memory
from queuectl_tui.screens.confirm import Confirm, Question
from queuectl_tui.screens.form import Form
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput


@dataclass(frozen=True, slots=True)
class Target:
    path: Path
    overwrite: bool = False


class SaveAs(Form[Target]):
    """``check`` raises ``InvalidInput`` for a path that can't be meant."""

    def __init__(
        self, memory: Memory, title: str, *, name: str, hint: str, check: Callable[[Path], object]
    ) -> None:
        super().__init__(memory)
        self.title_text = title  # type: ignore[misc]
        self._suggested = name
        self._hint = hint
        self._check = check

    def fields(self) -> Iterable[FormField]:
        yield FormField("path", "File", hint=self._hint, check=self._checked, value=self._suggested)

    async def submit(self, values: dict[str, str]) -> Target:
        if "path" not in values:
            raise InvalidInput("File: a path is needed")
        path = self._checked(values["path"])
        if not os.path.lexists(path):
            return Target(path)
        question = Question(
            title=f"Replace {path.name}?",
            keep="Keep the file",
            act="Replace it",
            note=f"{path} is there already.",
        )
        if not await self.app.push_screen_wait(Confirm(question)):
            raise InvalidInput(f"{path} is there already: choose another name")
        return Target(path, overwrite=True)

    def _checked(self, text: str) -> Path:
        path = _absolute(text)
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder")
        if not path.parent.is_dir():
            raise InvalidInput(f"there is no folder {path.parent}")
        self._check(path)
        return path


def _absolute(text: str) -> Path:
    try:
        return Path.cwd() / Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidInput(str(error)) from None
