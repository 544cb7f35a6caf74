"""Which store a command works on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from store.queue import Queue


class Session:
    """What the root of the command line knows: ``db`` is the address given with ``--db``."""

    def __init__(self) -> None:
        self.db: str | None = None
        self._queue: Queue | None = None

    @property
    def url(self) -> str:
        if self.db is not None:
            return self.db
        return os.environ.get("QUEUECTL_DB") or _default_path()

    def open(self, *, create: bool) -> Queue:
        """The store, opened at the first call. Raises ``NoStore`` unless ``create`` makes it."""
        from store import open_store

        if self._queue is not None:
            return self._queue
        return self._keep(open_store(self.url, create=create))

    def open_to_try(self) -> Queue:
        """The store, or where there is none an empty one that is gone when the command ends."""
        from store import NoStore, open_store

        try:
            return self.open(create=False)
        except NoStore:
            from tempfile import TemporaryDirectory

            folder = _root().with_resource(TemporaryDirectory(prefix="queuectl-tui-"))
            return self._keep(open_store(os.path.join(folder, "queue.db"), durable=False))

    def _keep(self, queue: Queue) -> Queue:
        self._queue = queue
        _root().call_on_close(queue.close)
        return queue


def current_session() -> Session:
    return click.get_current_context().ensure_object(Session)


def current_queue(*, create: bool = False, dry_run: bool = False) -> Queue:
    """The store that this command line names, opened at the first call.

    What stores something makes it where there is none (``create``), a ``dry_run`` of that tries
    it on an empty one; else ``NoStore`` is raised.
    """
    session = current_session()
    return session.open_to_try() if dry_run else session.open(create=create)


def _root() -> click.Context:
    return click.get_current_context().find_root()


def _default_path() -> str:
    from platformdirs import user_data_dir

    return os.path.join(user_data_dir("queuectl-tui"), "queue.db")
