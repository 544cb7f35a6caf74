"""Faults planted into the processes under test, by environment variables.

Put this folder on ``PYTHONPATH``; every Python process then looks here as it starts. Nothing of
it is in the program itself.

``SABOTAGE_DIE``     die by SIGKILL at this step, once (the file ``SABOTAGE_ONCE`` says so)
``SABOTAGE_LATE``    a file that workers wait for before they do anything
``SABOTAGE_SPAWN``   while this file exists, the machine has no process left for a command
``SABOTAGE_CLOCK``   a file with the milliseconds to add to the store's clock
``SABOTAGE_BUSY``    a method of the queue that finds the store locked, once (``SABOTAGE_ONCE``)
``SABOTAGE_HIDING``  a file that lists processes which don't let anybody look at them
``SABOTAGE_IO``      a file with what fails while it is there, a line each: the name of a function
                     of ``os``, a part of the path that it is given, an error
``SABOTAGE_MUTE``    once a batch is stored, nothing can be read any more
``SABOTAGE_SURE``    the seconds after which a store that is away is gone, and a worker silent
``SABOTAGE_PLANT``   a bug: what the chaos run must find
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_SABOTAGED = (
    *("open", "write", "pwrite", "pread", "fstat", "stat", "fsync", "ftruncate", "utime"),
    *("rename", "unlink", "listdir", "mkfifo"),
)


def is_first() -> bool:
    with suppress(FileExistsError):
        os.close(os.open(os.environ["SABOTAGE_ONCE"], os.O_CREAT | os.O_EXCL))
        return True
    return False


def die_once() -> None:
    if is_first():
        os.kill(os.getpid(), signal.SIGKILL)


def plant_death(step: str) -> None:
    from store.queue import Queue
    from store.registry import Registry
    from workers.adopted import Adopted
    from workers.journal import Journal
    from workers.runner import Execution
    from workers.supervisor import Supervisor

    owner, name, when = {
        "claimed": (Queue, "claim", "after"),
        "starting": (Execution, "start", "before"),
        "spawned": (Journal, "started", "before"),
        "running": (Journal, "started", "after"),
        "ended": (Journal, "ended", "before"),
        "noted": (Execution, "reaped", "before"),
        "recording": (Queue, "finish", "before"),
        "recorded": (Queue, "finish", "after"),
        "registering": (Registry, "register", "after"),
        "enlisting": (Supervisor, "_start_worker", "before"),
        "identifying": (Registry, "identify", "before"),
        "enlisted": (Supervisor, "_start_worker", "after"),
        "bereaved": (Supervisor, "_take_over", "before"),
        "adopted": (Supervisor, "_take_over", "after"),
        "settling": (Adopted, "_record", "before"),
        "settled": (Adopted, "_record", "after"),
    }[step]
    method = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die_once()
        result = method(*args, **kwargs)
        if when == "after" and (name != "claim" or result is not None):
            die_once()
        return result

    setattr(owner, name, wrapped)


def wait_for(file: str) -> None:
    if sys.orig_argv[3:5] == ["queuectl_tui.process", "worker"]:
        while not Path(file).exists():
            time.sleep(0.02)


def plant_exhaustion(file: str) -> None:
    from workers import processes

    honest = processes.spawn

    def spawn(*args: Any, **kwargs: Any) -> int:
        if Path(file).exists():
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return honest(*args, **kwargs)

    processes.spawn = spawn


def plant_clock(file: str) -> None:
    import store

    honest = store.system_clock

    def skewed() -> int:
        with suppress(OSError, ValueError):
            return honest() + int(Path(file).read_text())
        return honest()

    store.system_clock = skewed


def plant_lock(name: str) -> None:
    from store import StoreBusy
    from store.queue import Queue

    honest = getattr(Queue, name)

    def locked(*args: Any, **kwargs: Any) -> Any:
        if is_first():
            raise StoreBusy("the store is locked")
        return honest(*args, **kwargs)

    setattr(Queue, name, locked)


def plant_io(file: str) -> None:
    """Let functions of ``os`` that are given a path, or a descriptor of one, raise an error."""
    for name in _SABOTAGED:
        setattr(os, name, failing(name, getattr(os, name), file))


def failing(name: str, honest: Any, file: str) -> Any:
    def function(target: Any, *args: Any, **kwargs: Any) -> Any:
        with suppress(FileNotFoundError):
            for line in Path(file).read_text().splitlines():
                function_name, part, error = line.split()
                if function_name == name and part in described(target):
                    number = getattr(errno, error)
                    raise OSError(number, os.strerror(number), described(target))
        return honest(target, *args, **kwargs)

    return function


def described(target: Any) -> str:
    """The path that a path or a descriptor means."""
    if not isinstance(target, int):
        return os.fspath(target)
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{target}")
    return ""


def plant_muteness() -> None:
    from store import StoreUnusable
    from store.database import Database
    from store.queue import Queue

    honest = Queue.enqueue

    def fail(self: Any) -> Any:
        raise StoreUnusable("nothing can be read any more")

    def enqueue(*args: Any, **kwargs: Any) -> Any:
        stored = honest(*args, **kwargs)
        Database.read = Database.look = fail  # type: ignore[method-assign, assignment]
        return stored

    Queue.enqueue = enqueue  # type: ignore[method-assign]


def plant_impatience(seconds: float) -> None:
    from workers import presence, supervisor

    presence._FOR_SURE = supervisor._SILENT_FOR_SURE = seconds


def plant_hiding(file: str) -> None:
    from workers import processes

    processes.doubtful = lambda since: [int(pid) for pid in Path(file).read_text().split()]


def plant_bug(bug: str) -> None:
    from store import AttemptState, Outcome
    from workers.adopted import Adopted

    def requeue_at_once(self: Any, *_: object) -> bool:
        """Take the job for lost without ending what runs of it."""
        self._queue.finish(self._lease, Outcome(AttemptState.LOST, error="its worker died"))
        self._recorded = True
        self._family = lambda lease: []
        self._execution._family = self._family
        self._lose()
        return True

    def call_it_done(self: Any, *_: object) -> bool:
        """Take the job for done when its worker has died."""
        self._queue.finish(self._lease, Outcome(AttemptState.COMPLETED, exit_code=0))
        self._recorded = True
        self._lose()
        return True

    def throw_it_away(self: Any, *_: object) -> bool:
        """End the command when only its worker has died, and say that both have."""
        self._witnessed = False
        self._lose()
        return True

    plants = (requeue_at_once, call_it_done, throw_it_away)
    Adopted._trace = {plant.__name__: plant for plant in plants}[bug]  # type: ignore[method-assign]


if "SABOTAGE_DIE" in os.environ:
    plant_death(os.environ["SABOTAGE_DIE"])
if "SABOTAGE_LATE" in os.environ:
    wait_for(os.environ["SABOTAGE_LATE"])
if "SABOTAGE_SPAWN" in os.environ:
    plant_exhaustion(os.environ["SABOTAGE_SPAWN"])
if "SABOTAGE_CLOCK" in os.environ:
    plant_clock(os.environ["SABOTAGE_CLOCK"])
if "SABOTAGE_BUSY" in os.environ:
    plant_lock(os.environ["SABOTAGE_BUSY"])
if "SABOTAGE_IO" in os.environ:
    plant_io(os.environ["SABOTAGE_IO"])
if "SABOTAGE_MUTE" in os.environ:
    plant_muteness()
if "SABOTAGE_SURE" in os.environ:
    plant_impatience(float(os.environ["SABOTAGE_SURE"]))
if "SABOTAGE_HIDING" in os.environ:
    plant_hiding(os.environ["SABOTAGE_HIDING"])
if "SABOTAGE_PLANT" in os.environ:
    plant_bug(os.environ["SABOTAGE_PLANT"])
