"""One family of errors; each message says what is wrong and what to do about it."""

from __future__ import annotations


class QueueError(Exception):
    """Refused or failed. The command line shows the message and exits 1."""

    exit_code = 1


class InvalidInput(QueueError):
    """The input itself is wrong; nothing was stored. The command line exits 2."""

    exit_code = 2


class NoSuchJob(QueueError):
    """No job has that id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no such job: {job_id}")


class IdInUse(QueueError):
    """A job with that id exists already."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"id in use: {job_id}; delete that job first, or choose another id")


class KeyInUse(QueueError):
    """An unfinished job has the same ``unique_key``."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(f"unique_key {key!r} is held by unfinished job {job_id}")


class WrongState(QueueError):
    """The job's state doesn't allow what was asked."""


class StoreBusy(QueueError):
    """Another process held the store for too long. Nothing was changed; try again."""


class StoreFull(QueueError):
    """No room on the disk. Nothing was changed."""


class StoreUnusable(QueueError):
    """The store can't or must not be opened: foreign, newer, corrupt, unreadable, not ours."""


class NoStore(StoreUnusable):
    """There is no store; only what stores something makes one."""

    def __init__(self, path: object, why: str | None = None) -> None:
        found = f"no store at {path}" if why is None else f"no store at {path}: {why}"
        super().__init__(f"{found}; enqueue makes one")


class StoreDamaged(StoreUnusable):
    """What the store holds can't be: pages or values are damaged."""


class StoreBehind(StoreDamaged):
    """The store is older than what was known to be on disk. ``doctor --accept`` goes on with it."""


class Interrupted(QueueError):
    """A reading was given up, as somebody asked for."""


class LeaseLost(QueueError):
    """The attempt was ended by somebody else; its result is not recorded."""
