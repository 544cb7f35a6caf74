"""Jobs, their attempts, workers, settings, and the counts that make a glance cheap."""

STATEMENTS = (
    """
    CREATE TABLE job (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('pending', 'blocked', 'processing', 'failed',
                                             'completed', 'dead', 'cancelled')),
        ready INTEGER NOT NULL CHECK (ready IN (0, 1)),
        queue TEXT NOT NULL,
        priority INTEGER NOT NULL CHECK (priority BETWEEN -1000 AND 1000),
        run_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        max_retries INTEGER NOT NULL CHECK (max_retries BETWEEN 0 AND 1000),
        number INTEGER NOT NULL DEFAULT 0,
        lease INTEGER,
        held_by INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
        timeout REAL NOT NULL CHECK (timeout >= 0),
        stop_grace REAL,
        backoff_base REAL CHECK (backoff_base >= 1),
        command TEXT,
        argv TEXT,
        cwd TEXT NOT NULL,
        env TEXT,
        environment INTEGER REFERENCES environment (id),
        label TEXT,
        unique_key TEXT,
        on_dependency_failure TEXT NOT NULL DEFAULT 'hold'
            CHECK (on_dependency_failure IN ('hold', 'cancel', 'run')),
        schedule TEXT,
        tick INTEGER,
        slot INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        started_at INTEGER,
        finished_at INTEGER,
        exit_code INTEGER,
        signal INTEGER,
        last_error TEXT,
        worker TEXT,
        CHECK ((command IS NULL) <> (argv IS NULL)),
        CHECK ((state = 'processing') = (lease IS NOT NULL)),
        CHECK (ready = 0 OR (state IN ('pending', 'failed') AND held_by IS NULL)),
        CHECK (cancel_requested = 0 OR state = 'processing')
    ) STRICT
    """,
    "CREATE INDEX job_ready ON job (queue, priority DESC, seq) WHERE ready = 1",
    """
    CREATE INDEX job_due ON job (run_at)
    WHERE ready = 0 AND held_by IS NULL AND state IN ('pending', 'failed')
    """,
    "CREATE INDEX job_running ON job (queue, worker) WHERE lease IS NOT NULL",
    "CREATE INDEX job_held ON job (held_by) WHERE held_by IS NOT NULL",
    "CREATE INDEX job_state ON job (state, seq)",
    """
    CREATE UNIQUE INDEX job_unique_key ON job (unique_key)
    WHERE unique_key IS NOT NULL AND state NOT IN ('completed', 'dead', 'cancelled')
    """,
    """
    CREATE UNIQUE INDEX job_tick ON job (schedule, tick) WHERE schedule IS NOT NULL
    """,
    """
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'timed_out',
                                             'cancelled', 'released', 'lost')),
        worker TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        finished_at INTEGER,
        exit_code INTEGER,
        signal INTEGER,
        error TEXT,
        cpu_seconds REAL,
        max_rss_bytes INTEGER,
        stdout_bytes INTEGER,
        stderr_bytes INTEGER,
        stdout BLOB,
        stderr BLOB,
        UNIQUE (job, number)
    ) STRICT
    """,
    """
    CREATE TABLE dependency (
        job INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
        needs INTEGER NOT NULL REFERENCES job (seq),
        PRIMARY KEY (job, needs)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX dependency_needs ON dependency (needs)",
    """
    CREATE TABLE environment (
        id INTEGER PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        data TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE queue (
        name TEXT PRIMARY KEY,
        paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
        max_running INTEGER CHECK (max_running > 0),
        slot_name TEXT,
        slot_values TEXT
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE worker (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('supervisor', 'worker')),
        pool TEXT NOT NULL,
        supervisor INTEGER,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        start INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        queues TEXT NOT NULL,
        count INTEGER NOT NULL DEFAULT 0,
        paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
        stop TEXT CHECK (stop IN ('drain', 'now')),
        done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        started_at INTEGER NOT NULL,
        heartbeat_at INTEGER,
        cpu_percent REAL,
        rss_bytes INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE schedule (
        name TEXT PRIMARY KEY,
        cron TEXT,
        every REAL CHECK (every > 0),
        tz TEXT NOT NULL,
        overlap TEXT NOT NULL CHECK (overlap IN ('allow', 'skip', 'queue')),
        catch_up INTEGER NOT NULL CHECK (catch_up IN (0, 1)),
        paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
        next_at INTEGER NOT NULL,
        job TEXT NOT NULL,
        environment INTEGER REFERENCES environment (id),
        created_at INTEGER NOT NULL,
        CHECK ((cron IS NULL) <> (every IS NULL))
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE ended (
        job INTEGER PRIMARY KEY REFERENCES job (seq) ON DELETE CASCADE
    ) STRICT
    """,
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO meta VALUES ('store_id', lower(hex(randomblob(8))))",
    """
    CREATE TABLE throughput (
        bucket INTEGER NOT NULL,
        queue TEXT NOT NULL,
        completed INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (bucket, queue)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE job_count (
        queue TEXT NOT NULL,
        state TEXT NOT NULL,
        jobs INTEGER NOT NULL,
        PRIMARY KEY (queue, state)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TRIGGER count_deleted AFTER DELETE ON job BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE queue = OLD.queue AND state = OLD.state;
    END
    """,
    """
    CREATE TRIGGER count_moved AFTER UPDATE OF state, queue ON job
    WHEN OLD.state <> NEW.state OR OLD.queue <> NEW.queue BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE queue = OLD.queue AND state = OLD.state;
        INSERT INTO job_count VALUES (NEW.queue, NEW.state, 1)
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END
    """,
)
