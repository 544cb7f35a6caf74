"""The fields of a job, as a form for adding and editing has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Session
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput, NewJob
from store.fielderrors import FieldError
from store.fields import FIELDS, is_default, typed
from store.jobspec import changed_job, new_job
from store.kinds import split_words


class JobForm(Form[str]):
    """Dismissed with the id of the job."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.memory)
        self.session = session

    def job_fields(self, names: Iterable[str], job: NewJob | None = None) -> Iterable[FormField]:
        """The fields called ``names``, as ``job`` has them."""
        wanted = frozenset(names)
        for name, field in FIELDS.items():
            if name in wanted:
                value = "" if job is None else typed(job, name)
                check = self._check(name)
                yield FormField(name, field.label, hint=field.hint, check=check, value=value)

    def parse(self, values: Mapping[str, str]) -> NewJob:
        """The job that the form describes, by the rules that hold for jobs from files."""
        if "command" not in values and "argv" not in values:
            raise InvalidInput("command: a job needs one")
        fields = {name: FIELDS[name].kind.parse(text) for name, text in values.items()}
        return new_job(fields, now=self.session.queue.now(), cwd=str(Path.cwd()))

    def parse_changes(self, old: NewJob) -> NewJob:
        """``old`` with what was changed in the form; what was made blank is the default again."""
        fields = {
            name: FIELDS[name].kind.parse(text) if text else None
            for name, text in self.changes().items()
            if name in FIELDS
        }
        if fields.get("command", fields.get("argv", "")) is None:
            raise InvalidInput("command: a job needs one")
        return changed_job(old, fields, now=self.session.queue.now())

    def _check(self, name: str) -> Callable[[str], object]:
        return partial(_check_field, name, now=self.session.queue.now())


def fields_to_edit(job: NewJob, besides: Collection[str]) -> list[str]:
    """The fields that a form for ``job`` shows: what most jobs need, and what this one has.

    Values of ``env`` are never shown.
    """
    unwanted = {*besides, "env", "argv" if job.argv is None else "command"}
    return [
        name
        for name, field in FIELDS.items()
        if name not in unwanted and (field.basic or not is_default(job, name))
    ]


def _check_field(name: str, text: str, *, now: int) -> None:
    program = {} if name in ("command", "argv") else {"command": "true"}
    try:
        new_job({**program, name: FIELDS[name].kind.parse(text)}, now=now, cwd="/")
    except FieldError as error:
        raise InvalidInput(error.problem) from None


def variables_named(text: str) -> list[str]:
    """Of what is typed as variables, those without a value."""
    return [word for word in split_words(text) if "=" not in word]
