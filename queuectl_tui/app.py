"""The full-screen app over a live store."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Iterator
from threading import Timer
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor
from textual.screen import Screen

from queuectl_tui.clipboard import osc52
from queuectl_tui.config import Config, Known
from queuectl_tui.known import bindings_of, known_names
from queuectl_tui.memory import Memory
from queuectl_tui.notices import Notices
from queuectl_tui.painting import PaintedApp
from queuectl_tui.screens.add_job import AddJob
from queuectl_tui.screens.app_commands import commands_for
from queuectl_tui.screens.command_line import CommandLine
from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.copy_text import CopyText
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.edit_job import EditJob
from queuectl_tui.screens.error_groups import ErrorGroupsScreen
from queuectl_tui.screens.form import Form
from queuectl_tui.screens.help import Help
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.job_actions import JobActions
from queuectl_tui.screens.job_list import JobListScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.key_feed import KeyFeed
from queuectl_tui.screens.live import ACT, CHANGES, LiveScreen
from queuectl_tui.screens.palette import KeyCommands
from queuectl_tui.screens.queues import QueuesScreen
from queuectl_tui.screens.schedules import SchedulesScreen
from queuectl_tui.screens.session import Session
from queuectl_tui.screens.sort_picker import SortPicker
from queuectl_tui.screens.start_workers import StartWorkers
from queuectl_tui.screens.talk import say, voice_of
from queuectl_tui.screens.watch import Watch
from queuectl_tui.screens.workers import WorkersScreen
from queuectl_tui.themes import ANSI_THEME, COLOURLESS, DEFAULT_THEME, THEMES
from queuectl_tui.widgets.attempt_table import AttemptTable
from queuectl_tui.widgets.filter_bar import FilterBar
from queuectl_tui.widgets.form_field import FormField
from queuectl_tui.widgets.job_table import JobTable
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.named_table import NamedTable
from queuectl_tui.widgets.row_table import RowTable
from store import WorkerState

if TYPE_CHECKING:
    from store import Worker
    from store.queue import Queue

_TERMINAL_CHECK = 1.0
_LEAVE_WITHIN = 1.0
_SETTLED_AFTER = 1.0
_THEME = "theme"


DIALOGS = (Form, EditJob, FormField, Confirm, SortPicker, CopyText, CommandLine)
"""What opens from everywhere."""


class QueueApp(PaintedApp):
    """Owns no worker: closing it stops nothing."""

    TITLE = "queuectl"
    CSS_PATH = "app.tcss"
    AUTO_FOCUS = ""
    COMMANDS = {KeyCommands}  # noqa: RUF012 - as Textual has it

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "add", id="app.add", tooltip="Add a job"),
        Binding("J", "jobs", "jobs", id="app.jobs", tooltip="Jobs"),
        Binding("W", "workers", "workers", id="app.workers", tooltip="Workers"),
        Binding("D", "dead", "dead", id="app.dead", tooltip="Dead letter queue"),
        Binding("Q", "queues", "queues", id="app.queues", tooltip="Queues"),
        Binding("T", "schedules", "schedules", id="app.schedules",
                tooltip="Schedules, the timetable"),
        Binding("w", "start_workers", "start workers", id="app.start_workers",
                tooltip="Start workers"),
        Binding("u", "undo", "undo", id="app.undo",
                tooltip="Undo the last retry, hold, or cancel of a waiting job"),
        Binding("colon", "command_line", "command", key_display=":", id="app.command_line",
                tooltip="Command line: actions by name, with arguments"),
        Binding("question_mark", "help", "help", key_display="?", id="app.help",
                tooltip="Every key"),
        Binding("ctrl+p", "command_palette", "palette", id="app.palette",
                tooltip="Find an action by typing", priority=True),
        Binding("ctrl+q", "quit", "quit", id="app.quit", tooltip="Leave at once", priority=True),
        Binding("ctrl+l", "redraw", "redraw", id="app.redraw",
                tooltip="Paint the whole screen anew, if something else wrote on it"),
        Binding("ctrl+z", "suspend_process", "suspend", id="app.suspend",
                tooltip="Put the app to sleep; fg wakes it"),
    ]  # fmt: skip

    def __init__(
        self,
        queue: Queue,
        *,
        read_only: bool = False,
        remote: bool = False,
        memory: Memory | None = None,
        config: Config | None = None,
        theme: str | None = None,
    ) -> None:
        super().__init__(patient=remote)
        self._force: Timer | None = None
        self.session = Session(
            queue, read_only=read_only, remote=remote, memory=memory, config=config
        )
        self.set_keymap(dict(self.session.config.keys))
        self._keys = KeyFeed(self, super().on_event)
        if remote:
            self.animation_level = "none"
        self._choose_colours(theme)

    def _choose_colours(self, theme: str | None) -> None:
        for each in THEMES.values():
            self.register_theme(each)
        remembered = self.session.memory.recall(_THEME)
        known = remembered if remembered in THEMES else None
        fitting = ANSI_THEME if self.console.color_system == "standard" else DEFAULT_THEME
        chosen = theme or self.session.config.theme or known or fitting
        if self.no_color:
            chosen = COLOURLESS.name
            self._filters = [each for each in self._filters if not isinstance(each, Monochrome)]
            self._filters.append(NoColor())
        self.theme = chosen

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return THEMES[DEFAULT_THEME].variables

    def theme_names(self) -> list[str]:
        return list(THEMES)

    def use_theme(self, name: str) -> None:
        """Changes the colours, now and next time."""
        self.theme = name
        self.session.memory.note(_THEME, name)

    def on_mount(self) -> None:
        self.run_worker(self._keys.run(), name="keys")
        self.run_worker(Watch(self.session, self._tell).run(), name="watch")
        self.install_screen(WorkersScreen(self.session), "workers")
        self.install_screen(DeadScreen(self.session), "dead")
        self.install_screen(QueuesScreen(self.session), "queues")
        self.install_screen(SchedulesScreen(self.session), "schedules")
        self.push_screen(JobsScreen(self.session))
        self.set_timer(_SETTLED_AFTER, gc.freeze)  # to look through all of it is a pause one feels
        if not self.is_headless:
            loop = get_running_loop()
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, lambda *_: self._hang_up(loop))
            self.set_interval(_TERMINAL_CHECK, self._leave_without_terminal)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._keys.put(event)
        else:
            await super().on_event(event)

    def on_unmount(self) -> None:
        self.session.close()

    def _leave_without_terminal(self) -> None:
        """Nobody can press a key any more: going on would only burn time."""
        if sys.__stdin__ is None or _hung_up(sys.__stdin__.fileno()):
            self._hang_up(get_running_loop())

    def _hang_up(self, loop: AbstractEventLoop) -> None:
        """Leave in good order, or else at once: what waits to be painted would wait for ever."""
        loop.call_soon_threadsafe(self.exit)
        if self._force is None:
            self._force = Timer(_LEAVE_WITHIN, os._exit, (1,))
            self._force.daemon = True
            self._force.start()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return None if self.session.read_only and action in CHANGES else True

    def copy_to_clipboard(self, text: str) -> None:
        self._clipboard = text
        self._send(osc52(text, tmux="TMUX" in os.environ))

    def _tell(self, sentence: str) -> None:
        """Tells what a watched job came to, also to one who looks elsewhere."""
        say(self.screen, sentence)
        notices = Notices(self.session.config.notify, write=self._send, tmux="TMUX" in os.environ)
        notices.tell(sentence)

    def _send(self, sequence: str) -> None:
        if self._driver is not None:
            self._driver.write(sequence)

    # -- screens

    def action_jobs(self) -> None:
        self._show_section(None)

    def action_workers(self) -> None:
        self._show_section("workers")

    def action_dead(self) -> None:
        self._show_section("dead")

    def action_queues(self) -> None:
        self._show_section("queues")

    def action_schedules(self) -> None:
        self._show_section("schedules")

    @on(QueuesScreen.JobsWanted)
    def _list_queue(self, event: QueuesScreen.JobsWanted) -> None:
        self._show_section(None)
        if isinstance(self.screen, JobsScreen):
            self.screen.list_queue(event.queue)

    def _show_section(self, name: str | None) -> None:
        """Goes to a section from anywhere; the jobs are beneath all others."""
        wanted = None if name is None else self.get_screen(name)
        while not isinstance(self.screen, JobsScreen) and self.screen is not wanted:
            self.pop_screen()
        if name is not None and self.screen is not wanted:
            self.push_screen(name)

    # -- what can be done everywhere

    def action_add(self) -> None:
        self.push_screen(AddJob(self.session), self._added)

    def _added(self, job_id: str | None) -> None:
        if job_id is None:
            return
        say(self.screen, f"Added {job_id}")
        if isinstance(self.screen, JobListScreen):
            self.screen.seek(job_id)

    @work(group=ACT)
    async def action_undo(self) -> None:
        screen = self.screen
        await JobActions(self.session, voice_of(screen)).undo()
        if isinstance(screen, LiveScreen):
            screen.expect()

    def action_start_workers(self) -> None:
        self.push_screen(StartWorkers(self.session), self._started)

    def _started(self, supervisor: Worker | None) -> None:
        if supervisor is not None:
            paused = supervisor.state is WorkerState.PAUSED
            told = ", but paused: W, then p resumes it" if paused else "; it stays when you leave"
            say(self.screen, f"Pool {supervisor.pool} is up{told}")
        if isinstance(self.screen, LiveScreen):
            self.screen.ask()

    def action_command_line(self) -> None:
        line = CommandLine(self.session.memory, commands_for(self))
        self.push_screen(line, lambda act: act() if act is not None else None)

    def action_redraw(self) -> None:
        self.repaint()

    def action_help(self) -> None:
        self.push_screen(Help(self.bindings_here(self.screen)))

    def bindings_here(self, screen: Screen[Any]) -> list[Binding]:
        """What the help lists: the bindings of ``screen`` and of all that is in it, then the
        app's, then those of the dialogs that open from everywhere."""
        nodes = [screen, *screen.query("*")]
        bindings = [each for node in nodes for each in bindings_of(type(node))]
        bindings += bindings_of(type(self))
        for kind in DIALOGS:
            bindings += bindings_of(kind)
        return [moved for binding in bindings for moved in self._as_moved(binding)]

    def _as_moved(self, binding: Binding) -> Iterator[Binding]:
        """``binding`` with the keys that the config file gives it, if it does."""
        keys = self.session.config.keys.get(binding.id or "")
        if keys is None:
            yield binding
            return
        for key in keys.split(","):
            yield binding.with_key(key)


def known() -> Known:
    """What a config file may name."""
    lists = (JobTable, LiveScreen, QueueApp)
    return known_names(
        [
            (JobsScreen, *lists),
            (DeadScreen, *lists),
            (ErrorGroupsScreen, RowTable, QueueApp),
            (WorkersScreen, RowTable, QueueApp),
            (QueuesScreen, NamedTable, QueueApp),
            (SchedulesScreen, NamedTable, QueueApp),
            (JobScreen, LogView, AttemptTable, QueueApp),
            *((kind,) for kind in (*DIALOGS, Help, FilterBar)),
        ]
    )


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)
    gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return any(event & gone for _, event in poll.poll(0))
