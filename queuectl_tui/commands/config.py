"""``config``: settings, which live in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import json_option
from queuectl_tui.output import print_json, print_json_array, print_table
from queuectl_tui.session import current_queue
from queuectl_tui.text import escape

if TYPE_CHECKING:
    from store.settings import Setting


@click.group("config")
def command() -> None:
    """Settings: list, get, set or unset them."""


@command.command("list")
@json_option
def list_settings(as_json: bool) -> None:
    """List every setting with its default, value and meaning."""
    settings = current_queue().settings.items()
    if as_json:
        print_json_array(_to_json(setting, value) for setting, value in settings)
        return
    print_table(
        ("KEY", "DEFAULT", "VALUE", "MEANING"),
        [(setting.name, setting.default, value, setting.help) for setting, value in settings],
    )


@command.command("get")
@click.argument("key")
@json_option
def get(key: str, as_json: bool) -> None:
    """Print a setting's value."""
    from store.settings import lookup

    settings = current_queue().settings
    if as_json:
        print_json(_to_json(lookup(key), settings.get(key)))
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


def _to_json(setting: Setting, value: str) -> dict[str, str]:
    return {
        "key": setting.name,
        "value": value,
        "default": setting.default,
        "meaning": setting.help,
    }
