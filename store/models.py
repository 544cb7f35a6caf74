"""The peewee models, private to this package: what the tables of the migrations hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    DoubleField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)


class Queries(SqliteDatabase):
    """Executes peewee's queries on a connection that is open already, inside its transaction."""

    def __init__(self, connection: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(None)
        self._connection = connection

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> sqlite3.Cursor:
        return self._connection().execute(sql, params or ())


class JobRow(Model):
    seq = AutoField()
    id = TextField(unique=True)
    state = TextField()
    ready = BooleanField()
    queue = TextField()
    priority = IntegerField()
    run_at = BigIntegerField()
    attempts = IntegerField()
    max_retries = IntegerField()
    number = IntegerField()
    lease = BigIntegerField(null=True)
    held_by = BigIntegerField(null=True)
    cancel_requested = BooleanField()
    timeout = DoubleField()
    stop_grace = DoubleField(null=True)
    backoff_base = DoubleField(null=True)
    command = TextField(null=True)
    argv = TextField(null=True)
    cwd = TextField()
    env = TextField(null=True)
    environment = IntegerField(null=True)
    label = TextField(null=True)
    unique_key = TextField(null=True)
    on_dependency_failure = TextField()
    schedule = TextField(null=True)
    tick = BigIntegerField(null=True)
    slot = IntegerField(null=True)
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    started_at = BigIntegerField(null=True)
    finished_at = BigIntegerField(null=True)
    exit_code = IntegerField(null=True)
    signal = IntegerField(null=True)
    last_error = TextField(null=True)
    worker = TextField(null=True)
    held = BooleanField()
    parked = BooleanField()
    keep_children = BooleanField()
    nice = IntegerField()
    fail_on = TextField(null=True)
    success_exit_codes = TextField(null=True)
    backoff_delay = DoubleField(null=True)
    backoff_max = DoubleField(null=True)
    backoff_jitter = DoubleField(null=True)
    cancel_signal = IntegerField(null=True)

    class Meta:
        table_name = "job"


class AttemptRow(Model):
    id = AutoField()
    job = BigIntegerField()
    number = IntegerField()
    state = TextField()
    worker = TextField()
    started_at = BigIntegerField()
    finished_at = BigIntegerField(null=True)
    exit_code = IntegerField(null=True)
    signal = IntegerField(null=True)
    error = TextField(null=True)
    cpu_seconds = DoubleField(null=True)
    max_rss_bytes = BigIntegerField(null=True)
    stdout_bytes = BigIntegerField(null=True)
    stderr_bytes = BigIntegerField(null=True)
    stdout = BlobField(null=True)
    stderr = BlobField(null=True)
    pause_requested = BooleanField()
    paused_since = BigIntegerField(null=True)
    paused_seconds = DoubleField()
    pause_problem = TextField(null=True)
    children_ended = IntegerField()

    class Meta:
        table_name = "attempt"


class DependencyRow(Model):
    job = BigIntegerField()
    needs = BigIntegerField()

    class Meta:
        table_name = "dependency"
        primary_key = CompositeKey("job", "needs")


class QueueRow(Model):
    name = TextField(primary_key=True)
    paused = BooleanField()
    max_running = IntegerField(null=True)
    slot_name = TextField(null=True)
    slot_values = TextField(null=True)
    max_per_label = IntegerField(null=True)
    rate_starts = IntegerField(null=True)
    rate_seconds = DoubleField(null=True)

    class Meta:
        table_name = "queue"


class WorkerRow(Model):
    seq = AutoField()
    kind = TextField()
    pool = TextField()
    supervisor = IntegerField(null=True)
    host = TextField()
    pid = IntegerField()
    start = BigIntegerField()
    boot_id = TextField()
    queues = TextField()
    count = IntegerField(default=0)
    paused = BooleanField(default=False)
    stop = TextField(null=True)
    done = IntegerField(default=0)
    failed = IntegerField(default=0)
    started_at = BigIntegerField()
    heartbeat_at = BigIntegerField(null=True)
    cpu_percent = DoubleField(null=True)
    rss_bytes = BigIntegerField(null=True)

    class Meta:
        table_name = "worker"


class SettingRow(Model):
    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "setting"


class JobCountRow(Model):
    queue = TextField()
    state = TextField()
    jobs = IntegerField()
    changes = IntegerField()

    class Meta:
        table_name = "job_count"
        primary_key = CompositeKey("queue", "state")


class ThroughputRow(Model):
    bucket = BigIntegerField()
    queue = TextField()
    completed = IntegerField()
    failed = IntegerField()

    class Meta:
        table_name = "throughput"
        primary_key = CompositeKey("bucket", "queue")
