"""Copying where the clipboard may be out of reach: the text is shown, and can be saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from queuectl_tui.memory import Memory
from queuectl_tui.output import job_to_json
from queuectl_tui.private_file import write_new, write_over
from queuectl_tui.screens.picker import Picker
from queuectl_tui.screens.save_as import SaveAs
from queuectl_tui.screens.talk import complain, copy, say
from queuectl_tui.text import escape_lines
from store import Job


@dataclass(frozen=True, slots=True)
class Copyable:
    """``name`` says what ``text`` is: "its command"."""

    name: str
    text: str


class CopyText(Picker[None]):
    """Offers several texts; shows the one that the cursor is on in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "leave", "leave", id="copy.leave", tooltip="Leave"),
        Binding("j", "step(1)", "down", id="copy.down", tooltip="The next text"),
        Binding("k", "step(-1)", "up", id="copy.up", tooltip="The text above"),
        Binding("y", "copy", "copy", id="copy.copy", tooltip="Copy what is shown"),
        Binding("s", "save", "save", id="copy.save", tooltip="Save what is shown to a file"),
    ]

    def __init__(self, memory: Memory, offered: Sequence[Copyable]) -> None:
        super().__init__()
        self._memory = memory
        self._offered = offered

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content("Copy"), classes="dialog-title")
            yield OptionList(*(Option(Content(each.name)) for each in self._offered))
            with VerticalScroll(classes="copy-text", can_focus=False):
                yield Static(id="copy-shown")
            yield Static(Content("⏎ or y copies · s saves to a file · esc leaves"),
                         classes="dialog-keys")  # fmt: skip

    @property
    def _chosen(self) -> Copyable:
        return self._offered[self.query_one(OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        self.query_one("#copy-shown", Static).update(Content(escape_lines(self._chosen.text)))

    @on(OptionList.OptionSelected)
    def action_copy(self) -> None:
        copy(self, self._chosen.text, self._chosen.name)

    @work
    async def action_save(self) -> None:
        chosen = self._chosen
        form = SaveAs(
            self._memory,
            f"Save {chosen.name}",
            name="copied.txt",
            hint="Only you may read it",
            check=lambda path: path,
        )
        target = await self.app.push_screen_wait(form)
        if target is None:
            return
        write = write_over if target.overwrite else write_new
        try:
            write(target.path, [chosen.text.encode("utf-8", "surrogateescape")])
        except OSError as error:
            complain(self, f"{target.path}: {error.strerror}")
        else:
            say(self, f"Saved {target.path}")


def copyables(job: Job, marked: Sequence[str]) -> list[Copyable]:
    """What one may want to copy of a job."""
    offered = [Copyable("its id", job.id), Copyable("its command", job.line)]
    if job.last_error:
        offered.append(Copyable("its last error", job.last_error))
    offered.append(Copyable("its folder", job.cwd))
    if marked:
        offered.append(Copyable(f"the {len(marked):,} marked ids", "\n".join(marked)))
    fields = json.dumps(job_to_json(job), indent=2, ensure_ascii=False)
    offered.append(Copyable("all its fields, as JSON", fields))
    return offered
