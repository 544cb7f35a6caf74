"""How many CPUs there are to use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workers.processes import IS_LINUX


def usable_cpus(process: Path = Path("/proc/self")) -> int:
    """Those that this process may run on, or that its control groups' quotas pay for, if fewer."""
    if not IS_LINUX:
        return os.cpu_count() or 1
    fewest = float(len(os.sched_getaffinity(0)))
    with suppress(OSError):
        fewest = min([fewest, *map(_quota, _own_groups(process))])
    return max(1, int(fewest))


def _own_groups(process: Path) -> Iterator[Path]:
    """Folders of the groups that the process is in, and of those above them."""
    paths: dict[str, Path] = {}
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), Path(path))
    for line in (process / "mountinfo").read_text().splitlines():
        mount, _, file_system = line.partition(" - ")
        controller = _controller(file_system)
        if controller in paths:
            root, folder = map(Path, mount.split()[3:5])
            own = paths[controller]
            below = own.relative_to(root) if own.is_relative_to(root) else Path()
            yield from (folder / part for part in (below, *below.parents))


def _controller(file_system: str) -> str | None:
    """The name in ``/proc/PID/cgroup`` of what limits CPUs there; it has none in version 2."""
    kind, *_, options = file_system.split()
    if kind == "cgroup2":
        return ""
    return "cpu" if kind == "cgroup" and "cpu" in options.split(",") else None


def _quota(group: Path) -> float:
    """How many CPUs the group may use."""
    with suppress(OSError):
        quota, period = (group / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError):
        quota = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
        return math.inf if int(quota) < 0 else int(quota) / int(period)
    return math.inf
