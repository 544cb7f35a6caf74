"""Settings: name, kind, bounds, default and meaning in one table; values live in the store."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from store.database import Database
from store.errors import InvalidInput
from store.fielderrors import did_you_mean
from store.kinds import MAX_COMMAND_BYTES
from store.timespec import parse_duration, require_unit

Value = int | float | str


class Setting(NamedTuple):
    """One setting. ``parse`` turns its text into its value or raises ``InvalidInput``.

    With ``needs_unit`` no number of seconds is taken for it; one that was stored earlier counts.
    """

    name: str
    default: str
    help: str
    parse: Callable[[str], Value]
    needs_unit: bool = False

    def check(self, text: str) -> Value:
        """The value of what somebody wrote. Raises ``InvalidInput`` that names the setting."""
        try:
            if self.needs_unit:
                require_unit(text)
            return self.parse(text)
        except InvalidInput as error:
            raise InvalidInput(f"{self.name}: {error}") from None


class Settings:
    """The store's settings, shared by every process that has it open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        defaults: Mapping[str, Value] = _parse({})
        self._parsed: tuple[list[tuple[str, str]], Mapping[str, Value]] = ([], defaults)
        self._held = (0, defaults)

    def get(self, name: str) -> str:
        """The setting as text, as ``set`` takes it. Raises ``InvalidInput`` for an unknown name."""
        setting = lookup(name)
        return self._stored().get(setting.name, setting.default)

    def set(self, name: str, text: str) -> None:
        """Store a value. Raises ``InvalidInput`` and changes nothing when it is not acceptable."""
        setting = lookup(name)
        setting.check(text)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = ?2",
                (setting.name, text.strip()),
            )

    def unset(self, name: str) -> None:
        """Go back to the default."""
        setting = lookup(name)
        with self._database.write() as connection:
            connection.execute("DELETE FROM setting WHERE name = ?", (setting.name,))

    def items(self) -> list[tuple[Setting, str]]:
        """Every setting with its current text."""
        stored = self._stored()
        return [
            (setting, stored.get(setting.name, setting.default)) for setting in SETTINGS.values()
        ]

    def values(self) -> Mapping[str, Value]:
        """Every setting, parsed; the default where this version can't read the stored text."""
        transaction = self._database.transaction
        if transaction is not None and transaction == self._held[0]:
            return self._held[1]  # nobody can have changed them
        rows = self._rows()
        known, values = self._parsed
        if rows != known:
            values = _parse(dict(rows))
            self._parsed = (rows, values)
        if transaction is not None:
            self._held = (transaction, values)
        return values

    def values_with(self, name: str, text: str | None) -> Mapping[str, Value]:
        """``values`` as they would be with a setting set, or without one. Raises like ``set``."""
        setting = lookup(name)
        value = setting.parse(setting.default) if text is None else setting.check(text)
        return {**self.values(), setting.name: value}

    def _stored(self) -> dict[str, str]:
        return dict(self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        with self._database.look() as connection:
            return connection.execute("SELECT name, value FROM setting").fetchall()


def _parse(stored: Mapping[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, setting in SETTINGS.items():
        try:
            values[name] = setting.parse(stored.get(name, setting.default))
        except InvalidInput:
            values[name] = setting.parse(setting.default)
    return values


def lookup(name: str) -> Setting:
    """The setting people mean: ``-`` and ``_`` are the same, ``max-retries`` is an alias."""
    folded = name.strip().lower().replace("-", "_")
    folded = ALIASES.get(folded, folded)
    if folded in SETTINGS:
        return SETTINGS[folded]
    hint = did_you_mean(folded, SETTINGS) or f"; there are {', '.join(SETTINGS)}"
    raise InvalidInput(f"no such setting: {name[:60]!r}{hint}")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]{1,12}", text.strip()) and low <= int(text) <= high:
            return int(text)
        raise InvalidInput(f"must be an integer from {low} to {high}, not {text[:60]!r}")

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        raise InvalidInput(f"must be a number from {low:g} to {high:g}, not {text[:60]!r}")

    return parse


def _duration(text: str) -> float:
    return parse_duration(text)


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})(?:\.0*)? ?([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidInput(f"must be a size such as 512K, 64 MiB or 2G, not {text[:60]!r}")
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")


def _output_limit(text: str) -> int:
    size = _size(text)
    if 0 < size < 8192:
        raise InvalidInput(f"must be 0 or at least 8 KiB, not {text[:60]!r}")
    return size


def _shell(text: str) -> str:
    import shlex

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidInput(f"cannot be split into words ({error})") from None
    if not words or "\0" in text:
        raise InvalidInput("must name a program, as in: /bin/sh -c")
    return text


def _hook(text: str) -> str:
    if "\0" in text or len(text.encode()) > MAX_COMMAND_BYTES:
        raise InvalidInput(f"must be at most {MAX_COMMAND_BYTES} bytes, without a NUL")
    return text.strip()


def _patterns(text: str) -> str:
    for word in text.split():
        if not re.fullmatch(r"[A-Za-z0-9_*?]+", word):
            raise InvalidInput(f"must be names of variables, * and ? allowed, not {word[:60]!r}")
    return text


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "default_max_retries",
            "3",
            "runs after the first, for jobs that don't say; 0 is none",
            _whole(0, 1000),
        ),
        Setting(
            "backoff_base",
            "2",
            "the n-th retry waits backoff_delay times this to the power of n",
            _number(1, 1000),
        ),
        Setting(
            "backoff_delay",
            "1s",
            "what the wait before a retry is a multiple of; with backoff_base 1 it is the wait;"
            " 0 is no wait",
            _duration,
        ),
        Setting(
            "backoff_max", "1h", "the longest wait between two attempts; 0 is no limit", _duration
        ),
        Setting(
            "backoff_jitter",
            "0",
            "0 to 1: a wait before a retry is up to so much of it shorter or longer, by chance;"
            " 0 is exactly it",
            _number(0, 1),
        ),
        Setting("default_timeout", "0", "longest run of one attempt; 0 is no limit", _duration),
        Setting("stop_grace", "10s", "time between SIGTERM and SIGKILL; 0 is none", _duration),
        Setting("shell", "/bin/sh -c", "what runs a command line", _shell),
        Setting(
            "output_limit",
            "64 MiB",
            "kept of each attempt's output and stream: head and tail; 0 is no limit",
            _output_limit,
        ),
        Setting("min_free_space", "64 MiB", "below it nothing new is started; 0 is never", _size),
        Setting(
            "stall_timeout",
            "0",
            "a worker silent for longer, and for 10s at least, is ended; 0 is never",
            _duration,
        ),
        Setting(
            "max_running",
            "0",
            "most jobs that run at once, over all queues; 0 is no limit",
            _whole(0, 100_000),
        ),
        Setting(
            "on_finish",
            "",
            "a line for the shell, run whenever a job has ended for good; its facts are in"
            " QUEUECTL_JOB_ID, _STATE, _EXIT_CODE, _LABEL, _QUEUE, _ATTEMPTS",
            _hook,
        ),
        Setting(
            "keep_completed",
            "30d",
            "how long done and cancelled jobs are kept; 0 is for ever",
            _duration,
            needs_unit=True,
        ),
        Setting(
            "keep_dead",
            "90d",
            "how long dead jobs are kept; 0 is for ever",
            _duration,
            needs_unit=True,
        ),
        Setting(
            "keep_completed_count",
            "0",
            "most done and cancelled jobs that are kept; 0 is no limit",
            _whole(0, 10**9),
        ),
        Setting(
            "keep_dead_count", "0", "most dead jobs that are kept; 0 is no limit", _whole(0, 10**9)
        ),
        Setting(
            "keep_output",
            "10 GiB",
            "kept of all outputs together; when they are more, the oldest go; 0 is no limit",
            _size,
        ),
        Setting(
            "capture_env",
            "PATH VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV PYTHONPATH LD_LIBRARY_PATH"
            " LANG LC_* TZ",
            "variables a job takes along from where enqueue ran",
            _patterns,
        ),
    )
}
ALIASES = {
    "max_retries": "default_max_retries",
    "timeout": "default_timeout",
    "job_timeout": "default_timeout",
}
