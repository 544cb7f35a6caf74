"""The persistent store: ``open_store`` and the values that cross its border.

Nothing else is public. Importing this package loads neither peewee nor SQLite.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from store.errors import (
    IdInUse,
    Interrupted,
    InvalidInput,
    KeyInUse,
    LeaseLost,
    NoSuchJob,
    QueueError,
    StoreBusy,
    StoreFull,
    StoreUnusable,
    WrongState,
)
from store.jobs import (
    DEFAULT_POOL,
    DEFAULT_QUEUE,
    FINISHED,
    SORT_COLUMNS,
    Attempt,
    AttemptState,
    ErrorGroup,
    Job,
    JobFilter,
    JobState,
    Lease,
    NewJob,
    OnDependencyFailure,
    Order,
    Orders,
    Outcome,
    Outlook,
    Output,
    Overlap,
    ProcessIdentity,
    QueueDepth,
    QueueInfo,
    Schedule,
    Snapshot,
    Status,
    Stream,
    Window,
    Worker,
    WorkerKind,
    WorkerState,
)

__all__ = [
    "DEFAULT_POOL",
    "DEFAULT_QUEUE",
    "FINISHED",
    "SORT_COLUMNS",
    "Attempt",
    "AttemptState",
    "ErrorGroup",
    "IdInUse",
    "Interrupted",
    "InvalidInput",
    "Job",
    "JobFilter",
    "JobState",
    "KeyInUse",
    "Lease",
    "LeaseLost",
    "NewJob",
    "NoSuchJob",
    "OnDependencyFailure",
    "Order",
    "Orders",
    "Outcome",
    "Outlook",
    "Output",
    "Overlap",
    "ProcessIdentity",
    "QueueDepth",
    "QueueError",
    "QueueInfo",
    "Schedule",
    "Snapshot",
    "Status",
    "StoreBusy",
    "StoreFull",
    "StoreUnusable",
    "Stream",
    "Window",
    "Worker",
    "WorkerKind",
    "WorkerState",
    "WrongState",
    "open_store",
    "system_clock",
]

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from store.queue import Queue


def open_store(
    url: str,
    *,
    create: bool = True,
    durable: bool = True,
    patience: float = 10.0,
    check: bool = False,
    clock: Callable[[], int] | None = None,
    random: Random | None = None,
) -> Queue:
    """Open the store at ``url``: a path, or ``sqlite:///path``.

    ``create`` makes it when it isn't there. ``durable`` commits wait for the disk; workers, whose
    lost bookkeeping only repeats work, go without. A writer waits ``patience`` seconds for others.
    ``check`` looks at every page first. ``clock`` gives UTC milliseconds. Raises
    ``StoreUnusable``, ``StoreFull`` or ``StoreBusy``; a file that isn't a store is never touched.
    """
    from store.database import Database, check_integrity, parse_url
    from store.queue import Queue

    path = parse_url(url)
    if check and path.exists():
        check_integrity(path)
    database = Database(path, create=create, durable=durable, patience=patience)
    return Queue(database, clock=clock or system_clock, random=random)


def system_clock() -> int:
    """UTC milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
