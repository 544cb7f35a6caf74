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
    NoStore,
    NoSuchJob,
    QueueError,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    StoreUnusable,
    WrongState,
)
from store.jobs import (
    DEFAULT_POOL,
    DEFAULT_QUEUE,
    EDITABLE,
    FINISHED,
    HOLDABLE,
    RETRYABLE,
    RUNNING,
    SORT_COLUMNS,
    UNFINISHED,
    Asked,
    Attempt,
    AttemptState,
    ErrorGroup,
    Job,
    JobFilter,
    JobState,
    Lease,
    Leftover,
    NewJob,
    NotRetried,
    OnDependencyFailure,
    Order,
    Orders,
    Outcome,
    Outlook,
    Output,
    Overlap,
    Pause,
    PauseProgress,
    ProcessIdentity,
    QueueDepth,
    QueueInfo,
    Rate,
    Retried,
    Schedule,
    Snapshot,
    Status,
    Stream,
    Term,
    Window,
    Worker,
    WorkerKind,
    WorkerState,
)

__all__ = [
    "DEFAULT_POOL",
    "DEFAULT_QUEUE",
    "EDITABLE",
    "FINISHED",
    "HOLDABLE",
    "RETRYABLE",
    "RUNNING",
    "SORT_COLUMNS",
    "UNFINISHED",
    "Asked",
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
    "Leftover",
    "NewJob",
    "NoStore",
    "NoSuchJob",
    "NotRetried",
    "OnDependencyFailure",
    "Order",
    "Orders",
    "Outcome",
    "Outlook",
    "Output",
    "Overlap",
    "Pause",
    "PauseProgress",
    "ProcessIdentity",
    "QueueDepth",
    "QueueError",
    "QueueInfo",
    "Rate",
    "Retried",
    "Schedule",
    "Snapshot",
    "Status",
    "StoreBusy",
    "StoreDamaged",
    "StoreFull",
    "StoreUnusable",
    "Stream",
    "Term",
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

    ``create`` makes it when it isn't there; else ``NoStore`` is raised. ``durable`` commits wait
    for the disk; workers, whose lost bookkeeping only repeats work, go without. A writer waits
    ``patience`` seconds for others. ``check`` looks at every page first. ``clock`` gives UTC
    milliseconds. Raises ``StoreUnusable``, ``StoreFull`` or ``StoreBusy``; a file that isn't a
    store is never touched.
    """
    from store.database import Database, parse_url
    from store.queue import Queue

    database = Database(
        parse_url(url), create=create, durable=durable, patience=patience, check=check
    )
    return Queue(database, clock=clock or system_clock, random=random)


def system_clock() -> int:
    """UTC milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
