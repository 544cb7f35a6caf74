"""Saving the whole of an output to a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from queuectl_tui.saved_output import SavedOutput
from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput, Stream

_SLICE = 0.05


class SaveOutput(Form[Path]):
    """Dismissed with the file that was written. Leaving it meanwhile leaves no half a file."""

    title_text: ClassVar[str] = "Save the whole output"

    def __init__(self, session: Session, job_id: str, number: int, stream: Stream) -> None:
        super().__init__(session.memory)
        self._session = session
        self._job_id = job_id
        self._number = number
        self._stream = stream

    def fields(self) -> Iterable[FormField]:
        proposed = f"{self._job_id}.{self._number}.{self._stream.value}.log"
        yield FormField(
            "path", "File", hint="A new file; only you may read it", check=_path, value=proposed
        )

    async def submit(self, values: dict[str, str]) -> Path:
        path = _path(values.get("path", ""))
        saving = await self._session.call(
            Lane.DETAILS,
            lambda queue: SavedOutput(queue.output(self._job_id, self._number, self._stream), path),
        )
        try:
            while await self._session.call(Lane.DETAILS, lambda _: saving.advance(_SLICE)):
                self._note(f"Saved {100 * saving.saved // max(1, saving.total)}%")
        except BaseException:
            saving.abandon()
            raise
        saving.close()
        return path


def _path(text: str) -> Path:
    if not text:
        raise InvalidInput("needs the name of a file")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidInput(str(error)) from None
    if os.path.lexists(path):
        raise InvalidInput(f"{text} exists: nothing is overwritten")
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}")
    return path
