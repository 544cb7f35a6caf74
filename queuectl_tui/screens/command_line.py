"""The line that ``:`` opens at the bottom: actions by name, with completion and history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from queuectl_tui.command_words import Command, completions, explain, interpret
from queuectl_tui.memory import Memory, Recall
from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit
from store import InvalidInput

_HISTORY = ":"


class CommandLine(ModalScreen[Callable[[], None] | None]):
    """Dismissed with what is to be done."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="command.leave", tooltip="Leave, nothing is done"),
        Binding("tab", "complete(1)", "complete", key_display="⇥", id="command.complete",
                tooltip="Complete; again: the next that fits"),
        Binding("shift+tab", "complete(-1)", "back", key_display="⇧⇥", id="command.complete_back",
                tooltip="The completion before"),
        Binding("up", "recall(-1)", "earlier", id="command.earlier",
                tooltip="The command line before"),
        Binding("down", "recall(1)", "later", id="command.later", tooltip="The line after"),
    ]  # fmt: skip

    def __init__(self, memory: Memory, commands: Mapping[str, Command]) -> None:
        super().__init__()
        self._memory = memory
        self._commands = commands
        self._recall = Recall(memory.typed(_HISTORY))
        self._offered: list[str] = []
        self._chosen = -1

    def compose(self) -> ComposeResult:
        with Vertical(classes="command-line"):
            yield OneLine(classes="command-note")
            with Horizontal(classes="command-typed"):
                yield OneLine(classes="command-sign")
                box = Input(compact=True, select_on_focus=False)
                box.cursor_blink = False
                yield box

    def on_mount(self) -> None:
        self.query_one(".command-sign", OneLine).show([Piece(":", "bold $accent")])
        self._offer()

    @property
    def _box(self) -> Input:
        return self.query_one(Input)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if 0 <= self._chosen < len(self._offered) and event.value == self._offered[self._chosen]:
            self._show_offered()
        else:
            self._offer()

    def _offer(self) -> None:
        self._offered = completions(self._box.value, self._commands)
        self._chosen = -1
        self._show_offered()

    def _show_offered(self) -> None:
        meaning = explain(self._box.value, self._commands)
        if meaning and len(self._offered) <= 1:
            self._note([Piece(meaning, "dim")])
            return
        first = max(0, self._chosen)
        parts = [
            Part(
                -place, (Piece(_last_word(line), "bold $accent" if place == self._chosen else ""),)
            )
            for place, line in enumerate(self._offered)
            if place >= first
        ]
        self._note(fit(parts, self.size.width - 2, gap="  "))

    def _note(self, pieces: list[Piece]) -> None:
        self.query_one(".command-note", OneLine).show(pieces)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        try:
            act = interpret(event.value, self._commands)
        except InvalidInput as error:
            self._note([Piece(str(error), "bold $error")])
            return
        self._memory.add_typed(_HISTORY, event.value.strip())
        self.dismiss(act)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_complete(self, step: int) -> None:
        if not self._offered:
            return
        alone = len(self._offered) == 1
        self._chosen = (self._chosen + step) % len(self._offered)
        line = self._offered[self._chosen]
        self._put(f"{line} " if alone and self._takes_more(line) else line)

    def action_recall(self, steps: int) -> None:
        self._put(self._recall.step(self._box.value, steps))

    def _takes_more(self, line: str) -> bool:
        command = self._commands.get(line)
        return command is not None and bool(command.usage)

    def _put(self, line: str) -> None:
        self._box.value = line
        self._box.cursor_position = len(line)


def _last_word(line: str) -> str:
    return line.rpartition(" ")[2]
