"""The store that the pictures show: an hour of a web server's queue, the same every time."""

from __future__ import annotations

from random import Random

from store import (
    AttemptState,
    NewJob,
    Outcome,
    Output,
    Overlap,
    ProcessIdentity,
    Stream,
    WorkerKind,
)
from store.queue import Queue

NOW = 1_796_034_600_000  # 2026-11-30T10:30:00Z
TAR = b"".join(b"data/www/app/assets/chunk-%03d.js\n" % number for number in range(1, 41))
ENCODE = b"".join(b"frame=%5d fps= 48 q=28.0 size=%7dKiB\n" % (n * 240, n * 911) for n in range(9))
_HOST = "web-2"  # not the one that shows them, which would look whether these processes run


class Clock:
    """The store's time while the past is told."""

    def __init__(self) -> None:
        self.now = NOW - 3_600_000

    def __call__(self) -> int:
        return self.now


def seed(queue: Queue, clock: Clock) -> None:
    """Fills the store; the clock stands at ``NOW`` then."""
    supervisor = queue.registry.register(
        WorkerKind.SUPERVISOR, pool="default", host=_HOST, identity=_process(41229), count=4
    )
    workers = [
        queue.registry.register(
            WorkerKind.WORKER,
            pool="default",
            host=_HOST,
            identity=_process(41230 + number),
            supervisor=supervisor,
        )
        for number in range(4)
    ]
    chance = Random(4)
    for number in range(180):
        clock.now += 18_000
        _run(queue, workers[number % 4], number, chance)
    clock.now = NOW - 250_000
    _start(
        queue, workers[0], NewJob(id="www-backup", command="tar czf /srv/backup.tgz /data/www"), TAR
    )
    clock.now = NOW - 64_000
    film = NewJob(id="intro-film", argv=("ffmpeg", "-i", "in.mov", "-crf", "28", "out.mp4"))
    _start(queue, workers[1], film, ENCODE)
    clock.now = NOW - 42_000
    mail = NewJob(id="mail-17", command="./send.sh batch-17", queue="mail", max_retries=4)
    _fail(queue, workers[2], mail, 75, "smtp.example.com: 451 try again later")
    _name_queues(queue)
    queue.enqueue(
        [
            NewJob(id="report", command="make report", depends_on=("www-backup",), label="monthly"),
            NewJob(id="publish", command="./publish.sh report.pdf", depends_on=("report",)),
            NewJob(id="announce", command="./send.sh monthly", depends_on=("publish",)),
            NewJob(id="nightly", command="./nightly.sh", delay=5_400, queue="nightly"),
            NewJob(id="thumbs", command="[ -f /tmp/x ] && rm /tmp/x"),
            NewJob(id="sync-eu", command="rsync -a /data/ eu:/data/", priority=5),
        ]
    )
    clock.now = NOW
    for name in (supervisor, *workers):
        queue.registry.heartbeat(name)
    queue.registry.report(
        {
            supervisor: (0.2, 28 << 20),
            **{
                worker: (cpu, rss << 20)
                for worker, cpu, rss in zip(
                    workers, (88.1, 142.0, 0.1, 0.1), (120, 371, 27, 27), strict=True
                )
            },
        },
        silence={},
    )


def _name_queues(queue: Queue) -> None:
    queue.queues.set_max_running("mail", 2)
    queue.queues.set_slots("gpu", "CUDA_VISIBLE_DEVICES", ("0", "1"))
    schedules = queue.schedules
    backup = NewJob(command="./backup.sh --all", cwd="/srv")
    schedules.add("nightly", backup, cron="0 3 * * *", tz="Europe/Berlin")
    ping = NewJob(command="curl -fsS https://example.org/ping", cwd="/srv")
    schedules.add("heartbeat", ping, every=600.0, tz="UTC", overlap=Overlap.ALLOW)
    rotate = NewJob(command="./rotate-logs.sh", cwd="/srv")
    schedules.add("rotate", rotate, cron="15 4 * * 0", tz="UTC", catch_up=True)
    schedules.set_paused(["rotate"], True)


def _run(queue: Queue, worker: str, number: int, chance: Random) -> None:
    if number % 23 == 11:
        job = NewJob(
            id=f"fetch-{number}", command=f"curl -fsS https://api/v2/{number}", max_retries=0
        )
        _fail(queue, worker, job, 22, "curl: (22) The requested URL returned error: 503")
        return
    queue.enqueue(
        [NewJob(id=f"resize-{number}", command=f"convert img/{number}.png -resize 50% -")]
    )
    lease = queue.claim(worker)
    assert lease is not None
    queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, cpu_seconds=chance.random()))


def _start(queue: Queue, worker: str, job: NewJob, printed: bytes) -> None:
    queue.enqueue([job])
    assert queue.claim(worker) is not None
    queue.folders.scratch(worker, Stream.STDOUT).write_bytes(printed)


def _fail(queue: Queue, worker: str, job: NewJob, exit_code: int, said: str) -> None:
    queue.enqueue([job])
    lease = queue.claim(worker)
    assert lease is not None
    error = f"exit code {exit_code}: {said}"
    printed = Output(len(said) + 1, f"{said}\n".encode())
    outcome = Outcome(AttemptState.FAILED, exit_code=exit_code, error=error, stderr=printed)
    queue.finish(lease, outcome)


def _process(pid: int) -> ProcessIdentity:
    return ProcessIdentity(pid, 1, "boot")
