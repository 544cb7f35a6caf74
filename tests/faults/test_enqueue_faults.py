"""What ``enqueue`` is given may be nonsense, and it may be killed at any moment."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl_tui.cli import root
from store import open_store
from tests.faults.outside import Program

KILLS = 100
AT_ONCE = 4
BATCH = 4

# -- Killed


def test_what_a_killed_enqueue_printed_is_stored(tmp_path: Path) -> None:
    dice = random.Random(3)
    db = tmp_path / "queue.db"
    program = Program(str(db))
    open_store(str(db)).close()
    acknowledged: list[str] = []
    said: Counter[str] = Counter()
    killed = tried = 0
    latest = 0.4
    while killed < KILLS:
        batch = [start(program, tmp_path, tried + number) for number in range(AT_ONCE)]
        began_at = time.monotonic()
        for process in batch:
            pause = began_at + dice.uniform(0.05, latest) - time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, pause))
            process.send_signal(signal.SIGKILL)
        for process in batch:
            out, _ = process.communicate(timeout=30)
            killed += process.returncode == -signal.SIGKILL
            whole = [line for line in out.decode().splitlines(keepends=True) if line[-1] == "\n"]
            acknowledged += [line.strip() for line in whole]
            said[f"{process.returncode}"] += 1
            latest *= 1.05 if not whole else 0.9  # a third of them should come that far
        tried += AT_ONCE

    queue = open_store(str(db), create=False)
    stored = {job.id for job in queue.jobs()}
    labels = Counter(job.label for job in queue.jobs())
    queue.close()
    assert set(acknowledged) <= stored
    assert len(acknowledged) == len(set(acknowledged))
    assert set(labels.values()) <= {BATCH}  # all of a batch, or none
    assert len(labels) >= KILLS // 20, said
    assert tried - len(labels) >= KILLS // 20, said
    with closing(sqlite3.connect(db)) as raw:
        assert raw.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def start(program: Program, folder: Path, number: int) -> subprocess.Popen[bytes]:
    source = folder / f"batch{number}.json"
    jobs = [{"command": "true", "label": f"batch{number}"} for _ in range(BATCH)]
    source.write_text(json.dumps(jobs))
    return program.start("--enqueue", str(source), stderr=subprocess.DEVNULL)


# -- Nonsense

_NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_other = {
    "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "list": st.lists(st.integers(), max_size=3),
    "object": st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    "bool": st.booleans(),
    "text": st.text(max_size=20),
}


def _no(*kinds: str) -> st.SearchStrategy[Any]:
    """A value of none of these kinds."""
    return st.one_of([values for kind, values in _other.items() if kind not in kinds])


def _outside(low: int, high: int) -> st.SearchStrategy[Any]:
    return st.integers(max_value=low - 1) | st.integers(min_value=high + 1) | _no("number")


_no_name = st.text().filter(lambda text: not _NAMES.fullmatch(text)) | _no("text")
_no_duration = (
    st.floats(max_value=-0.001, allow_nan=False) | _no("number", "text") | st.just("soon")
)
_wrong = {
    "command": _no("text") | st.just("") | st.just(" \t") | st.just("a\0b"),
    "argv": _no("list") | st.just([]) | st.lists(_no("text"), min_size=1, max_size=3),
    "id": _no_name,
    "max_retries": _outside(0, 1000) | st.just(1.5),
    "queue": _no_name,
    "priority": _outside(-1000, 1000) | st.just(0.5),
    "run_at": _no("text", "number") | st.just("tomorrow") | st.just("2026-02-30T00:00:00Z"),
    "delay": _no_duration,
    "timeout": _no_duration,
    "stop_grace": _no_duration,
    "cwd": _no("text") | st.just("relative/path"),
    "env": _no("object") | st.dictionaries(st.text("AB", min_size=1), _no("text"), min_size=1),
    "label": _no("text") | st.text(min_size=201, max_size=210),
    "depends_on": _no("list") | st.lists(_no_name, min_size=1, max_size=2) | st.just(["nowhere"]),
    "unique_key": _no("text") | st.just(""),
    "backoff_base": st.floats(max_value=0.99, allow_nan=False) | _no("number"),
}


@st.composite
def _bad_documents(draw: st.DrawFn) -> bytes:
    """One job with something wrong, among good ones; an array, or a line for each."""
    field = draw(st.sampled_from(sorted(_wrong)))
    bad: dict[str, Any] = {} if field in ("command", "argv") else {"command": "true"}
    bad[field] = draw(_wrong[field])
    jobs: list[Any] = [{"command": "true"} for _ in range(draw(st.integers(0, 3)))]
    jobs.insert(draw(st.integers(0, len(jobs))), bad)
    if draw(st.booleans()):
        return json.dumps(jobs).encode()
    return "\n".join(map(json.dumps, jobs)).encode()


@st.composite
def _broken_documents(draw: st.DrawFn) -> bytes:
    """A good document with its end or a byte missing, or bytes put in."""
    text = b'[{"command": "true", "id": "a1", "env": {"A": "b"}}]'
    at = draw(st.integers(0, len(text) - 1))
    how = draw(st.sampled_from(["cut", "swap", "double"]))
    if how == "cut":
        return text[:at]
    if how == "double":
        return text + text
    return text[:at] + draw(st.sampled_from([b"\xff", b"\0", b"\x01", b"\\"])) + text[at + 1 :]


@given(document=_bad_documents() | _broken_documents())
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_nonsense_is_stored(document: bytes) -> None:
    before = contents()

    result = CliRunner().invoke(root, ["--db", str(store()), "enqueue", "--file", "-"], document)

    assert result.exit_code == 2, document
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.isprintable()
    assert contents() == before


_folder: list[tempfile.TemporaryDirectory[str]] = []


def store() -> Path:
    """One for all examples, with a job in it."""
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory())
        path = str(Path(_folder[0].name, "queue.db"))
        assert CliRunner().invoke(root, ["--db", path, "enqueue", "true"]).exit_code == 0
    return Path(_folder[0].name, "queue.db")


def contents() -> list[str]:
    with closing(sqlite3.connect(store())) as raw:
        return list(raw.iterdump())
