"""Adding and editing a schedule; its next ticks show while one types."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from queuectl_tui.capture import captured_env, select_env
from queuectl_tui.screens.job_form import JobForm, fields_to_edit, variables_named
from queuectl_tui.screens.queue_form import queue_name
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.text import local_time
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput, NewJob, Overlap, Schedule
from store.fields import FIELDS
from store.schedules import first_ticks, local_zone
from store.timespec import duration_text, parse_duration

if TYPE_CHECKING:
    from store.queue import Queue

_COMMAND = ("command", "argv")
_USUAL = ("stop_grace", "backoff_base", "unique_key")
_NOT_OF_A_TICK = ("id", "delay", "run_at", "held", "depends_on", "on_dependency_failure")
_TIMES = ("cron", "every", "tz")
_FORETOLD = 3


class ScheduleForm(JobForm):
    """Dismissed with a sentence about what was done. ``schedule`` None: a new one."""

    def __init__(self, session: Session, schedule: Schedule | None) -> None:
        super().__init__(session)
        self._schedule = schedule
        self.title_text = f"Edit schedule {schedule.name}" if schedule else "Add a schedule"  # type: ignore[misc]

    def fields(self) -> Iterable[FormField]:
        old = self._schedule
        typed = _as_typed(old) if old else {}
        if old is None:
            yield FormField("name", "Name", hint="Letters, digits and . _ : -", check=queue_name)

        def field(name: str, label: str, check: Callable[[str], object], hint: str) -> FormField:
            return FormField(name, label, hint=hint, check=check, value=typed.get(name, ""))

        yield field("cron", "Cron", _cron, "Minute hour day month weekday, such as  0 3 * * 1-5")
        yield field("every", "Every", _interval, "In place of cron, this often: 90, 10m, 1h30m")
        yield field("tz", "Time zone", _zone, f"Of cron, such as Europe/Berlin; {local_zone()}")
        job = old.job if old else None
        yield from self.job_fields(_command_fields(old), job)
        yield field("overlap", "Overlap", _overlap,
                    "While an earlier job is unfinished: skip (blank), queue or allow")  # fmt: skip
        yield field("catch_up", "Catch up", _yes, "yes: run once for ticks that nobody saw")
        yield from self.job_fields(_other_fields(old), job)
        if old is None:
            yield field("clean_env", "Clean env", _yes, "yes: take no variables along from here")

    def explain(self, field: FormField) -> str:
        """The next ticks, as soon as the times can be read."""
        if field.name not in _TIMES:
            return field.hint
        values = {each.name or "": each.text for each in self.query(FormField) if each.text}
        now = self.session.queue.now()
        try:
            ticks = first_ticks(*_times(values), now=now, count=_FORETOLD)
        except InvalidInput as error:
            both = "cron" in values and "every" in values
            return str(error) if both else field.hint
        return f"Next: {', '.join(local_time(tick, now) for tick in ticks)}"

    async def submit(self, values: dict[str, str]) -> str:
        old = self._schedule
        name = old.name if old else queue_name(values.get("name", ""))
        cron, every, tz = _times(values)
        named = variables_named(values.get("env", ""))
        clean = _yes(values.get("clean_env", "no"))
        how: dict[str, Any] = {
            "cron": cron,
            "every": every,
            "tz": tz,
            "overlap": _overlap(values.get("overlap", Overlap.SKIP.value)),
            "catch_up": _yes(values.get("catch_up", "no")),
        }
        if old is not None:
            job = self.parse_changes(old.job)
        else:
            job = self.parse({field: text for field, text in values.items() if field in FIELDS})

        def save(queue: Queue) -> Schedule:
            if old is not None:
                return queue.schedules.change(name, job, **how)
            taken = select_env("", os.environ, named) if clean else captured_env(queue, extra=named)
            return queue.schedules.add(name, job, captured_env=taken, **how)

        saved = await self.session.call(Lane.CHANGES, save)
        if saved.paused:
            return f"Saved {name}; it is paused"
        return f"Saved {name}: next at {local_time(saved.next_at, self.session.queue.now())}"


def _command_fields(old: Schedule | None) -> tuple[str, ...]:
    if old is None:
        return _COMMAND
    return ("command",) if old.job.argv is None else ("argv",)


def _other_fields(old: Schedule | None) -> list[str]:
    """What its jobs have besides the command; of a new one also the variables."""
    job = old.job if old else NewJob()
    shown = {*fields_to_edit(job, (*_COMMAND, *_NOT_OF_A_TICK)), *_USUAL}
    return [*shown] if old else [*shown, "env"]


def _as_typed(schedule: Schedule) -> Mapping[str, str]:
    """What a schedule has besides its job, as one would have typed it."""
    return {
        "cron": schedule.cron or "",
        "every": "" if schedule.every is None else duration_text(schedule.every),
        "tz": schedule.tz if schedule.cron else "",
        "overlap": schedule.overlap.value,
        "catch_up": "yes" if schedule.catch_up else "no",
    }


# -- fields: what is typed in, what is meant out; ``InvalidInput`` where that is nothing


def _times(values: Mapping[str, str]) -> tuple[str | None, float | None, str]:
    cron, every = values.get("cron"), values.get("every")
    if cron and every:
        raise InvalidInput("Give a cron expression or an interval, not both")
    if not (cron or every):
        raise InvalidInput("Cron or every: one of them is needed")
    if every and "tz" in values:
        raise InvalidInput("The time zone goes with cron")
    return cron, _interval(every) if every else None, values.get("tz") or local_zone()


def _cron(text: str) -> None:
    first_ticks(text, None, "UTC", now=0, count=1)


def _interval(text: str) -> float:
    seconds = parse_duration(text)
    first_ticks(None, seconds, "UTC", now=0, count=1)
    return seconds


def _zone(text: str) -> None:
    first_ticks(None, 60, text, now=0, count=1)


def _overlap(text: str) -> Overlap:
    try:
        return Overlap(text.lower())
    except ValueError:
        raise InvalidInput(f"must be skip, queue or allow, not {text[:40]!r}") from None


def _yes(text: str) -> bool:
    word = text.lower()
    if word in ("yes", "no"):
        return word == "yes"
    raise InvalidInput(f"must be yes or no, not {text[:40]!r}")
