"""The values that cross the store's border: frozen, typed, free of SQL.

Times are UTC milliseconds since the epoch (``int``), durations are seconds (``float``).
Annotations are evaluated here: those of named tuples cost more at each start when they are text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

DEFAULT_QUEUE = "default"
DEFAULT_POOL = "default"


class JobState(StrEnum):
    """Where a job is in its life. The value is what is stored, ``label`` what people see."""

    PENDING = "pending"
    BLOCKED = "blocked"
    PROCESSING = "processing"
    FAILED = "failed"
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def finished(self) -> bool:
        """Whether nothing more happens to the job unless a person asks for it."""
        return self in FINISHED

    @property
    def retryable(self) -> bool:
        """Whether the job can be run again now: it has finished, or failed and waits."""
        return self in RETRYABLE

    @property
    def cancellable(self) -> bool:
        """Whether the job can still be stopped for good."""
        return self in UNFINISHED

    @property
    def editable(self) -> bool:
        """Whether the job's fields can be changed: it isn't running."""
        return self in EDITABLE

    @property
    def holdable(self) -> bool:
        """Whether the job can be kept from being started: it waits."""
        return self in HOLDABLE

    @classmethod
    def parse(cls, word: str) -> Self:
        """The state named by its stored or its shown word, in any case. Raises ``ValueError``."""
        folded = word.strip().lower()
        for state in cls:
            if folded in (state.value, state.label.lower()):
                return state
        raise ValueError(f"no such state: {word}")


_LABELS = {
    JobState.PENDING: "PENDING",
    JobState.BLOCKED: "BLOCKED",
    JobState.PROCESSING: "RUNNING",
    JobState.FAILED: "RETRYING",
    JobState.COMPLETED: "DONE",
    JobState.DEAD: "DEAD",
    JobState.CANCELLED: "CANCELLED",
}
FINISHED = frozenset({JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED})
UNFINISHED = frozenset(JobState) - FINISHED
RETRYABLE = FINISHED | {JobState.FAILED}
EDITABLE = frozenset(JobState) - {JobState.PROCESSING}
RUNNING = frozenset({JobState.PROCESSING})
HOLDABLE = UNFINISHED - RUNNING


class AttemptState(StrEnum):
    """How one run of a job went."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RELEASED = "released"
    LOST = "lost"


class WorkerKind(StrEnum):
    SUPERVISOR = "supervisor"
    WORKER = "worker"


class WorkerState(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    PAUSED = "paused"
    STALE = "stale"


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class OnDependencyFailure(StrEnum):
    """What becomes of a job when one that it depends on is dead or cancelled."""

    HOLD = "hold"
    CANCEL = "cancel"
    RUN = "run"


class NewJob(NamedTuple):
    """A validated job on its way in. ``None`` means: the store's setting decides.

    Exactly one of ``command`` (a line for the shell) and ``argv`` is set. ``delay`` (seconds)
    and ``run_at`` exclude each other. ``store.fields`` says what each field accepts and means; the
    fields that are columns of the store come first.
    """

    id: str | None = None
    command: str | None = None
    argv: tuple[str, ...] | None = None
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    run_at: int | None = None
    max_retries: int | None = None
    timeout: float | None = None
    stop_grace: float | None = None
    backoff_base: float | None = None
    backoff_delay: float | None = None
    backoff_max: float | None = None
    backoff_jitter: float | None = None
    fail_on: tuple[int | str, ...] = ()
    success_exit_codes: tuple[int, ...] = (0,)
    nice: int = 0
    keep_children: bool = False
    cwd: str | None = None
    env: Mapping[str, str] = MappingProxyType({})
    label: str | None = None
    unique_key: str | None = None
    held: bool = False
    on_dependency_failure: OnDependencyFailure = OnDependencyFailure.HOLD
    depends_on: tuple[str, ...] = ()
    delay: float | None = None

    @property
    def line(self) -> str:
        """The command as one line, an argument vector quoted as a shell would need it."""
        return _line(self.command, self.argv)


class Job(NamedTuple):
    """A job as it stands in the store.

    ``seq`` is its place in the order of arrival. ``started_at`` to ``worker`` are the last
    attempt's. ``number`` is the last attempt's own number (0: none yet); ``attempts`` counts only
    what counts against ``max_retries``. ``waiting_for`` names the dependencies not yet completed.
    ``paused``: it runs, but every process of it is stopped until it is resumed.
    """

    seq: int
    id: str
    command: str | None
    argv: tuple[str, ...] | None
    state: JobState
    queue: str
    priority: int
    label: str | None
    attempts: int
    max_retries: int
    timeout: float
    stop_grace: float | None
    run_at: int
    cwd: str
    env: Mapping[str, str]
    depends_on: tuple[str, ...]
    unique_key: str | None
    backoff_base: float | None
    created_at: int
    updated_at: int
    started_at: int | None
    finished_at: int | None
    exit_code: int | None
    signal: int | None
    last_error: str | None
    worker: str | None
    number: int
    cancel_requested: bool
    on_dependency_failure: OnDependencyFailure
    schedule: str | None
    backoff_delay: float | None
    backoff_max: float | None
    backoff_jitter: float | None
    fail_on: tuple[int | str, ...]
    success_exit_codes: tuple[int, ...]
    nice: int
    keep_children: bool
    held: bool
    paused: bool

    @property
    def suspended(self) -> bool:
        """Whether a person keeps it from starting, or from going on."""
        return self.held or self.paused

    @property
    def shown_state(self) -> str:
        """What people see of its state."""
        if self.held:
            return "HELD"
        return "PAUSED" if self.paused else self.state.label

    @property
    def line(self) -> str:
        """The command as one line, an argument vector quoted as a shell would need it."""
        return _line(self.command, self.argv)

    def as_new(self) -> NewJob:
        """The job as it could be enqueued; a time that it waits for is left open."""
        fields = {name: getattr(self, name) for name in NewJob._fields if name not in _TIMES}
        return NewJob(**fields)

    def as_clone(self) -> NewJob:
        """Another job of the same fields, to run now: neither its id nor a hold is taken over."""
        return self.as_new()._replace(id=None, held=False)


_TIMES = ("run_at", "delay")


def _line(command: str | None, argv: tuple[str, ...] | None) -> str:
    if command is not None:
        return command
    import shlex

    return shlex.join(argv or ())


class NotRetried(NamedTuple):
    """A job that a change of many leaves as it is: ``holder`` has its ``unique_key``."""

    id: str
    unique_key: str
    holder: str


class Retried(NamedTuple):
    """What a retry of many did: to whom, in which queues, and whom it left as they were."""

    ids: Sequence[str]
    queues: frozenset[str]
    left: Sequence[NotRetried]


class Outlook(NamedTuple):
    """How a job stands. ``is_over``: nothing more happens to it unless a person does something.

    It has ended then, is held, or waits for a job that won't complete by itself.
    """

    state: JobState
    is_over: bool


class Attempt(NamedTuple):
    """One run of a job. ``id`` is the lease; ``number`` is 1, 2, 3 … within the job.

    ``children_ended`` is how many processes it left running that were ended.
    """

    id: int
    number: int
    state: AttemptState
    worker: str
    started_at: int
    finished_at: int | None
    exit_code: int | None
    signal: int | None
    error: str | None
    cpu_seconds: float | None
    max_rss_bytes: int | None
    stdout_bytes: int | None
    stderr_bytes: int | None
    children_ended: int = 0


class Lease(NamedTuple):
    """The right to run one attempt, and all that is needed to run it.

    ``attempt_id`` fences: only its holder may end the attempt. ``env`` is what the job adds to
    the worker's own environment: captured variables, then the job's, then the slot's, without
    ``QUEUECTL_*``. ``slot`` is the lowest number free among the queue's running jobs.
    ``output_limit`` is in bytes for each stream, 0 for none.
    """

    attempt_id: int
    job_id: str
    job_seq: int
    number: int
    queue: str
    command: str | None
    argv: tuple[str, ...] | None
    cwd: str
    env: Mapping[str, str]
    timeout: float
    stop_grace: float
    shell: tuple[str, ...]
    max_retries: int
    output_limit: int
    slot: int = 0
    nice: int = 0
    keep_children: bool = False
    success_exit_codes: tuple[int, ...] = (0,)


class Pause(NamedTuple):
    """Whether an attempt is to be paused, and whether it is.

    ``since`` is set while its processes are stopped: a moment of ``processes.start_clock``, which
    outlives the worker. ``seconds`` is how long its earlier pauses took. ``problem`` says why the
    last request was refused.
    """

    asked: bool = False
    since: int | None = None
    seconds: float = 0.0
    problem: str | None = None


class Asked(NamedTuple):
    """What people want of an attempt that runs. ``stop``, too, when it has ended already.

    ``signal`` is the number of the one to stop it by, where somebody chose it.
    """

    stop: bool
    pause: Pause
    signal: int | None = None


class PauseProgress(NamedTuple):
    """How far a request to pause or resume an attempt has come; ``runs`` until it has ended."""

    job_id: str
    worker: str
    runs: bool
    pause: Pause

    @property
    def is_paused(self) -> bool:
        return self.runs and self.pause.since is not None

    @property
    def is_refused(self) -> bool:
        return self.runs and self.pause.problem is not None


class Output(NamedTuple):
    """What an attempt wrote to one stream: the bytes themselves, or a file that took its place.

    ``problem`` says what of it could not be kept, and why.
    """

    size: int
    data: bytes | None = None
    problem: str | None = None


_NOTHING = Output(0, b"")


class Outcome(NamedTuple):
    """How an attempt ended, as its runner saw it.

    ``state`` is ``COMPLETED``, ``FAILED``, ``TIMED_OUT``, ``CANCELLED`` or ``LOST``. ``tree_empty``
    is False while processes of the attempt are still being ended: the job is not run again before
    ``Queue.settle``.
    """

    state: AttemptState
    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    cpu_seconds: float = 0.0
    max_rss_bytes: int | None = None
    stdout: Output = _NOTHING
    stderr: Output = _NOTHING
    tree_empty: bool = True


class ProcessIdentity(NamedTuple):
    """A process that can't be mistaken for another: pid, start time and the boot it belongs to.

    ``start`` is field 22 of ``/proc/PID/stat`` (clock ticks since boot) on Linux, else the
    creation time in milliseconds.
    """

    pid: int
    start: int
    boot_id: str


class Worker(NamedTuple):
    """A supervisor or a worker process, as registered.

    ``heartbeat_age`` is in seconds. ``cpu_percent`` and ``rss_bytes`` include the running
    command's processes. ``count`` is how many workers a supervisor keeps; ``supervisor`` is the
    id of a worker's supervisor.
    """

    id: str
    kind: WorkerKind
    pool: str
    pid: int
    host: str
    state: WorkerState
    job: str | None
    attempt: int | None
    done: int
    failed: int
    started_at: int
    heartbeat_age: float
    cpu_percent: float | None
    rss_bytes: int | None
    queues: tuple[str, ...]
    supervisor: str | None
    count: int  # type: ignore[assignment]  # hides a method of tuples
    identity: ProcessIdentity
    is_job_paused: bool

    def serves(self, queue: str) -> bool:
        """Whether it takes jobs of that queue, if its pool isn't paused."""
        leaves = self.state in (WorkerState.STALE, WorkerState.DRAINING)
        takes = self.kind is WorkerKind.WORKER and not leaves
        return takes and (not self.queues or queue in self.queues)


class Orders(NamedTuple):
    """What people asked of a supervisor through the store."""

    count: int  # type: ignore[assignment]  # hides a method of tuples
    paused: bool
    stop: str | None
    """``None``, ``"drain"`` or ``"now"``."""


class Rate(NamedTuple):
    """At most ``starts`` attempts are begun in any ``seconds``."""

    starts: int
    seconds: float


class QueueInfo(NamedTuple):
    """A queue. ``slots`` are the values that running jobs get one each of, in ``slot_name``.

    ``waiting`` counts the jobs that are pending, or wait for their next attempt.
    At most ``max_per_label`` jobs with the same label run at once. ``rate_opens_at`` is when the
    next attempt may be begun (UTC milliseconds), while ``rate`` allows none.
    """

    name: str
    paused: bool
    max_running: int | None
    pending: int
    processing: int
    slot_name: str | None = None
    slots: tuple[str, ...] = ()
    waiting: int = 0
    max_per_label: int | None = None
    rate: Rate | None = None
    rate_opens_at: int | None = None


class QueueDepth(NamedTuple):
    """What ``queue list`` tells of one queue; ``completed_per_minute`` is over the last minute."""

    info: QueueInfo
    counts: Mapping[JobState, int]
    oldest_pending_seconds: float | None
    completed_per_minute: float


class Overlap(StrEnum):
    """What a tick does while the job of an earlier one is unfinished."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"


class Schedule(NamedTuple):
    """A recurring job: ``cron`` (five fields, or ``@daily`` and friends, in zone ``tz``) or
    ``every`` so many seconds. ``next_at`` is its next tick, ``last`` the newest job it made."""

    name: str
    cron: str | None
    every: float | None
    tz: str
    overlap: Overlap
    catch_up: bool
    paused: bool
    next_at: int
    job: NewJob
    last: Job | None


class Status(NamedTuple):
    """The store at a glance. ``per_minute`` holds (completed, failed) attempts for each of the last
    minutes, oldest first, the current one last; ``completed_per_minute`` is over the last 60 s."""

    counts: Mapping[JobState, int]
    workers_up: int
    workers_busy: int
    workers_stale: int
    queues: tuple[QueueInfo, ...]
    oldest_pending_seconds: float | None
    completed_per_minute: float
    per_minute: tuple[tuple[int, int], ...]

    def with_workers(self, known: Iterable[Worker]) -> Self:
        """The same, the workers among ``known`` counted anew."""
        crew = [worker for worker in known if worker.kind is WorkerKind.WORKER]
        up = [worker for worker in crew if worker.state is not WorkerState.STALE]
        return self._replace(
            workers_up=len(up),
            workers_busy=sum(worker.job is not None for worker in up),
            workers_stale=len(crew) - len(up),
        )


class Leftover(NamedTuple):
    """Unfinished jobs that will not run by themselves: of each paused queue; else held ones, and
    those blocked behind some that are not, of which ``behind`` names a few."""

    paused: Mapping[str, int]
    held: int
    blocked: int
    behind: tuple[tuple[str, JobState], ...]
    behind_more: bool


class Term(NamedTuple):
    """One condition of a filter; ``store.filtering`` reads them.

    ``field`` is empty where a text is looked for anywhere. ``test`` is ``has`` (a text that is in
    it, ignoring case), ``~`` (a regular expression), ``=`` (one of ``values``) or a comparison.
    Durations are seconds.
    """

    field: str
    test: str
    values: tuple[str, ...]
    negated: bool = False


class JobFilter(NamedTuple):
    """Which jobs are meant; every given part must hold.

    ``search`` looks for the text in id, command and label, ignoring case. ``error`` matches
    ``last_error`` exactly; an empty one means jobs of which no error was recorded. ``held`` tells
    whether the jobs are held. ``up_to`` is the number (``seq``) of the last job that is meant.
    """

    states: frozenset[JobState] = frozenset()
    queue: str | None = None
    label: str | None = None
    search: str | None = None
    exit_code: int | None = None
    error: str | None = None
    schedule: str | None = None
    held: bool | None = None
    terms: tuple[Term, ...] = ()
    up_to: int | None = None


class Order(NamedTuple):
    """A sort column, one of ``SORT_COLUMNS``, and its direction. Ties go by arrival."""

    column: str = "created"
    reverse: bool = False


SORT_COLUMNS = (
    "created",
    "updated",
    "finished",
    "state",
    "queue",
    "priority",
    "attempts",
    "run_at",
    "exit",
    "id",
    "command",
)


Placing = Callable[[int, int | None], int]
"""Chooses where a slice begins, told how long the list is and where the followed job stands."""


class Window(NamedTuple):
    """A slice of a sorted, filtered list: ``rows`` begin at ``offset`` of ``total``.

    ``position`` is where the job that was to be followed stands in the whole list.
    """

    total: int
    offset: int
    rows: tuple[Job, ...]
    position: int | None = None


class Snapshot(NamedTuple):
    """One consistent picture of the store, read in one transaction."""

    at: int
    status: Status
    workers: tuple[Worker, ...]
    window: Window


class ErrorGroup(NamedTuple):
    """Dead jobs that share a last error; an empty one where none was recorded."""

    error: str
    count: int  # type: ignore[assignment]  # hides a method of tuples
    example: str
