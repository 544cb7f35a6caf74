"""``config``: settings, which live in the store."""

from __future__ import annotations

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import json_option
from queuectl_tui.output import print_json, print_json_array, print_wrapped_table, setting_to_json
from queuectl_tui.session import current_queue
from queuectl_tui.text import escape


@click.group("config")
def command() -> None:
    """Settings: list, get, set or unset them."""


@command.command("list")
@json_option
def list_settings(as_json: bool) -> None:
    """List every setting with its value, its default where that is another, and its meaning."""
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
@click.argument("key")
@json_option
def get(key: str, as_json: bool) -> None:
    """Print a setting's value."""
    from store.settings import lookup

    settings = current_queue().settings
    if as_json:
        setting = lookup(key)
        print_json(setting_to_json(setting, settings.values()[setting.name]))
    else:
        streams.write(f"{escape(settings.get(key))}\n")


@command.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Change a setting, for every process that uses the store."""
    current_queue().settings.set(key, value)


@command.command("unset")
@click.argument("key")
def unset(key: str) -> None:
    """Give a setting its default again."""
    current_queue().settings.unset(key)
