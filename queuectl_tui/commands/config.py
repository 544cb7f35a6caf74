"""``config``: settings, which live in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import CommandGroup, json_option, yes_option
from queuectl_tui.confirm import ask_bulk
from queuectl_tui.output import print_json, print_json_array, print_wrapped_table, setting_to_json
from queuectl_tui.session import current_queue
from queuectl_tui.text import counted, escape
from store import InvalidInput
from store.late import Late

if TYPE_CHECKING:
    from store import settings as table
    from store.queue import Queue
else:
    table = Late("store.settings")  # it knows SQLite, which no help needs


@click.group("config", cls=CommandGroup, also={"show": "get"})
def command() -> None:
    """Settings: list, get, set or unset them."""


@command.command("list")
@json_option
def list_settings(as_json: bool) -> None:
    """List every setting with its value, its default where that is another, and its meaning."""
    _list(as_json)


def _list(as_json: bool) -> None:
    settings = current_queue().settings
    if as_json:
        values = settings.values()
        print_json_array(
            setting_to_json(setting, values[setting.name]) for setting, _ in settings.items()
        )
        return
    print_wrapped_table(
        ("KEY", "VALUE", "DEFAULT", "MEANING"),
        [
            (setting.name, text, "" if text == setting.default else setting.default, setting.help)
            for setting, text in settings.items()
        ],
    )


@command.command("get")
@click.argument("key", required=False)
@json_option
def get(key: str | None, as_json: bool) -> None:
    """Print a setting's value; without KEY list them all."""
    if key is None:
        _list(as_json)
        return
    settings, setting = current_queue().settings, _named(key)
    if as_json:
        print_json(setting_to_json(setting, settings.values()[setting.name]))
    else:
        streams.write(f"{escape(settings.get(key))}\n")


@command.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
@yes_option
def set_(key: str, value: str, yes: bool) -> None:
    """Change a setting, for every process that uses the store."""
    setting = _named(key)
    setting.check(value)
    queue = current_queue(create=True)
    _confirm_loss(queue, setting, value, yes=yes)
    queue.settings.set(setting.name, value)


@command.command("unset")
@click.argument("key")
@yes_option
def unset(key: str, yes: bool) -> None:
    """Give a setting its default again."""
    queue = current_queue()
    setting = _named(key)
    _confirm_loss(queue, setting, None, yes=yes)
    queue.settings.unset(setting.name)


def _named(key: str) -> table.Setting:
    """Raises ``InvalidInput``, which also knows what other queues call a setting."""
    try:
        return table.lookup(key)
    except InvalidInput:
        from queuectl_tui.hints import setting_meant

        if meant := setting_meant(key):
            raise InvalidInput(f"no such setting: {key[:60]!r}{meant}") from None
        raise


def _confirm_loss(queue: Queue, setting: table.Setting, value: str | None, *, yes: bool) -> None:
    """Ask where jobs or outputs that are kept so far would be deleted."""
    if yes or not setting.name.startswith("keep_"):
        return
    lost = queue.excess_with(setting.name, value)
    parts = (counted(lost.jobs, "job"), f"the output of {counted(lost.outputs, 'attempt')}")
    what = " and ".join(part for part, number in zip(parts, lost, strict=True) if number)
    if what:
        text = setting.default if value is None else value
        ask_bulk(f"{setting.name} {text} deletes {what}. Go on?", f"it deletes {what}", yes=yes)
