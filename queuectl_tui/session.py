"""Which store a command works on."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from store.queue import Queue


class Session:
    """What the root of the command line knows: ``db`` is the address given with ``--db``."""

    def __init__(self) -> None:
        self.db: str | None = None

    @property
    def url(self) -> str:
        if self.db is not None:
            return self.db
        return os.environ.get("QUEUECTL_DB") or _default_path()

    @cached_property
    def queue(self) -> Queue:
        from store import open_store

        queue = open_store(self.url)
        click.get_current_context().find_root().call_on_close(queue.close)
        return queue


def current_session() -> Session:
    return click.get_current_context().ensure_object(Session)


def current_queue() -> Queue:
    """The store that this command line names, opened at the first call."""
    return current_session().queue


def _default_path() -> str:
    from platformdirs import user_data_dir

    return os.path.join(user_data_dir("queuectl-tui"), "queue.db")
