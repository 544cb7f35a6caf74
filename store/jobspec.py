"""Untrusted input in, ``NewJob`` out, or an error that names where and which field.

A document is one JSON object, an array of objects, or one object per line (JSON Lines). JSON
Lines are read, checked and yielded line by line, so that a file of any length costs little memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NoReturn, Required, TypedDict, Unpack

from store.documents import Place, Repeated, check_strings, read_values
from store.errors import InvalidInput
from store.fielderrors import FieldError, did_you_mean, field_name, refuse, shown
from store.fields import FIELDS, require_consistent
from store.jobs import NewJob
from store.timespec import parse_time

PRINTED_FIELDS = frozenset(
    {
        *("state", "attempts", "created_at", "updated_at", "started_at", "finished_at"),
        *("exit_code", "signal", "last_error", "worker", "history", "number"),
        *("schedule", "waits_for", "paused", "pid"),
    }
)
"""What the program prints about a job and ignores on input."""

_ELSEWHERE = {"cmd": "command", "after": "depends_on", "at": "run_at"}
"""What a field is called elsewhere, and its name here."""


class Reading(TypedDict, total=False):
    """How a document is read. ``now`` (UTC milliseconds) and ``cwd`` are where it came in.

    ``overrides`` are fields that replace those of every object. Objects whose ``state`` is
    completed or cancelled are left out, and counted by state in ``skipped``, unless
    ``all_states``. ``places`` is told, by the number of a job that is yielded, from 0, where its
    ``depends_on`` stands.
    """

    now: Required[int]
    cwd: Required[str]
    all_states: bool
    overrides: Mapping[str, object] | None
    skipped: Counter[str]
    places: dict[int, str]


def read_jobs(stream: BinaryIO, **how: Unpack[Reading]) -> Iterator[NewJob]:
    """The jobs of a document, validated one by one as they are read.

    Raises ``InvalidInput``; what was yielded before that must be thrown away.
    """
    checker = _Checker(how["now"], how["cwd"])
    overrides = how.get("overrides")
    left_out = () if how.get("all_states") else ("completed", "cancelled")
    batch = _Batch(left_out, how.get("skipped", Counter()))
    places = how.get("places", {})
    held: list[NewJob] | None = None
    yielded = 0
    for place, number, suspect, value in read_values(stream):
        try:
            if suspect:
                check_strings(value)
            if batch.leaves_out(value):
                continue
            job = checker.job(_overridden(value, overrides) if overrides else value)
            if job.id is not None:
                batch.admit(job.id, job.depends_on, place, number)
        except FieldError as error:
            raise InvalidInput(f"{place(number, error.field)}: {error.problem}") from None
        if job.depends_on:
            places[yielded + len(held or ())] = place(number, "depends_on")
            if held is None and _was_printed(value):
                held = []  # what it waits for may be listed, completed, further down
        if held is None:
            yield job
            yielded += 1
        else:
            held.append(job)
    batch.refuse_cycles()
    yield from map(batch.without_completed, held or ())


def _was_printed(value: object) -> bool:
    return type(value) is dict and "state" in value


def new_job(fields: Mapping[str, object], *, now: int, cwd: str) -> NewJob:
    """One job of fields that didn't come from a document. Raises ``FieldError``."""
    value = dict(fields)
    check_strings(value)
    return _Checker(now, cwd).job(value)


def changed_job(old: NewJob, fields: Mapping[str, object], *, now: int) -> NewJob:
    """``old`` with ``fields``, in which ``None`` means the default. Raises ``FieldError``.

    What isn't given stays as it is, whether or not it could be given today.
    """
    value = dict(fields)
    check_strings(value)
    return _Checker(now, "").changed(old, value)


def looks_like_json(word: str) -> bool:
    """Whether one word on the command line is a document of jobs rather than a shell line.

    ``{`` and ``[`` followed by a blank begin a group and a test in a shell.
    """
    return re.match(_JSON_WORD, word) is not None


_JSON_WORD = r'\ufeff?\s*(?:\{(?:\S|\s*["}]|\s*$)|\[(?:\s*[{\]]|"|\s*$))'


# -- Fields


class _Checker:
    """Turns objects into jobs. Each field has one check: value in, clean value out."""

    def __init__(self, now: int, cwd: str) -> None:
        self._now = now
        self._cwd = cwd
        self._checks = {name: field.kind.check for name, field in FIELDS.items()}
        self._checks["run_at"] = self._run_at

    def job(self, value: object) -> NewJob:
        if type(value) is not dict:
            self._not_an_object(value)
        fields: dict[str, object] = {"cwd": self._cwd}
        checks = self._checks
        for name, given in value.items():
            check = checks.get(name)
            if check is None:
                self._ignore(name, given)
            elif given is not None:
                fields[name] = check(name, given)
        if ("command" in fields) is ("argv" in fields):
            self._not_one_command(fields)
        if "delay" in fields and "run_at" in fields:
            refuse("delay", "give run_at or delay, not both")
        job = NewJob(**fields)  # type: ignore[arg-type]
        if job.fail_on:
            require_consistent(job)
        return job

    def changed(self, old: NewJob, given: Mapping[str, object]) -> NewJob:
        """``old`` with other fields; ``None`` gives one its default again."""
        fields: dict[str, Any] = {
            name: FIELDS[name].default if value is None else self._checks[name](name, value)
            for name, value in given.items()
        }
        for one, other in (("command", "argv"), ("argv", "command"), ("delay", "run_at")):
            if given.get(one) is not None and other not in given:
                fields[other] = None
        new = old._replace(**fields)
        if (new.command is None) is (new.argv is None):
            self._not_one_command({"command": new.command} if new.command else {})
        if new.delay is not None and new.run_at is not None:
            refuse("delay", "give run_at or delay, not both")
        require_consistent(new)
        return new

    def _run_at(self, name: str, value: object) -> int:
        try:
            return parse_time(value, self._now)
        except InvalidInput as error:
            refuse(name, str(error))

    def _ignore(self, name: str, value: object) -> None:
        if name not in PRINTED_FIELDS:
            meant = _ELSEWHERE.get(name.lower())
            hint = f"; did you mean {meant}?" if meant else did_you_mean(name, self._checks)
            refuse(field_name(name), f"unknown field{hint}")
        if value is not None:
            check_strings({name: value})

    def _not_an_object(self, value: object) -> NoReturn:
        if type(value) is Repeated:
            refuse(field_name(value.name), "given twice in one object; keep one")
        refuse("", f"must be an object with a command, not {shown(value)}")

    def _not_one_command(self, fields: Mapping[str, object]) -> NoReturn:
        if "command" in fields:
            refuse("argv", "give command or argv, not both")
        refuse("command", 'missing; every job needs one, such as {"command": "make test"}')


def _overridden(value: object, overrides: Mapping[str, object]) -> object:
    if type(value) is not dict:
        return value
    fields = {**value, **overrides}
    if "delay" in overrides or "run_at" in overrides:
        for name in {"delay", "run_at"} - set(overrides):
            fields.pop(name, None)
    env, added = value.get("env"), overrides.get("env")
    if type(env) is dict and type(added) is dict:
        fields["env"] = env | added
    return fields


class _Batch:
    """What the jobs of one document mean to each other."""

    def __init__(self, left_out: Sequence[str], skipped: Counter[str]) -> None:
        self._left_out = left_out
        self._skipped = skipped
        self._completed: set[str] = set()
        self._ids: set[str] = set()
        self._dependent: dict[str, tuple[str, tuple[str, ...]]] = {}

    def leaves_out(self, value: object) -> bool:
        """Whether ``value`` is a job that ended elsewhere and isn't wanted again."""
        if type(value) is not dict or value.get("state") not in self._left_out:
            return False
        self._skipped[value["state"]] += 1
        if value["state"] == "completed":
            self._completed.add(str(value.get("id")))
        return True

    def admit(self, job_id: str, depends_on: tuple[str, ...], place: Place, number: int) -> None:
        if job_id in self._ids:
            refuse("id", f"{shown(job_id)} is used twice in this batch")
        self._ids.add(job_id)
        if depends_on:
            self._dependent[job_id] = (place(number, "depends_on"), depends_on)

    def without_completed(self, job: NewJob) -> NewJob:
        """``job``, not waiting for what was left out because it is done."""
        waits_for = tuple(job_id for job_id in job.depends_on if job_id not in self._completed)
        return job if waits_for == job.depends_on else job._replace(depends_on=waits_for)

    def refuse_cycles(self) -> None:
        """Every dependent job waits for others; ids that aren't among them end a chain."""
        cleared: set[str] = set()
        for start in self._dependent:
            path: dict[str, Iterator[str]] = {start: self._needs(start)}
            while path:
                job_id, needs = next(reversed(path.items()))
                following = next(needs, None)
                if following is None:
                    cleared.add(job_id)
                    del path[job_id]
                elif following in path:
                    ring = [*path][[*path].index(following) :]
                    raise InvalidInput(f"{self._dependent[ring[0]][0]}: a cycle: {_arrows(ring)}")
                elif following in self._dependent and following not in cleared:
                    path[following] = self._needs(following)

    def _needs(self, job_id: str) -> Iterator[str]:
        return iter(self._dependent[job_id][1])


def _arrows(ring: Sequence[str]) -> str:
    names = [*ring, ring[0]]
    return " → ".join(names if len(names) <= 8 else [*names[:4], "…", *names[-3:]])
