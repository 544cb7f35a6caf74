"""Every key, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from queuectl_tui.widgets.key_hints import key_name

_WIDE = 120
_SCOPES = {
    "app": "Everywhere",
    "live": "Refreshing, leaving",
    "jobs": "Jobs and dead letter queue",
    "dead": "Dead letter queue",
    "groups": "Dead letter queue by error",
    "workers": "Workers",
    "queues": "Queues",
    "schedules": "Schedules",
    "marks": "Marking queues and schedules",
    "job": "A job",
    "table": "Moving in a table",
    "log": "Moving in a log",
    "filter": "Filter line",
    "command": "Command line",
    "form": "Forms",
    "copy": "Copying",
    "confirm": "Questions",
    "sort": "Sort picker",
    "help": "This help",
}


class Help(ModalScreen[None]):
    """``bindings`` are listed under the scope that their ids begin with."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "leave", "back", id="help.back", tooltip="Close"),
        Binding("j", "scroll(1)", "down", id="help.down", tooltip="Further down"),
        Binding("k", "scroll(-1)", "up", id="help.up", tooltip="Further up"),
    ]

    def __init__(self, bindings: Iterable[Binding]) -> None:
        super().__init__()
        self._listed = list(bindings)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog help"):
            yield Static(Content("Keys"), classes="dialog-title")
            with VerticalScroll():
                lines = _lines(self._listed, named=self.app.size.width >= _WIDE)
                yield Static(Content("\n").join(lines), id="help-keys")
            yield Static(Content("esc closes · j k scroll"), classes="dialog-keys")

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=3 * step, animate=False)


def _lines(bindings: Sequence[Binding], *, named: bool) -> list[Content]:
    by_id: dict[str, list[Binding]] = {}
    for binding in bindings:
        by_id.setdefault(binding.id or binding.action, []).append(binding)
    lines: list[Content] = []
    for scope, heading in _SCOPES.items():
        group = [each for name, each in by_id.items() if name.split(".")[0] == scope]
        if group:
            lines += [Content(""), Content.styled(heading, "bold $primary")]
            lines += [_line(each, named=named) for each in group]
    return lines[1:]


def _line(bindings: Sequence[Binding], *, named: bool) -> Content:
    """``named``: with what a config file calls it."""
    keys = " ".join(dict.fromkeys(key_name(binding) for binding in bindings))
    meaning = bindings[0].tooltip or bindings[0].description
    if not named:
        return Content.assemble((f"  {keys:<14} ", "bold $accent"), meaning)
    return Content.assemble(
        (f"  {keys:<14} ", "bold $accent"), f"{meaning:<64} ", (bindings[0].id or "", "dim")
    )
