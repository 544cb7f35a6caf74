"""What the operating system knows of processes: identity, trees, markers, samples.

The only module that knows psutil. It loads what is large only where it is needed, since commands
that only ask whether a worker is alive come here too. On Linux, worker and
supervisor are child subreapers: whatever escapes a job by ``setsid`` or a double fork comes back to
them as a child, so that "no children left" is exact. Elsewhere escaped processes are found by the
marker in their environment.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from store import ProcessIdentity

if TYPE_CHECKING:
    import signal

MARKER = "QUEUECTL_MARKER"
IS_LINUX = sys.platform.startswith("linux")

_PR_SET_TIMERSLACK = 29
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK") if IS_LINUX else 1000
"""Those of a second that ``ProcessIdentity.start`` counts."""
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO of the kernel


@cache
def _prctl() -> Callable[..., int]:
    import ctypes

    function: Callable[..., int] = ctypes.CDLL(None).prctl
    return function


def become_subreaper() -> None:
    """From now on orphans below this process become its children (Linux; else nothing happens)."""
    if IS_LINUX:
        _prctl()(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sleep_exactly(on: bool) -> None:
    """Whether a short sleep ends in time: Linux makes it up to 50 µs longer, to save power.

    Whatever is started while that is on inherits it.
    """
    if IS_LINUX:
        _prctl()(_PR_SET_TIMERSLACK, int(on), 0, 0, 0)  # nanoseconds; 0: what this one began with


def spawn(
    arguments: Sequence[str], *, cwd: str, environ: Mapping[str, str], files: Sequence[int]
) -> int:
    """Start a program as leader of a session of its own; its pid. Reaping it is the caller's.

    ``files`` become its descriptors 0, 1 and 2, ``environ`` all of its environment, whose ``PATH``
    finds the program. Raises the ``OSError`` of what failed, ``cwd`` being its file name where that
    is it. Not for processes with threads: they'd see another working folder for a moment.
    """
    if not IS_LINUX:
        import subprocess

        process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env=environ,
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            start_new_session=True,
        )
        process.returncode = 0  # it isn't reaped by subprocess
        return process.pid
    from signal import SIGPIPE, SIGXFSZ  # what Python ignores

    os.chdir(cwd)
    try:
        return os.posix_spawn(
            _program(arguments[0], environ),
            tuple(arguments),
            environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(files)],
            setsid=True,
            setsigdef=(SIGPIPE, SIGXFSZ),
        )
    finally:
        os.chdir("/")


def give_way(leader: int, nice: int) -> None:
    """Let a process group that was started just now run at a lower priority, by ``nice`` steps."""
    with suppress(ProcessLookupError, PermissionError):
        lowest = os.getpriority(os.PRIO_PROCESS, 0) + nice
        os.setpriority(os.PRIO_PGRP, leader, min(lowest, 19))


def _program(name: str, environ: Mapping[str, str]) -> str:
    """The file that ``name`` means: of those on the path the first that may be run, or exists."""
    if "/" in name:
        return name
    places = (os.path.join(folder, name) for folder in os.get_exec_path(environ))
    found = [place for place in places if os.path.isfile(place)]
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return next((place for place in found if os.access(place, os.X_OK)), found[0])


@lru_cache(maxsize=1)
def boot_id() -> str:
    """What tells one boot of this machine from another, and containers from each other.

    Behind the boot's own id stands the PID namespace, where that is not the machine's first.
    """
    if IS_LINUX:
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            namespace = os.readlink("/proc/self/ns/pid")
            return boot if namespace == _FIRST_PID_NAMESPACE else f"{boot} {namespace}"
    import psutil

    return str(int(psutil.boot_time()))


def is_elsewhere(identity: ProcessIdentity, host: str) -> bool:
    """Whether a process that was registered on ``host`` ran where it can't be looked at from here.

    Not: in this boot and PID namespace, or before this machine started anew.
    """
    if identity.boot_id == boot_id():
        return False
    import socket

    same_boot = identity.boot_id.partition(" ")[0] == boot_id().partition(" ")[0]
    return same_boot or host != socket.gethostname()


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a live process; ``None`` when there is none, or only a zombie."""
    if IS_LINUX:
        stat = _linux_stat(pid)
        if stat is None or stat[0] in b"ZX":
            return None
        return ProcessIdentity(pid, int(stat.split()[19]), boot_id())
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, int(process.create_time() * 1000), boot_id())
    except psutil.Error:
        return None


def start_clock() -> int:
    """The present as ``ProcessIdentity.start`` has it; on Linux no clock that can be set."""
    if IS_LINUX:
        return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS)
    return int(time.time() * 1000)


def age(pid: int) -> float:
    """Seconds since a live process was started."""
    identity = identify(pid)
    return 0.0 if identity is None else seconds_since(identity.start)


def seconds_since(moment: int) -> float:
    """How long ago a moment of ``start_clock`` was."""
    return max(0, start_clock() - moment) / _TICKS


def parent(pid: int) -> int | None:
    """The parent of a live process."""
    if IS_LINUX:
        stat = _linux_stat(pid)
        return None if stat is None else int(stat.split()[1])
    import psutil

    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return None


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether this very process still runs; another with its pid is not it."""
    return identity.pid > 0 and identify(identity.pid) == identity


def is_reused(pid: int, started_by: int) -> bool:
    """Whether another process has the pid of one that had been started by then."""
    current = identify(pid)
    return current is not None and current.start > started_by


def peek() -> tuple[int, int] | None:
    """A child that has ended, and its wait status; it stays a zombie. ``None``: all run.

    Raises ``ChildProcessError`` when there is no child at all.
    """
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None or ended.si_pid == 0:
        return None
    by_itself = ended.si_code == os.CLD_EXITED
    core = 0x80 if ended.si_code == os.CLD_DUMPED else 0
    return ended.si_pid, ended.si_status << 8 if by_itself else ended.si_status | core


def leads_session(pid: int) -> bool:
    """Whether a child, alive or ended but not yet reaped, leads a session of its own."""
    return session(pid) == pid


def children(pid: int) -> list[int]:
    """The children of ``pid``, also those that have ended but not been reaped."""
    if not IS_LINUX:
        import psutil

        return [child.pid for child in psutil.Process(pid).children()]
    stats = ((other, _linux_stat(other)) for other in _all_pids())
    return [other for other, stat in stats if stat and int(stat.split(maxsplit=2)[1]) == pid]


def descendants(pid: int, *, besides: Collection[int] = ()) -> list[int]:
    """Every live process below ``pid``; zombies have nothing left to end.

    Without the trees of its children ``besides`` (Linux).
    """
    if IS_LINUX:
        return _below(pid, _living_children(), besides)
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def marked(markers: Iterable[str]) -> list[int]:
    """Live processes of this user whose environment carries one of ``markers``."""
    wanted = {f"{MARKER}={marker}".encode() for marker in markers}
    own = os.getpid()
    return [
        pid
        for pid in _all_pids()
        if pid != own and wanted & set(_environment(pid)) and identify(pid) is not None
    ]


def marker(pid: int) -> str | None:
    """The marker in a process's environment; ``None`` where there is none, or it can't be read."""
    name = f"{MARKER}=".encode()
    for entry in _environment(pid):
        if entry.startswith(name):
            return entry.removeprefix(name).decode(errors="replace")
    return None


def with_words(*words: str) -> list[tuple[int, list[str]]]:
    """Live processes of this user whose command lines have these words in a row, and all theirs."""
    wanted, size = list(words), len(words)
    found = []
    for pid in _all_pids():
        line = _command_line(pid)
        if any(line[at : at + size] == wanted for at in range(len(line))) and is_own(pid):
            found.append((pid, line))
    return found


def is_own(pid: int) -> bool:
    """Whether a process is there, more than a zombie, and this user's."""
    if IS_LINUX:
        return identify(pid) is not None and _status_number(pid, b"Uid:") == os.getuid()
    return identify(pid) is not None and may_signal(pid)


def of_session(leader: int, started_by: int) -> list[int]:
    """Live processes of the session that the process leads or led that had this pid by then.

    No process gets a pid that a session still has.
    """
    if is_reused(leader, started_by):
        return []
    return [pid for pid in _all_pids() if session(pid) == leader and identify(pid) is not None]


def printing_into(files: Collection[int]) -> list[int]:
    """Live processes whose standard output or error is one of these open files (Linux)."""
    if not IS_LINUX:
        return []
    own = os.getpid()
    wanted = {_file(own, fd) for fd in files}
    return [pid for pid in _all_pids() if pid != own and wanted & {_file(pid, 1), _file(pid, 2)}]


def with_descendants(pids: Iterable[int]) -> list[int]:
    """The processes ``pids`` and every live process below them."""
    found = dict.fromkeys(pids)
    if IS_LINUX:
        children = _living_children()
        below = [_below(pid, children, ()) for pid in found]
    else:
        below = [descendants(pid) for pid in found]
    return list(found | dict.fromkeys(chain.from_iterable(below)))


def unstopped(pids: Iterable[int]) -> list[int]:
    """Those of the processes that SIGSTOP has not stopped yet."""
    if IS_LINUX:
        return [pid for pid in pids if _runs_on(pid)]
    import psutil

    stopped = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    found = []
    for pid in pids:
        with suppress(psutil.Error):
            if psutil.Process(pid).status() not in stopped:
                found.append(pid)
    return found


def may_signal(pid: int) -> bool:
    """Whether this process may end that one."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def doubtful(since: int) -> list[int]:
    """Live processes that may carry a marker, but don't let us look (Linux).

    Those that this user started after ``since`` (a start time as in ``ProcessIdentity``).
    """
    if not IS_LINUX:
        return []
    own = os.getuid()
    found = []
    for pid in _all_pids():
        stat = _linux_stat(pid)
        if stat is None or _can_read_environment(pid):
            continue
        fields = stat.split()
        ours = _status_number(pid, b"Uid:") == own and int(fields[19]) >= since
        if fields[0] not in b"ZX" and ours:
            found.append(pid)
    return found


def signal_tree(pids: Iterable[int], leader: int | None, number: signal.Signals) -> None:
    """Signal the leader's group first, then those who left it.

    A shell whose child was killed before it would run its next line.
    """
    escaped = []
    group_alive = False
    for pid in pids:
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == leader:
                group_alive = True
            else:
                escaped.append(pid)
    if leader is not None and group_alive:
        _send(os.killpg, leader, number)
    for pid in escaped:
        _send(os.kill, pid, number)


def peak_rss(pid: int) -> int:
    """The most resident bytes a live process has had so far; 0 when that can't be told."""
    if IS_LINUX:
        return (_status_number(pid, b"VmHWM:") or 0) * 1024
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


class UsageSampler:
    """CPU percent and resident bytes of process trees, since the sample before."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}

    def sample(self, roots: Iterable[int], at: float) -> dict[int, tuple[float, int]]:
        """For each root pid: percent of one CPU, bytes; ``at`` is monotonic seconds.

        A root below another counts for itself alone.
        """
        import psutil

        figures: dict[int, tuple[float, int]] = {}
        seen: dict[int, tuple[float, float]] = {}
        for root, tree in _trees(frozenset(roots)).items():
            cpu, rss = 0.0, 0
            for pid in tree:
                with suppress(psutil.Error):
                    process = psutil.Process(pid)
                    with process.oneshot():
                        times = process.cpu_times()
                        rss += process.memory_info().rss
                    # What a process's dead children used is in it: a short job counts too.
                    cpu += sum(times[:4])
            last_at, last_cpu = self._last.get(root, (at, cpu))
            elapsed = at - last_at
            percent = 100 * max(0.0, cpu - last_cpu) / elapsed if elapsed > 0 else 0.0
            figures[root] = (round(percent, 1), rss)
            seen[root] = (at, cpu)
        self._last = seen
        return figures


def _trees(roots: frozenset[int]) -> dict[int, list[int]]:
    """Each root with all below it that is not below another root; processes are listed once."""
    if not IS_LINUX:
        return {root: [root, *descendants(root)] for root in roots}
    children = _living_children()
    return {root: [root, *_below(root, children, roots)] for root in roots}


def _living_children() -> dict[int, list[int]]:
    """Live processes by parent; a zombie's children have another parent already (Linux)."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        stat = _linux_stat(pid)
        if stat is not None:
            state, parent_pid = stat.split(maxsplit=2)[:2]
            if state not in (b"Z", b"X"):
                children.setdefault(int(parent_pid), []).append(pid)
    return children


def _below(pid: int, children: Mapping[int, list[int]], besides: Collection[int]) -> list[int]:
    found: list[int] = []
    todo = [pid]
    while todo:
        below = [other for other in children.get(todo.pop(), []) if other not in besides]
        found += below
        todo += below
    return found


def _send(send: Callable[[int, int], None], target: int, number: signal.Signals) -> None:
    from signal import SIGCONT, SIGKILL, SIGSTOP

    with suppress(ProcessLookupError, PermissionError):
        send(target, number)
        if number not in (SIGKILL, SIGSTOP, SIGCONT):
            send(target, SIGCONT)  # a stopped process can't end


def _all_pids() -> list[int]:
    if IS_LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def _linux_stat(pid: int) -> bytes | None:
    """``/proc/PID/stat`` from the state on (field 3): the name before it may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _runs_on(pid: int) -> bool:
    """Whether a process may still execute something (Linux).

    One that the kernel keeps (D) does not once SIGSTOP is pending: a parent that waits for a child
    stopped between vfork and exec stays so until the child goes on.
    """
    stat = _linux_stat(pid)
    if stat is None or stat[0] in b"TtZX":
        return False
    return not (stat[0] in b"D" and _will_stop(pid))


def _will_stop(pid: int) -> bool:
    """Whether SIGSTOP is pending (Linux)."""
    from signal import SIGSTOP

    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"ShdPnd:"):
                return bool(int(line.split()[1], 16) >> (SIGSTOP - 1) & 1)
    return False


def session(pid: int) -> int | None:
    """The session that a process, alive or not yet reaped, is in; ``None`` when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _file(pid: int, fd: int) -> str:
    """Which file a descriptor is; made up where that can't be told."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return f"{pid}/{fd}"


def _can_read_environment(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            file.read(1)
    except PermissionError:
        return False
    except OSError:  # it has just ended
        pass
    return True


def _status_number(pid: int, field: bytes) -> int | None:
    """The first number of a line of ``/proc/PID/status``; of ``Uid:`` it is the real one."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1])
    return None


def _command_line(pid: int) -> list[str]:
    if IS_LINUX:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsdecode(file.read()).split("\0")[:-1]
        except OSError:
            return []
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def _environment(pid: int) -> list[bytes]:
    if IS_LINUX:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return file.read().split(b"\0")
        except OSError:
            return []
    import psutil

    try:
        return [f"{name}={value}".encode() for name, value in psutil.Process(pid).environ().items()]
    except psutil.Error:
        return []
