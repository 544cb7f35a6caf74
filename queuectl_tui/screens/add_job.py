"""Adding a job by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from queuectl_tui.screens.form import Form
from queuectl_tui.screens.session import Lane, Session
from queuectl_tui.widgets.form_field import FormField
from store import InvalidInput, NewJob
from store.jobspec import parse_jobs

if TYPE_CHECKING:
    from store.queue import Queue

_FIELDS = (
    ("command", "Command", "A line for the shell, such as  make test && ./deploy.sh"),
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


class AddJob(Form[str]):
    """Dismissed with the id of the new job."""

    title_text: ClassVar[str] = "Add a job"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def fields(self) -> Iterable[FormField]:
        for name, label, hint in _FIELDS:
            yield FormField(name, label, hint=hint, check=self._check(name))

    async def submit(self, values: dict[str, str]) -> str:
        if "command" not in values:
            raise InvalidInput("command: a job needs one")
        job = _parse(values, now=self._session.queue.now())
        return await self._session.call(
            Lane.CHANGES,
            lambda queue: queue.enqueue([job], captured_env=_captured_env(queue))[0],
        )

    def _check(self, name: str) -> Callable[[str], object]:
        return partial(_check_field, name, now=self._session.queue.now())


def _check_field(name: str, text: str, *, now: int) -> None:
    try:
        _parse({"command": "true", name: text}, now=now)
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix(f"{name}: ")) from None


def _parse(values: dict[str, str], *, now: int) -> NewJob:
    """The job that the form describes, by the rules that hold for jobs from files."""
    document = {name: _typed(name, text) for name, text in values.items()}
    try:
        return parse_jobs(json.dumps(document), now=now, cwd=str(Path.cwd()))[0]
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix("jobs[0].")) from None


def _typed(name: str, text: str) -> object:
    if name == "depends_on":
        return text.replace(",", " ").split()
    if name in ("priority", "max_retries"):
        try:
            return int(text)
        except ValueError:
            return text
    return text


def _captured_env(queue: Queue) -> dict[str, str]:
    from queuectl_tui.capture import captured_env

    return captured_env(queue)
