"""The supervisor of a pool: keeps its workers up, and takes over what a dead one leaves."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from store import (
    AttemptState,
    LeaseLost,
    Orders,
    Outcome,
    ProcessIdentity,
    QueueError,
    StoreDamaged,
    Worker,
    WorkerKind,
    WorkerState,
)
from store.queue import Queue
from workers import journal, presence, processes
from workers.adopted import Adopted, Ended, Reaped
from workers.control import how_paused, process_command
from workers.hooks import Hooks
from workers.until_empty import UntilEmpty
from workers.wakeup import Wakeup
from workers.wal import LogKeeper
from workers.worker import HEARTBEAT_EVERY, Order

Narrate = Callable[[str], None]

_TICK_EVERY = 1.0
_TRY_AGAIN_AFTER = 0.5
_RESCUE_EVERY = 5.0
_PRUNE_EVERY = 60.0
_SAY_EVERY = 10.0
_SECOND_SIGNAL_AFTER = 1.0
_LONGEST_PAUSE = 30.0
_GRACE_IF_UNKNOWN = 10.0
_SILENT_FOR_SURE = 2 * HEARTBEAT_EVERY  # less would end workers that are well
_CANCELLED_FROM_AFAR = Outcome(AttemptState.CANCELLED, error="cancelled; its worker is silent")


class PoolRunning(QueueError):
    """This machine's supervisor of the pool is running already."""


@dataclass(slots=True)
class Member:
    """A worker process of this supervisor."""

    id: str
    process: subprocess.Popen[bytes]
    since: float
    identity: ProcessIdentity | None
    leaving: bool = False
    heard: bytes = b""


class Supervisor:
    """Runs in the foreground until it is told to stop; see ``tick`` for what it does."""

    def __init__(
        self,
        queue: Queue,
        *,
        pool: str,
        count: int,
        queues: Sequence[str] = (),
        narrate: Narrate,
        report: bool = False,
        until_empty: bool = False,
    ) -> None:
        """``report``: also narrate every job that starts or ends.

        ``until_empty``: leave once nothing in the queues goes on. Raises ``PoolRunning``, or
        ``StoreInUse`` when somebody else has the file open that was at the path before.
        """
        self._queue = queue
        self._pool = pool
        self._queues = tuple(queues)
        self._narrate = narrate
        self._report = report
        self._presence = presence.announce(queue)
        presence.require_nobody_left(queue)
        self._store_watch = presence.StoreWatch(queue)
        self._lock = _lock_pool(queue, pool)
        self._host = socket.gethostname()
        self._crew: dict[int, Member] = {}
        self._from_before = set(processes.children(os.getpid()))
        """Children that this process had already when it was a shell, say."""
        self._dead: list[Member] = []
        self._adopted: list[Adopted] = []
        self._orphans: Reaped = {}
        self._orders = Orders(count=count, paused=False, stop=None)
        self._told_paused = self._told_low = False
        self._until_empty = UntilEmpty(queue, self._queues) if until_empty else None
        self._first_signal_at: float | None = None
        self._failed_starts = 0
        self._trouble: str | None = None
        self._no_start_before = 0.0
        self._kill_at: float | None = None
        self._due: dict[str, float] = {}
        self._log_keeper = LogKeeper(queue)
        self._asked: set[int] = set()
        self._beats: dict[str, tuple[float | None, float]] = {}
        """The last heartbeat of each worker, and when it was seen first (monotonic seconds)."""
        self._hooks = Hooks(queue, narrate)
        self._usage = processes.UsageSampler()
        processes.become_subreaper()
        self._wakeup = Wakeup((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        identity = processes.identify(os.getpid())
        self._id = queue.registry.register(
            WorkerKind.SUPERVISOR,
            pool=pool,
            host=self._host,
            identity=identity,
            queues=queues,
            count=count,
        )
        self._bell = queue.doorbell(self._id)
        self._wakeup.watch(self._bell)

    def run(self) -> int:
        """Supervise until drained or stopped; the exit code."""
        self._narrate(f"supervisor {self._id} of pool {self._pool} (pid {os.getpid()})")
        while True:
            try:
                self.tick()
                self._complain(None)
            except (QueueError, OSError) as error:
                self._complain(str(error))
                if isinstance(error, StoreDamaged) and self._gives_up:
                    self._leave("stopped: the store is damaged, and no worker is left")
                    return 1
            if self._done:
                break
            self._wait()
        if self._store_watch.gone is not None:
            self._bell.close()
            self._narrate(f"left: the store was {self._store_watch.gone}")
            return 1
        self._leave("stopped: no worker is left")
        return self._exit_code()

    def _leave(self, why: str) -> None:
        self._bell.close()
        with suppress(QueueError):
            self._queue.registry.unregister(self._id)
        self._narrate(why)
        os.close(self._lock)

    def tick(self) -> None:
        self._store_watch.look()
        if self._store_watch.gone is None:
            self._hear_signals()  # whatever becomes of the rest
        self._reap()
        if self._store_watch.gone is not None:
            self._clear_away(self._store_watch.gone)
            return
        self._end_stalled()  # before anything that a stalled one may keep from the store
        self._obey()
        if self._store_watch.is_away:
            return  # what follows has effects outside of the store, which may not be ours any more
        self._leave_when_empty()
        self._adopt()
        self._heartbeat()
        self._rescue()
        self._scale()
        self._fire_schedules()
        self._hooks.advance()
        self._keep_house()

    def _complain(self, trouble: str | None) -> None:
        """Say once what is wrong; while it is, the next try waits a little."""
        if trouble is not None and trouble != self._trouble:
            self._narrate(f"{trouble}; trying again")
        self._trouble = trouble

    @property
    def _done(self) -> bool:
        if self._store_watch.gone is not None:
            return not (self._crew or self._hooks.busy or self._below())
        busy = self._crew or self._dead or self._adopted or self._hooks.busy
        return self._orders.stop is not None and not busy

    @property
    def _gives_up(self) -> bool:
        """Told to stop now, with a store that can't be read: a successor finds what is left."""
        return self._orders.stop == "now" and not self._crew

    # Reap, adopt ---------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Collect every process that ended: workers, adopted commands, and what those left."""
        dead: list[Member] = []
        with suppress(ChildProcessError):
            while ended := processes.peek():
                pid = ended[0]
                led_session = processes.leads_session(pid)
                _, status, usage = os.wait4(pid, 0)
                if pid in self._crew:
                    dead.append(self._dismiss(pid, status))
                elif pid in self._hooks:
                    self._hooks.reaped(pid, status)
                elif pid in self._from_before:
                    self._from_before.remove(pid)
                else:
                    self._orphans[pid] = Ended(status, usage, led_session)
        self._dead += dead
        if dead:
            self._slow_down(dead)

    def _adopt(self) -> None:
        """See to what dead workers ran. Nothing is forgotten while the store can't be written."""
        for member in tuple(self._dead):
            self._take_over(member.id, member.identity, witnessed=True)
            self._dead.remove(member)
        # Who knows what it looks for takes it, before others guess at what is left.
        for adopted in sorted(self._adopted, key=lambda one: one.leader_is_unknown):
            adopted.advance(self._orphans, stop=self._orders.stop == "now")
            if adopted.over:
                self._adopted.remove(adopted)
                self._forget_if_clear(adopted.worker)
        if all(adopted.traced for adopted in self._adopted):
            self._orphans.clear()

    def _dismiss(self, pid: int, status: int) -> Member:
        member = self._crew.pop(pid)
        member.process.returncode = os.waitstatus_to_exitcode(status)
        self._hear(member)
        self._stop_listening(member)
        self._narrate(f"worker {member.id} {f'died ({_how(status)})' if status else 'left'}")
        return member

    def _slow_down(self, dead: Sequence[Member]) -> None:
        """Workers that die before they come up aren't started again at full speed."""
        up = self._queue.registry.came_up(self._id)
        if all(member.id in up for member in dead):
            self._failed_starts = 0
            return
        self._pause_starting()

    def _pause_starting(self) -> None:
        self._failed_starts += 1
        pause = min(_LONGEST_PAUSE, 2.0**self._failed_starts / 4)
        self._no_start_before = time.monotonic() + pause

    def _take_over(
        self, worker: str, identity: ProcessIdentity | None, *, witnessed: bool = False
    ) -> None:
        """A dead worker's attempts are ours now; when it had none, it is forgotten."""
        running, held = self._queue.leases(worker), self._queue.held(worker)
        self._adopted += [
            Adopted(
                self._queue,
                lease,
                worker,
                identity,
                recorded=lease in held,
                witnessed=witnessed,
                strays=self._strays,
                may_end_strays=self._may_end_strays,
                strangers=self._strangers,
                narrate=self._narrate,
            )
            for lease in (*running, *held)
        ]
        self._forget_if_clear(worker)

    def _strays(self) -> list[int]:
        """What came here from dead workers' commands without a trace of whose it was."""
        if not processes.IS_LINUX:
            return []
        leaders = {one.leader for one in self._adopted if one.leader is not None}
        known = {*self._crew, *self._from_before, *leaders}
        found = set(processes.descendants(os.getpid(), besides=known))
        if found:
            found.difference_update(self._hooks.tree(), *(one.tree() for one in self._adopted))
            found.difference_update(self._kept(found))
        return list(found)

    def _kept(self, pids: Iterable[int]) -> list[int]:
        """What attempts left running that are over: it was to be left alone."""
        store, still_open = f"{self._queue.store_id}/", self._queue.open_attempts()
        marked = [(pid, (processes.marker(pid) or "").partition(store)[2]) for pid in pids]
        return processes.with_descendants(
            pid for pid, attempt in marked if attempt.isdecimal() and int(attempt) not in still_open
        )

    def _may_end_strays(self, adopted: Adopted) -> bool:
        """Whether no command runs, except ``adopted``, that strays may belong to."""
        others_run = any(one.left_strays and one is not adopted for one in self._adopted)
        return not (others_run or self._dead) and all(map(processes.identify, self._crew))

    def _strangers(self) -> list[int]:
        """Children, ended ones too, that are neither workers, hooks nor commands taken over."""
        known = {*self._crew, *self._from_before, *(adopted.leader for adopted in self._adopted)}
        found = processes.children(os.getpid())
        return [pid for pid in found if pid not in known and pid not in self._hooks]

    def _forget_if_clear(self, worker: str) -> None:
        if any(adopted.worker == worker for adopted in self._adopted):
            return
        self._queue.folders.clear_scratch(worker)
        self._queue.registry.unregister(worker)

    # The store is gone ---------------------------------------------------------------------------

    def _clear_away(self, how: str) -> None:
        """End what runs, first gracefully, and record nothing: the store is gone, or another's."""
        now = time.monotonic()
        if self._kill_at is None:
            self._narrate(
                f"the store at {self._queue.path} was {how}: ending what runs, nothing is recorded"
            )
            for member in self._crew.values():
                self._tell(member, Order.ABANDON)
            for adopted in self._adopted:
                processes.signal_tree(adopted.tree(), adopted.leader, signal.SIGTERM)
            processes.signal_tree(self._below(), None, signal.SIGTERM)
            self._kill_at = now + self._longest_grace()
        if self._wakeup.signals():
            self._kill_at = min(self._kill_at, now)
        if now >= self._kill_at:
            self._kill(self._below())
        if now >= self._kill_at + _SILENT_FOR_SURE:  # a worker that stands still
            self._kill(self._crew)

    @staticmethod
    def _kill(pids: Iterable[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _below(self) -> list[int]:
        """Live processes that came here from attempts and hooks, but for those to be left alone."""
        known = {*self._crew, *self._from_before}
        found = processes.descendants(os.getpid(), besides=known)
        kept: list[int] = []
        with suppress(QueueError):
            kept = self._kept(found) if found else []
        return [pid for pid in found if pid not in kept]

    def _longest_grace(self) -> float:
        grace = _GRACE_IF_UNKNOWN
        with suppress(QueueError):
            workers = {one.id for one in (*self._crew.values(), *self._dead)}
            workers |= {one.worker for one in self._adopted}
            leases = [lease for worker in workers for lease in self._queue.leases(worker)]
            grace = max([lease.stop_grace for lease in leases], default=0.0)
        return grace

    # Rescue --------------------------------------------------------------------------------------

    def _rescue(self) -> None:
        """Take over from workers whose supervisor is dead too, and forget dead supervisors."""
        if not self._is_due("rescue", _RESCUE_EVERY):
            return
        registry = self._queue.registry
        entries = []
        for entry in registry.registered():
            if processes.is_elsewhere(entry.identity, entry.host):
                self._ask_about(entry)
            else:
                entries.append(entry)
        alive = {entry.id for entry in entries if processes.is_alive(entry.identity)}
        ours = {adopted.worker for adopted in self._adopted}
        ours |= {member.id for member in (*self._crew.values(), *self._dead)}
        for entry in entries:
            if entry.id in alive or entry.id in ours or entry.supervisor in alive - {self._id}:
                continue
            if entry.kind is WorkerKind.SUPERVISOR:
                registry.unregister(entry.id)
            elif entry.supervisor == self._id:  # the store was busy
                self._take_over(entry.id, entry.identity)
            elif registry.inherit(entry, self._id):
                self._narrate(f"worker {entry.id} is gone, and so is its supervisor")
                self._take_over(entry.id, entry.identity)
        for orphan in registry.inherit_orphans(self._id, pool=self._pool, host=self._host):
            self._take_over(orphan, None)

    def _ask_about(self, entry: Worker) -> None:
        """A silent worker ran where nobody here can look: only a person can tell of its jobs."""
        if entry.kind is not WorkerKind.WORKER or entry.state is not WorkerState.STALE:
            return
        for lease in self._queue.leases(entry.id):
            if self._queue.asked(lease).stop:
                with suppress(LeaseLost):
                    self._queue.finish(lease, _CANCELLED_FROM_AFAR)
            elif lease.attempt_id not in self._asked:
                text = (
                    f"needs attention: its worker {entry.id} is silent, and ran on {entry.host} or"
                    " in another container; cancel the job once nothing of it runs there"
                )
                self._queue.note(lease, text)
                self._asked.add(lease.attempt_id)
                self._narrate(f"{lease.job_id} {text}")

    def _end_stalled(self) -> None:
        """End workers that have been silent for too long, if a limit is set; then take over.

        Silence is measured by this process's clock from when a heartbeat was seen, so that neither
        a clock that jumps nor a machine that slept makes a worker look stalled.
        """
        wanted = float(self._queue.settings.values()["stall_timeout"])
        if not wanted or not self._is_due("stalled", _TICK_EVERY):
            return
        limit, now = max(wanted, _SILENT_FOR_SURE), time.monotonic()
        known, self._beats = self._beats, {}
        for worker, pid in (*self._own_workers(), *self._workers_left_behind()):
            beat = self._last_beat(worker)
            heard, since = known.get(worker, (beat, now))
            self._beats[worker] = (beat, since if beat == heard else now)
            if beat is not None and now - self._beats[worker][1] > limit:
                self._narrate(f"worker {worker} has been silent for {limit:g}s: ending it")
                os.kill(pid, signal.SIGKILL)

    def _own_workers(self) -> Iterator[tuple[str, int]]:
        for pid, member in self._crew.items():
            yield member.id, pid

    def _workers_left_behind(self) -> Iterator[tuple[str, int]]:
        """Those that live, though their supervisor does not."""
        entries = self._queue.registry.registered()
        alive = {entry.id for entry in entries if processes.is_alive(entry.identity)}
        for entry in entries:
            left_behind = entry.kind is WorkerKind.WORKER and entry.supervisor not in alive
            if left_behind and entry.id in alive:
                yield entry.id, entry.pid

    def _last_beat(self, worker: str) -> float | None:
        return journal.last_beat(self._queue.folders.journal(worker))

    # Scale ---------------------------------------------------------------------------------------

    def _scale(self) -> None:
        """As many workers as ordered: start what is missing, drain what is too many."""
        staying = [member for member in self._crew.values() if not member.leaving]
        if self._orders.stop is not None:
            self._send_away(staying)
            return
        missing = self._orders.count - len(staying)
        if missing > 0 and time.monotonic() >= self._no_start_before:
            for _ in range(missing):
                self._start_worker()
        elif missing < 0:
            busy = {worker.id for worker in self._queue.workers() if worker.job is not None}
            staying.sort(key=lambda member: (member.id in busy, -member.since))
            for member in staying[:-missing]:
                self._tell(member, Order.DRAIN)
                member.leaving = True

    def _send_away(self, members: Iterable[Member]) -> None:
        for member in members:
            self._tell(member, Order.STOP if self._orders.stop == "now" else Order.DRAIN)
            member.leaving = True

    def _start_worker(self) -> None:
        worker = self._queue.registry.register(
            WorkerKind.WORKER,
            pool=self._pool,
            host=self._host,
            supervisor=self._id,
            queues=self._queues,
        )
        try:
            process = self._spawn(worker)
        except OSError:
            self._queue.registry.unregister(worker)
            self._pause_starting()
            raise
        identity = processes.identify(process.pid)
        member = Member(worker, process, time.monotonic(), identity)
        self._crew[process.pid] = member
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._wakeup.watch(process.stdout)
        if identity is not None:
            self._queue.registry.identify(worker, identity)
        self._narrate(f"worker {worker} started (pid {process.pid})")

    def _spawn(self, worker: str) -> subprocess.Popen[bytes]:
        options = [*self._worker_options(), *self._queues]
        return subprocess.Popen(
            process_command("worker", self._queue.url, worker, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if self._report else subprocess.DEVNULL,
            env=os.environ | {processes.MARKER: f"{self._queue.store_id}/{worker}"},
            cwd="/",
            start_new_session=True,
        )

    def _worker_options(self) -> Iterator[str]:
        yield f"{presence.FILE_OPTION}{self._queue.file}"
        if self._report:
            yield "--report"
        if self._told_paused:
            yield "--paused"

    def _tell(self, member: Member, order: Order) -> None:
        with suppress(OSError):
            assert member.process.stdin is not None
            os.write(member.process.stdin.fileno(), order.value.encode())

    # Obey ----------------------------------------------------------------------------------------

    def _hear_signals(self) -> None:
        """The first drains, a later one stops, whether the store can be read or not."""
        stop = self._orders.stop
        for number in self._wakeup.signals():
            now = time.monotonic()
            if self._first_signal_at is None:
                stop, self._first_signal_at = stop or "drain", now
                self._narrate(f"{number.name}: draining; once more to stop what runs")
            elif now - self._first_signal_at >= _SECOND_SIGNAL_AFTER:
                stop = "now"
        if stop != self._orders.stop:
            self._announce_stop(stop)
            self._orders = self._orders._replace(stop=stop)
            self._send_away(self._crew.values())

    def _obey(self) -> None:
        """Do what was ordered through the store."""
        ordered = self._queue.registry.orders(self._id)
        # What a signal asked for may not be in the store yet, and is never made less.
        stop = "now" if "now" in (ordered.stop, self._orders.stop) else ordered.stop
        stop = stop or self._orders.stop
        if stop != self._orders.stop:
            self._announce_stop(stop)
        self._orders = Orders(count=ordered.count, paused=ordered.paused, stop=stop)
        if ordered.paused != self._told_paused:
            self._told_paused = ordered.paused
            paused, resumed = how_paused(self._pool), f"pool {self._pool} takes jobs again"
            self._narrate(paused if ordered.paused else resumed)
            for member in self._crew.values():
                self._tell(member, Order.PAUSE if ordered.paused else Order.RESUME)
        if stop is not None and self._is_due("say", _SAY_EVERY):
            self._say_what_runs()

    def _announce_stop(self, stop: str | None) -> None:
        with suppress(QueueError):
            self._queue.registry.order(self._pool, stop=stop)  # so that everybody sees it draining
        for member in self._crew.values():
            member.leaving = False  # they are told (again)
        self._due.pop("say", None)

    def _leave_when_empty(self) -> None:
        until = self._until_empty
        if until is not None and self._orders.stop is None and until.is_empty():
            self._narrate(until.left())
            self._announce_stop("drain")
            self._orders = self._orders._replace(stop="drain")

    def _exit_code(self) -> int:
        """1 when jobs died in a pool that was to leave once it is empty."""
        deaths = "" if self._until_empty is None else self._until_empty.deaths()
        if deaths:
            self._narrate(deaths)
        return 1 if deaths else 0

    def _say_what_runs(self) -> None:
        for worker in self._queue.workers():
            if worker.supervisor == self._id and worker.job is not None:
                paused = " (paused)" if worker.is_job_paused else ""
                self._narrate(f"waiting for {worker.id}, which runs {worker.job}{paused}")

    # Schedules -----------------------------------------------------------------------------------

    def _fire_schedules(self) -> None:
        """Make the jobs whose time has come, unless this supervisor is on its way out."""
        if self._orders.stop is None:
            for job_id in self._queue.schedules.fire_due():
                self._narrate(f"{job_id} enqueued by its schedule")

    def _until_next_tick(self) -> float:
        due = None
        if self._orders.stop is None:
            with suppress(QueueError):
                due = self._queue.schedules.next_at()
        return _TICK_EVERY if due is None else max(0.0, (due - self._queue.now()) / 1000)

    # Heartbeat, housekeeping ---------------------------------------------------------------------

    def _heartbeat(self) -> None:
        """Tell of oneself and of all workers in one change: who lives, and what each uses."""
        if self._is_due("heartbeat", HEARTBEAT_EVERY):
            workers = {member.process.pid: member.id for member in self._crew.values()}
            figures = self._usage.sample((os.getpid(), *workers), time.monotonic())
            beats = {worker: self._last_beat(worker) for worker in workers.values()}
            silence = {worker: time.time() - beat for worker, beat in beats.items() if beat}
            workers[os.getpid()] = self._id
            samples = {workers[pid]: figure for pid, figure in figures.items()}
            self._queue.registry.report(samples, silence={**silence, self._id: 0.0})

    def _keep_house(self) -> None:
        low = self._queue.is_disk_low()
        if low != self._told_low:
            self._told_low = low
            self._narrate("disk nearly full: nothing new starts" if low else "disk has room again")
        self._log_keeper.advance()
        if self._is_due("prune", _PRUNE_EVERY) and self._queue.prune():
            self._due.pop("prune")  # there may be more: go on with the next tick

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True

    # Waiting -------------------------------------------------------------------------------------

    def _wait(self) -> None:
        seconds = min(_TICK_EVERY, self._until_next_tick(), self._log_keeper.rest)
        for adopted in self._adopted:
            seconds = min(seconds, adopted.rest)
        if self._trouble is not None:
            seconds = max(seconds, _TRY_AGAIN_AFTER)
        ready = self._wakeup.wait(seconds)
        if self._bell.fileno() in ready:
            self._bell.hush()
        for member in self._crew.values():
            if member.process.stdout is not None and member.process.stdout.fileno() in ready:
                self._hear(member)

    def _hear(self, member: Member) -> None:
        """Pass a worker's report on, line by line."""
        if member.process.stdout is None:
            return
        with suppress(OSError):
            while chunk := os.read(member.process.stdout.fileno(), 65536):
                *lines, member.heard = (member.heard + chunk).split(b"\n")
                for line in lines:
                    self._narrate(line.decode(errors="replace"))

    def _stop_listening(self, member: Member) -> None:
        for pipe in (member.process.stdin, member.process.stdout):
            if pipe is not None:
                if pipe is member.process.stdout:
                    self._wakeup.unwatch(pipe)
                with suppress(OSError):
                    pipe.close()


def _lock_pool(queue: Queue, pool: str) -> int:
    """Hold the pool's lock for as long as this process lives. Raises ``PoolRunning``."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(queue.pool_lock(pool), flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 20, 0).decode()
        os.close(fd)
        raise PoolRunning(_already(queue, pool, holder)) from None
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def _already(queue: Queue, pool: str, holder: str) -> str:
    """``holder`` is the process that has the lock, where it came to say so."""
    names = {str(entry.pid): entry.id for entry in queue.registry.registered()}
    who = f"supervisor {names[holder]}" if holder in names else "a supervisor"
    who = f"{who} (pid {holder})" if holder else who
    return (
        f"pool {pool} is served by {who} already; change its size with: queuectl-tui worker scale"
        " N, or start another pool with --pool NAME"
    )


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit code {os.WEXITSTATUS(status)}"
