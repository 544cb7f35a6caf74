"""What the command line can do: every action that has a key here, and some that take arguments."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from queuectl_tui.command_words import Command
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.job_list import JobListScreen
from queuectl_tui.screens.live import ACT, CHANGES, LiveScreen
from queuectl_tui.screens.pools import scale_pool
from queuectl_tui.screens.talk import voice_of
from store import SORT_COLUMNS, InvalidInput, JobState, Order
from store.fielderrors import did_you_mean

if TYPE_CHECKING:
    from queuectl_tui.app import QueueApp

_MOST_WORKERS = 1000
_CHANGING = CHANGES | {"clone", "hold", "release", "pause", "resume"}


def commands_for(app: QueueApp) -> dict[str, Command]:
    """Those that make sense on the screen in front; where both have a name, the action is what
    the command does without arguments."""
    return _Commands(app).all()


class _Commands:
    def __init__(self, app: QueueApp) -> None:
        self._app = app
        self._session = app.session
        self._screen = app.screen

    def all(self) -> dict[str, Command]:
        found = {command.name: command for command in self._of_keys()}
        for command in self._with_arguments():
            if command.name in _CHANGING and self._session.read_only:
                continue
            found[command.name] = _either(command, found.get(command.name))
        return dict(sorted(found.items()))

    def _of_keys(self) -> Iterable[Command]:
        for active in self._screen.active_bindings.values():
            binding = active.binding
            if binding.id is None or not active.enabled or binding.action.startswith("state("):
                continue
            name = binding.id.partition(".")[2].replace("_", "-")
            yield Command(name, "", binding.tooltip, partial(self._press, name, binding.key))

    def _press(self, name: str, key: str, rest: str) -> Callable[[], None]:
        if rest:
            raise InvalidInput(f"{name} takes no arguments")
        return lambda: self._app.simulate_key(key)

    def _with_arguments(self) -> Iterable[Command]:
        listed = self._listed
        yield Command("q", "", "Leave the app", self._quit)
        yield Command("filter", "WORDS", "List what matches, state: queue: exit: too", self._filter)
        yield Command("state", "WORD", "List jobs in a state", self._state, _state_words)
        yield Command("sort", "COLUMN", "Sort by it; -COLUMN turns it round", self._sort,
                      lambda: SORT_COLUMNS)  # fmt: skip
        yield Command("columns", "NAMES …", "Show these columns; all: every one", self._columns,
                      self._column_names)  # fmt: skip
        yield Command("theme", "NAME", "Use other colours", self._theme, self._app.theme_names)
        yield Command("rate", "SECONDS", "Look for changes so often", self._rate)
        yield Command("scale", "N [POOL]", "Keep N workers in a pool", self._scale)
        yield Command("open", "ID", "Open a job", self._open, listed)
        yield Command("clone", "ID", "Add another job of the same fields", self._clone, listed)
        yield Command("retry", "ID …", "Run jobs again", partial(self._act, "retry"), listed)
        yield Command("cancel", "ID …", "Cancel jobs", partial(self._act, "cancel"), listed)
        yield Command("hold", "ID …", "Keep waiting jobs from being started",
                      partial(self._act, "hold"), listed)  # fmt: skip
        yield Command("release", "ID …", "Let held jobs start", partial(self._act, "release"),
                      listed)  # fmt: skip
        yield Command("pause", "ID …", "Stop running jobs where they are",
                      partial(self._act, "pause"), listed)  # fmt: skip
        yield Command("resume", "ID …", "Let paused jobs go on", partial(self._act, "resume"),
                      listed)  # fmt: skip
        yield Command("delete", "ID …", "Delete finished jobs", partial(self._act, "delete"),
                      listed)  # fmt: skip

    # -- what they need

    def _listed(self) -> Sequence[str]:
        screen = self._screen
        return screen.table.held_keys if isinstance(screen, JobListScreen) else ()

    def _column_names(self) -> Sequence[str]:
        screen = self._screen
        return screen.table.column_names if isinstance(screen, JobListScreen) else ()

    def _on_a_list(self, act: Callable[[JobListScreen], None]) -> Callable[[], None]:
        """Goes to the jobs first where no list of jobs is in front."""

        def go() -> None:
            if not isinstance(self._app.screen, JobListScreen):
                self._app.action_jobs()
            screen = self._app.screen
            if isinstance(screen, JobListScreen):
                act(screen)

        return go

    # -- what they do

    def _quit(self, _: str) -> Callable[[], None]:
        return self._app.exit

    def _filter(self, rest: str) -> Callable[[], None]:
        return self._on_a_list(lambda screen: screen.set_filter(rest))

    def _state(self, rest: str) -> Callable[[], None]:
        try:
            state = JobState.parse(rest)
        except ValueError:
            words = [state.label.lower() for state in JobState]
            raise InvalidInput(f"{_needed(rest, 'state')}{did_you_mean(rest, words)}") from None
        return self._on_a_list(lambda screen: screen.set_filter(f"state:{state.label.lower()}"))

    def _sort(self, rest: str) -> Callable[[], None]:
        column = rest.removeprefix("-")
        if column not in SORT_COLUMNS:
            hint = did_you_mean(column, SORT_COLUMNS) or f": {', '.join(SORT_COLUMNS)}"
            raise InvalidInput(f"{_needed(column, 'column')}{hint}")
        order = Order(column, reverse=rest.startswith("-"))
        return self._on_a_list(lambda screen: screen.set_order(order))

    def _columns(self, rest: str) -> Callable[[], None]:
        names = rest.replace(",", " ").split()
        known = self._column_names()
        if not known:
            raise InvalidInput("columns are those of a list of jobs")
        if names == ["all"]:
            names = []
        elif not names:
            raise InvalidInput(f"columns takes names: {', '.join(known)}")
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f": {', '.join(known)}"
                raise InvalidInput(f"no such column: {name[:40]}{hint}")
        return self._on_a_list(lambda screen: screen.choose_columns(names))

    def _theme(self, rest: str) -> Callable[[], None]:
        names = self._app.theme_names()
        if rest not in names:
            hint = did_you_mean(rest, names) or f": {', '.join(names)}"
            raise InvalidInput(f"{_needed(rest, 'theme')}{hint}")
        return lambda: self._app.use_theme(rest)

    def _rate(self, rest: str) -> Callable[[], None]:
        try:
            seconds = float(rest)
        except ValueError:
            seconds = 0.0
        if not 0.1 <= seconds <= 3600:
            raise InvalidInput("rate takes seconds, from 0.1 to 3600")
        return lambda: self._set_rate(seconds)

    def _set_rate(self, seconds: float) -> None:
        self._session.interval = seconds
        if isinstance(self._screen, LiveScreen):
            self._screen.ask()

    def _scale(self, rest: str) -> Callable[[], None]:
        number, _, pool = rest.partition(" ")
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        if not (is_number and int(number) <= _MOST_WORKERS):
            raise InvalidInput(f"scale takes a number, 0 to {_MOST_WORKERS}, and a pool if wanted")
        count, named = int(number), pool.strip() or None
        return lambda: self._work(scale_pool(self._screen, self._session, count, named))

    def _open(self, rest: str) -> Callable[[], None]:
        if not rest or " " in rest:
            raise InvalidInput("open takes one id")
        return lambda: self._work(self._open_job(rest))

    async def _open_job(self, job_id: str) -> None:
        job = await JobActions(self._session, voice_of(self._screen)).look_up(job_id)
        if job is not None:
            self._app.push_screen(JobScreen(self._session, job.id))

    def _clone(self, rest: str) -> Callable[[], None]:
        if not rest or " " in rest:
            raise InvalidInput("clone takes one id")
        actions = JobActions(self._session, voice_of(self._screen))
        return lambda: self._work(actions.clone(rest))

    def _act(self, verb: str, rest: str) -> Callable[[], None]:
        ids = rest.replace(",", " ").split()
        if not ids:
            raise InvalidInput(f"{verb} takes ids")
        actions = JobActions(self._session, voice_of(self._screen))
        return lambda: self._work(getattr(actions, verb)(ids))

    def _work(self, work: Coroutine[Any, Any, object]) -> None:
        self._app.run_worker(work, group=ACT)


def _either(command: Command, plain: Command | None) -> Command:
    """``command``, which without arguments does what ``plain`` does."""
    if plain is None:
        return command

    def prepare(rest: str) -> Callable[[], None]:
        return command.prepare(rest) if rest else plain.prepare("")

    return Command(command.name, f"[{command.usage}]", command.meaning, prepare, command.values)


def _state_words() -> list[str]:
    return [state.label.lower() for state in JobState]


def _needed(word: str, kind: str) -> str:
    return f"no such {kind}: {word[:40]}" if word else f"a {kind} is needed"
