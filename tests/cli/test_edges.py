"""Where the command line meets the world: stores, streams, signals, start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl_tui import __version__
from store.queue import Queue
from tests.cli.conftest import PROJECT, Cli, Program, eventually, one_error

Ok = Callable[..., str]


# -- Which store


def test_db_before_or_after_the_command_or_from_the_environment(
    ok: Ok, db: Path, tmp_path: Path
) -> None:
    other = str(tmp_path / "other.db")
    ok("--db", other, "enqueue", "--id", "a", "x")
    ok("enqueue", "--id", "b", "x")

    for words in (
        ("--db", other, "list"),
        ("list", "--db", other),
        ("list", f"--db=sqlite:///{other}"),
    ):
        assert [job["id"] for job in json.loads(ok(*words, "--json"))] == ["a"]
    assert ok("dlq", "list", "--json", "--db", other) == ok("dlq", "--db", other, "list", "--json")
    assert [job["id"] for job in json.loads(ok("list", "--json"))] == ["b"]
    assert db.exists()


def test_the_default_store(program: Program, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    del program.environ["QUEUECTL_DB"]
    program.environ |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data")}

    assert program.run("enqueue", "x").returncode == 0
    assert [path.name for path in home.rglob("queue.db")] == ["queue.db"]


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "show a",
        "logs a",
        "status",
        "wait --all",
        "cancel a",
        "retry a",
        "edit a --priority 1",
        "delete a -y",
        "prune -y",
        "dlq list",
        "dlq retry --all",
        "dlq delete --all -y",
        "queue list",
        "queue pause a",
        "schedule list",
        "schedule pause a",
        "schedule remove a -y",
        "worker stop",
        "worker list",
        "worker scale 2",
        "worker pause",
        "config list",
        "config get backoff_base",
        "config unset backoff_base",
        "backup copy.db",
        "doctor",
    ],
)
def test_what_stores_nothing_makes_no_store(cli: Cli, tmp_path: Path, words: str) -> None:
    missing = tmp_path / "new" / "queue.db"
    result = cli("--db", str(missing), *words.split())
    assert result.exit_code == 1
    said = result.stdout if words == "doctor" else one_error(result)
    assert f"no store at {missing}; enqueue makes one" in "".join(said.split("\n"))
    assert not missing.parent.exists()


@pytest.mark.parametrize(
    "words",
    [
        "enqueue x",
        "schedule add a --every 1h x",
        "config set backoff_base 3",
        "queue set a --max-running 1",
    ],
)
def test_what_stores_something_makes_the_store(ok: Ok, tmp_path: Path, words: str) -> None:
    new = tmp_path / "new" / "queue.db"
    ok("--db", str(new), *words.split())
    assert new.exists()


def test_a_dry_run_makes_no_store_but_checks_all_the_same(cli: Cli, tmp_path: Path) -> None:
    missing = tmp_path / "new" / "queue.db"
    dry = ("--db", str(missing), "enqueue", "--dry-run")
    assert cli(*dry, "--id", "a", "x").stdout == "a\n"
    result = cli(*dry, "--depends-on", "b", "x")
    assert result.exit_code == 2
    assert "b" in one_error(result)
    assert not missing.parent.exists()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://host/name", "not supported yet"),
        ("/proc/nowhere/queue.db", "/proc/nowhere"),
        ("", "address"),
        ("file:/tmp/queue.db", "address"),
        ("sqlite:queue.db", "address"),
        ("/etc/passwd", "/etc/passwd is not a queuectl-tui store"),
    ],
)
def test_a_store_that_cannot_be_opened(url: str, error: str, cli: Cli) -> None:
    result = cli("--db", url, "list")

    assert result.exit_code == 1
    assert error in one_error(result)


def test_a_file_that_is_no_store(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1000)
    path.chmod(0o600)

    assert cli("--db", str(path), "enqueue", "x").exit_code == 1
    assert path.read_text() == "my notes\n" * 1000


# -- The command line itself


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("lst",), "no such command: lst; did you mean list?"),
        (("dlq", "lst"), "list"),
        (("worker", "strat"), "start"),
        (("list", "--jsn"), "--json"),
        (("list", "extra"), "extra"),
        (("show",), "ID"),
        (("--db",), "--db"),
        (("--enqueue",), "'--enqueue' requires"),
        (("--db", "x", "--enqueue"), "'--enqueue' requires"),
    ],
)
def test_bad_usage(words: tuple[str, ...], error: str, cli: Cli) -> None:
    result = cli(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert error in one_error(result)


def test_without_a_command_and_a_terminal(program: Program) -> None:
    result = program.run()

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"Usage: queuectl-tui")
    assert result.stderr.splitlines()[-1].startswith(b"Error: without a terminal, give a command")


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        ("config", "list, get, set, unset"),
        ("dlq", "list, retry, delete"),
        ("queue", "list, pause, resume, set, remove"),
        ("schedule", "add, list, show, pause, resume, remove"),
        ("worker", "start, stop, list, scale, pause, resume"),
    ],
)
def test_a_group_without_a_command_names_those_it_has(group: str, commands: str, cli: Cli) -> None:
    result = cli(group)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: give a command: {commands} (queuectl-tui {group} --help)\n"


def test_help_and_version(ok: Ok) -> None:
    assert ok("--version") == f"queuectl-tui, version {__version__}\n"
    assert ok("-V") == ok("--version")
    assert ok("-h") == ok("--help")
    for name in ("enqueue", "list", "logs", "dlq", "worker", "config", "demo"):
        assert f"\n  {name} " in ok("--help")
        assert "--db" in ok(name, "--help")


# -- Start-up

_HEAVY = {
    *("peewee", "sqlite3", "textual", "rich", "psutil", "platformdirs", "asyncio", "zoneinfo"),
    *("dataclasses", "hashlib", "logging", "socket", "shutil", "tempfile", "random", "pathlib"),
    *("json", "difflib", "signal", "unicodedata", "cronsim", "importlib.metadata"),
}
_STORE = {"sqlite3", "pathlib", "unicodedata", "json"}
_PEEWEE = {"peewee", "hashlib", "logging", "socket"}
_LOADED = """
import sys
from queuectl_tui.cli import root
try:
    root.main(sys.argv[1:], "queuectl-tui")
except SystemExit as exit:
    print(*sorted(sys.modules), file=sys.stderr)
    sys.exit(exit.code)
"""


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--version",), set()),
        (("--help",), _HEAVY - {"peewee", "sqlite3", "textual", "rich", "psutil", "asyncio"}),
        (("enqueue", "--help"), {"json", "shutil"}),
        (("worker", "start", "--help"), _HEAVY - {"peewee", "sqlite3", "textual", "psutil"}),
        (("enqueue", "x"), _STORE | {"hashlib", "random"}),
        (("status",), _STORE),
        (("config", "list"), _STORE),
        (("list",), _STORE | _PEEWEE),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(
    words: tuple[str, ...], allowed: set[str], db: Path
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _LOADED, *words],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        check=True,
    )

    loaded = set(result.stderr.splitlines()[-1].split())
    assert "queuectl_tui" in loaded
    assert loaded & (_HEAVY - allowed) == set()


# -- Streams and signals


@pytest.fixture
def many(queue: Queue, ok: Ok) -> None:
    ok("enqueue", "-", stdin='{"command":"echo a line that fills a pipe"}\n' * 3000)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("words", [("list", "--json"), ("list", "--limit", "3000"), ("--help",)])
def test_a_closed_pipe_is_silent(words: tuple[str, ...], program: Program) -> None:
    process = program.start(*words)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()

    assert process.stderr.read() in (b"", b"3000 of 3000\n")
    assert process.wait(10) == 0
    process.stderr.close()


def test_a_pipe_that_was_never_open(program: Program) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    process = program.start("status", "--json", stdout=writer)
    os.close(writer)

    assert process.communicate(timeout=10)[1] == b""
    assert process.returncode == 0


def test_a_full_disk_under_stdout(program: Program, queue: Queue) -> None:
    with open("/dev/full", "wb") as full:
        process = program.start("enqueue", "x", stdout=full)
        error = process.communicate(timeout=10)[1]

    assert process.returncode == 1
    assert error.splitlines()[-1] == b"Error: standard output: No space left on device"
    assert b"Traceback" not in error
    assert queue.count() == 1


def test_narration_that_cannot_be_written_is_dropped(program: Program, queue: Queue) -> None:
    with open("/dev/full", "wb") as full:
        process = program.start("enqueue", "--id", "a", "x", stderr=full)
        out = process.communicate(timeout=10)[0]

    assert (process.returncode, out) == (0, b"a\n")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_not_given_to_the_store(closed: int, db: Path, queue: Queue) -> None:
    command = [sys.executable, "-m", "queuectl_tui", "enqueue", "x"]
    process = subprocess.run(
        ["/bin/sh", "-c", f'exec {closed}>&-; exec "$@"', "sh", *command],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )

    assert process.returncode == 0
    assert b"Traceback" not in process.stderr
    assert queue.count() == 1


def test_text_that_the_terminal_cannot_show(program: Program) -> None:
    program.environ |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    assert program.run("enqueue", "--id", "a", "echo 日本").returncode == 0
    assert b"echo ??" in program.run("list").stdout
    assert "echo 日本".encode() in program.run("list", "--json").stdout


@pytest.mark.parametrize("words", [("wait", "a"), ("logs", "-f", "a"), ("status", "--watch")])
def test_an_interrupt(words: tuple[str, ...], program: Program, ok: Ok) -> None:
    ok("enqueue", "--id", "a", "x")
    process = program.start(*words)
    store_is_open = f"/proc/{process.pid}/fd"
    eventually(
        lambda: any("queue.db" in _target(store_is_open, fd) for fd in _listed(store_is_open))
    )

    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=10)[1]

    assert process.returncode == 130
    assert b"Traceback" not in error


def _listed(folder: str) -> list[str]:
    return os.listdir(folder)


def _target(folder: str, name: str) -> str:
    try:
        return os.readlink(f"{folder}/{name}")
    except OSError:
        return ""


@pytest.mark.parametrize(
    "words",
    [
        ("show", "\udcff"),
        ("cancel", "--search", "\udcff"),
        ("list", "--label", "\udcff"),
        ("edit", "--in-queue", "\udcff", "--label", "x"),
        ("enqueue", "--label", "\udcff", "x"),
        ("queue", "set", "mail", "--slot-env", "A=\udcff"),
        ("schedule", "add", "n", "--every", "5", "--label", "\udcff", "x"),
    ],
)
def test_arguments_that_are_no_text(words: tuple[str, ...], cli: Cli) -> None:
    result = cli(*words)

    assert (result.exit_code, "UTF-8" in one_error(result)) == (2, True)
