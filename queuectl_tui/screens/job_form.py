"""The fields of a job, as a form for adding and editing has them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Session
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput, NewJob
from store.fielderrors import FieldError
from store.jobspec import new_job

JOB_FIELDS = (
    ("command", "Command", "A line for the shell, such as  make test && ./deploy.sh"),
    ("argv", "Program", "A program and its arguments, quoted as for a shell; none is used"),
    ("id", "Id", "Made up if blank; letters, digits and . _ : -"),
    ("queue", "Queue", "default if blank"),
    ("priority", "Priority", "-1000 to 1000, higher first; 0 if blank"),
    ("delay", "Delay", "Not before so long from now: 90, 10m, 1h30m"),
    ("max_retries", "Max retries", "Runs after the first that fails; blank: as the store is set"),
    ("timeout", "Timeout", "How long one attempt may take: 90, 10m; 0 or blank: as set"),
    ("cwd", "Folder", "Absolute; where the app was started if blank"),
    ("label", "Label", "Free text, searchable"),
    ("depends_on", "After", "Ids of jobs that must complete first, blanks between them"),
)
MORE_FIELDS = (
    ("stop_grace", "Stop grace", "How long between SIGTERM and SIGKILL: 10, 1m; blank: as set"),
    ("backoff_base", "Backoff base", "Retry n waits this ** n seconds; blank: as set"),
    ("env", "Variables", "NAME=VALUE NAME2='with blanks'; NAME alone takes it along from here"),
    ("unique_key", "Unique key", "Refused while an unfinished job has the same"),
)
"""What only few jobs need."""


class JobForm(Form[str]):
    """Dismissed with the id of the job."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.memory)
        self.session = session

    def job_fields(self, names: Iterable[str], values: Mapping[str, str]) -> Iterable[FormField]:
        """The fields called ``names``, filled with ``values``."""
        wanted = frozenset(names)
        for name, label, hint in JOB_FIELDS + MORE_FIELDS:
            if name in wanted:
                value = values.get(name, "")
                yield FormField(name, label, hint=hint, check=self._check(name), value=value)

    def parse(self, values: Mapping[str, str]) -> NewJob:
        """The job that the form describes."""
        if "command" not in values and "argv" not in values:
            raise InvalidInput("command: a job needs one")
        return _parse(values, now=self.session.queue.now())

    def _check(self, name: str) -> Callable[[str], object]:
        return partial(_check_field, name, now=self.session.queue.now())


def _check_field(name: str, text: str, *, now: int) -> None:
    program = {} if name in ("command", "argv") else {"command": "true"}
    try:
        _parse({**program, name: text}, now=now)
    except FieldError as error:
        raise InvalidInput(error.problem) from None


def _parse(values: Mapping[str, str], *, now: int) -> NewJob:
    """The job, by the rules that hold for jobs from files."""
    fields = {name: _typed(name, text) for name, text in values.items()}
    return new_job(fields, now=now, cwd=str(Path.cwd()))


def _typed(name: str, text: str) -> object:
    if name == "depends_on":
        return text.replace(",", " ").split()
    if name == "argv":
        return _words(text)
    if name == "env":
        return dict(word.split("=", 1) for word in _words(text, "env") if "=" in word)
    kind = _NUMBERS.get(name, str)
    try:
        return kind(text)
    except ValueError:
        return text


_NUMBERS: Mapping[str, Callable[[str], object]] = {
    "priority": int, "max_retries": int, "backoff_base": float,
}  # fmt: skip


def variables_named(text: str) -> list[str]:
    """Of what is typed as variables, those without a value."""
    return [word for word in _words(text, "env") if "=" not in word]


def _words(text: str, field: str = "argv") -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise FieldError(field, str(error).lower()) from None
