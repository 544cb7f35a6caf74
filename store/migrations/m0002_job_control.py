"""Jobs that are held, paused, limited by rate and label, and told how to judge an exit code."""

STATEMENTS = (
    """
    ALTER TABLE job ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (
        held = 0 OR (held = 1 AND ready = 0 AND state IN ('pending', 'blocked', 'failed')))
    """,
    """
    ALTER TABLE job ADD COLUMN parked INTEGER NOT NULL DEFAULT 0 CHECK (
        parked = 0 OR (parked = 1 AND ready = 0 AND state IN ('pending', 'failed')))
    """,
    """
    ALTER TABLE job ADD COLUMN keep_children INTEGER NOT NULL DEFAULT 0
        CHECK (keep_children IN (0, 1))
    """,
    "ALTER TABLE job ADD COLUMN nice INTEGER NOT NULL DEFAULT 0 CHECK (nice BETWEEN 0 AND 19)",
    "ALTER TABLE job ADD COLUMN fail_on TEXT",
    "ALTER TABLE job ADD COLUMN success_exit_codes TEXT",
    "ALTER TABLE job ADD COLUMN backoff_delay REAL CHECK (backoff_delay >= 0)",
    "ALTER TABLE job ADD COLUMN backoff_max REAL CHECK (backoff_max >= 0)",
    "ALTER TABLE job ADD COLUMN backoff_jitter REAL CHECK (backoff_jitter BETWEEN 0 AND 1)",
    "ALTER TABLE job ADD COLUMN cancel_signal INTEGER",
    "DROP INDEX job_due",
    """
    CREATE INDEX job_due ON job (run_at) WHERE ready = 0 AND held_by IS NULL AND held = 0
    AND parked = 0 AND state IN ('pending', 'failed')
    """,
    "CREATE INDEX job_on_hold ON job (queue, state) WHERE held = 1",
    "CREATE INDEX job_parked ON job (queue, label, priority DESC, seq) WHERE parked = 1",
    """
    CREATE INDEX job_parked_pending ON job (queue, run_at)
    WHERE parked = 1 AND state = 'pending'
    """,
    "ALTER TABLE attempt ADD COLUMN pause_requested INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE attempt ADD COLUMN paused_since INTEGER",
    "ALTER TABLE attempt ADD COLUMN paused_seconds REAL NOT NULL DEFAULT 0",
    "ALTER TABLE attempt ADD COLUMN pause_problem TEXT",
    "ALTER TABLE attempt ADD COLUMN children_ended INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE queue ADD COLUMN max_per_label INTEGER CHECK (max_per_label > 0)",
    "ALTER TABLE queue ADD COLUMN rate_starts INTEGER CHECK (rate_starts > 0)",
    "ALTER TABLE queue ADD COLUMN rate_seconds REAL CHECK (rate_seconds > 0)",
    """
    CREATE TABLE queue_start (
        queue TEXT NOT NULL,
        number INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        PRIMARY KEY (queue, number)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX queue_start_time ON queue_start (queue, started_at)",
    """
    CREATE TABLE pool (
        name TEXT PRIMARY KEY,
        paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))
    ) STRICT, WITHOUT ROWID
    """,
    "ALTER TABLE job_count ADD COLUMN changes INTEGER NOT NULL DEFAULT 0",
    "DROP TRIGGER count_deleted",
    """
    CREATE TRIGGER count_deleted AFTER DELETE ON job BEGIN
        UPDATE job_count SET jobs = jobs - 1, changes = changes + 1
        WHERE queue = OLD.queue AND state = OLD.state;
    END
    """,
    "DROP TRIGGER count_moved",
    """
    CREATE TRIGGER count_moved AFTER UPDATE OF state, queue ON job
    WHEN OLD.state <> NEW.state OR OLD.queue <> NEW.queue BEGIN
        UPDATE job_count SET jobs = jobs - 1, changes = changes + 1
        WHERE queue = OLD.queue AND state = OLD.state;
        INSERT INTO job_count VALUES (NEW.queue, NEW.state, 1, 0)
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END
    """,
    """
    CREATE TRIGGER count_forgotten BEFORE DELETE ON job_count BEGIN
        INSERT INTO meta VALUES ('changes', OLD.changes)
        ON CONFLICT DO UPDATE SET value = value + OLD.changes;
    END
    """,
)
