"""What commands left running that are to be left alone: never the business of a later attempt."""

from __future__ import annotations

from collections.abc import Iterable

from store import ProcessIdentity
from workers import processes


class KeptProcesses:
    """Processes below this one that ended attempts left running.

    They are known by identity, by session, by descent, and by a marker that names another attempt:
    one that sheds all of these is taken for a process of the attempt that runs.
    """

    def __init__(self) -> None:
        self._known: set[ProcessIdentity] = set()

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, pids: Iterable[int]) -> None:
        self._known.update(filter(None, map(processes.identify, pids)))

    def apart_from(self, pids: Iterable[int], marker: str) -> list[int]:
        """Those of the live processes ``pids`` that belong to the attempt with ``marker``."""
        found = list(pids)
        kept = {known.pid for known in self._known if processes.is_alive(known)}.intersection(found)
        sessions = {processes.session(pid) for pid in kept}
        kept.update(
            pid
            for pid in found
            if processes.session(pid) in sessions or processes.marker(pid) not in (None, marker)
        )
        kept.update(processes.with_descendants(kept))
        self._known.clear()
        self.add(kept)
        return [pid for pid in found if pid not in kept]
