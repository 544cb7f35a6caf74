"""How many CPUs there are to use: affinity, and the quotas of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.cpus import usable_cpus

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's control groups")

FIRST = """\
9:name=systemd:/
4:memory:/elsewhere
1:cpu,cpuacct:/slice/unit
0::/
"""
SECOND = "0::/slice/unit\n"


class Machine:
    """What the kernel tells a process of its groups, as files."""

    def __init__(self, folder: Path) -> None:
        self.process, self.groups = folder / "process", folder / "groups"
        self.process.mkdir()

    def tells(self, groups: str, *mounts: str) -> None:
        (self.process / "cgroup").write_text(groups)
        table = "".join(mount.format(groups=self.groups) + "\n" for mount in mounts)
        (self.process / "mountinfo").write_text(table)

    def limits(self, group: str, **files: str) -> None:
        folder = self.groups / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return Machine(tmp_path)


OTHERS = (
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw",
    "33 31 0:30 /slice /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
)
MOUNTED_SECOND = "30 22 0:26 / {groups} rw,nosuid - cgroup2 cgroup2 rw"
MOUNTED_FIRST = "32 31 0:29 / {groups} rw,nosuid shared:2 - cgroup cgroup rw,cpu,cpuacct"


@pytest.mark.parametrize(
    ("own", "above", "usable"),
    [
        ("max 100000", "max 100000", 8),
        ("300000 100000", "max 100000", 3),
        ("max 100000", "200000 100000", 2),
        ("250000 100000", "500000 100000", 2),
        ("50000 100000", "max 100000", 1),
        ("6400000 100000", "max 100000", 8),
    ],
)
def test_a_quota_of_version_two_bounds_it(
    machine: Machine, own: str, above: str, usable: int
) -> None:
    machine.tells(SECOND, *OTHERS, MOUNTED_SECOND)
    machine.limits("slice", cpu__max=above)
    machine.limits("slice/unit", cpu__max=own)

    assert usable_cpus(machine.process) == usable


@pytest.mark.parametrize(
    ("own", "above", "usable"), [(-1, -1, 8), (150000, -1, 3), (-1, 100000, 2), (1000, -1, 1)]
)
def test_a_quota_of_version_one_bounds_it(
    machine: Machine, own: int, above: int, usable: int
) -> None:
    machine.tells(FIRST, *OTHERS, MOUNTED_FIRST)
    for group, quota in (("slice/unit", own), ("slice", above)):
        machine.limits(group, cpu__cfs_quota_us=str(quota), cpu__cfs_period_us="50000")

    assert usable_cpus(machine.process) == usable


def test_in_a_container_the_mount_is_its_own_group(machine: Machine) -> None:
    machine.tells("0::/../other\n", MOUNTED_SECOND.replace("/ {groups}", "/docker/id {groups}"))
    machine.limits("", cpu__max="400000 100000")
    assert usable_cpus(machine.process) == 4

    machine.tells("0::/docker/id/below\n", MOUNTED_SECOND.replace("/ {", "/docker/id {"))
    machine.limits("below", cpu__max="200000 100000")
    assert usable_cpus(machine.process) == 2


def test_without_control_groups_affinity_tells(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path / "missing") == len(os.sched_getaffinity(0))

    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from workers.cpus import usable_cpus; print(usable_cpus())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
