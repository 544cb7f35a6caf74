"""What Textual wants to be seen, brought to the terminal in as few bytes as it takes."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import termios
from typing import Any

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, RenderableType
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer

from queuectl_tui.frame_diff import FrameDiff, Row, erases_in_colour

SYNC_BEGIN, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_AT_ONCE = 1200
"""Characters that arrive in one packet: they are shown at once without being told."""
_LINE_CHECK = 0.02


class PaintedApp(App[None]):
    """An app that sends what differs from what the terminal shows, whatever is painted again.

    Over a slow line (``patient``) it sends no frame while bytes of one before wait to leave; what
    follows is the newest frame then.
    """

    def __init__(self, *, patient: bool) -> None:
        super().__init__()
        self._painting = Painting()
        self._patient = patient
        self._later: Timer | None = None

    def repaint(self) -> None:
        """Send the whole frame: something else has written to the terminal."""
        self._painting.forget()
        self._show_frame()

    def on_resize(self, event: events.Resize) -> None:
        """The terminal was resized, or shows the app again after it was suspended."""
        self._painting.forget()
        if tuple(event.size) == self._painting.size:
            self._show_frame()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self._is_shown and self._painting.take(renderable, _colours(self)):
            if not self._batch_count:
                self._show_frame()
            self.post_display_hook()
        else:
            super()._display(screen, renderable)

    @property
    def _is_shown(self) -> bool:
        return self._running and not self._closed and not self.is_headless

    def _show_frame(self) -> None:
        if self._driver is None or not self._painting.begun or not self._is_shown:
            return
        if self._patient and not (sys.__stderr__ is None or is_clear(sys.__stderr__.fileno())):
            if self._later is None:
                self._later = self.set_timer(_LINE_CHECK, self._show_later)
            return
        cursor = self.cursor_position if hasattr(self.focused, "cursor_screen_offset") else None
        frame = self._painting.frame(cursor, synchronized=self._sync_available)
        if frame:
            self._driver.write(frame)
            self._driver.flush()

    def _show_later(self) -> None:
        self._later = None
        self._show_frame()


class Painting:
    """The whole frame as Textual wants it now, and the terminal that shows it or one before."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._terminal = FrameDiff(0, 0)

    @property
    def begun(self) -> bool:
        """Whether there is a frame to show."""
        return bool(self._rows)

    @property
    def size(self) -> tuple[int, int]:
        return self._terminal.width, self._terminal.height

    def forget(self) -> None:
        """What the terminal shows is not known: the next frame is sent whole."""
        self._terminal.forget()

    def take(self, update: RenderableType | None, colours: ColorSystem) -> bool:
        """Note what ``update`` changes; whether it is one that can be noted."""
        if isinstance(update, LayoutUpdate):
            self._take_all(update, colours)
        elif isinstance(update, ChopsUpdate) and self.begun:
            self._take_parts(update, colours)
        else:
            return False
        return True

    def frame(self, cursor: tuple[int, int] | None, *, synchronized: bool) -> str:
        """What makes the terminal show the newest frame."""
        sent = self._terminal.update(self._rows, cursor)
        if synchronized and len(sent) > _AT_ONCE:
            return f"{SYNC_BEGIN}{sent}{SYNC_END}"
        return sent

    def _take_all(self, update: LayoutUpdate, colours: ColorSystem) -> None:
        width, height = update.region.size
        if (width, height) != self.size:
            erases = erases_in_colour(os.environ)
            self._terminal = FrameDiff(width, height, erases_in_colour=erases)
        self._rows = [
            Row.of((segment for strip in strips for segment in strip), width, colours)
            for strips in update.strips
        ]

    def _take_parts(self, update: ChopsUpdate, colours: ColorSystem) -> None:
        for y, start, stop in update.spans:
            if y >= self._terminal.height:
                continue
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                left, right = max(x, start), min(end, stop, self._terminal.width)
                if strip is not None and left < right:
                    self._take_strip(y, left, strip.crop(left - x, right - x), right, colours)

    def _take_strip(self, y: int, x: int, strip: Strip, end: int, colours: ColorSystem) -> None:
        self._rows[y] = self._rows[y].with_part(x, Row.of(strip, end - x, colours))


def _colours(app: App[Any]) -> ColorSystem:
    return COLOR_SYSTEMS[app.console.color_system or "truecolor"]


def is_clear(fd: int) -> bool:
    """Whether nothing that was written to a terminal waits to leave."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0)) and not _unsent(fd)


def _unsent(fd: int) -> int:
    """How many bytes wait in the system; 0 where it doesn't tell."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4))[0])
    except OSError:
        return 0
