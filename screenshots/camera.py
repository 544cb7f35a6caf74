"""What the app shows, as small SVG pictures that are the same wherever they are made.

A picture has one line of text for each row that it shows, so that two of them can be compared.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rich.cells import cell_len
from rich.color import blend_rgb
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from textual.app import App
from textual.pilot import Pilot

from queuectl_tui.screens.live import LiveScreen

PATIENCE = 20.0
CELL, LINE, FONT = 8.4, 18, 14
CAPTION = 30
FAMILY = "'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',monospace"
_STILL = "@media (prefers-reduced-motion:reduce){g{animation:none!important}}"
_BLANK = " \N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Frame:
    """One picture: a row of SVG for each row of the terminal, and what is said below."""

    width: int
    rows: tuple[str, ...]
    caption: str = ""

    def svg(self) -> str:
        """The picture by itself."""
        lines = [*_head(self.width, len(self.rows), caption=bool(self.caption)), *self.rows]
        if self.caption:
            lines.append(_caption(self))
        return "\n".join([*lines, "</svg>", ""])


def photograph(app: App[Any], caption: str = "") -> Frame:
    """The app as it is shown now, dialogs in front included."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    stack = app._background_screens  # noqa: SLF001 - as Textual's own screenshots are made
    console.print(app.screen._compositor.render_update(full=True, screen_stack=stack))  # noqa: SLF001
    segments = Segment.filter_control(console._record_buffer)  # noqa: SLF001
    lines = [*Segment.split_and_crop_lines(segments, width, include_new_lines=False)][:height]
    rows = tuple(_row(y, Segment.simplify(line)) for y, line in enumerate(lines))
    return Frame(width, rows, caption)


async def still(pilot: Pilot[Any]) -> None:
    """Waits until all that keys and readings have set off is over, and the picture stands still."""
    last, same, deadline = None, 0, time.monotonic() + PATIENCE
    while same < 3:
        if time.monotonic() > deadline:
            raise TimeoutError("the picture never stood still")
        await asyncio.sleep(0.05)
        await pilot._wait_for_screen()  # noqa: SLF001 - by messages; pause() goes by processor time
        now = None if _is_busy(pilot.app) else photograph(pilot.app)
        same = same + 1 if now is not None and now == last else 0
        last = now


def _is_busy(app: App[Any]) -> bool:
    screens = (each for each in app.screen_stack if isinstance(each, LiveScreen))
    return any(each._asked.is_set() or each._reading_since is not None for each in screens)  # noqa: SLF001


def film(frames: Sequence[Frame], seconds: Sequence[float]) -> str:
    """One picture that steps through ``frames``, by style alone; each stays for its ``seconds``.

    A row is written once, however many frames show it. Where nothing moves, or nothing may, the
    last frame is seen.
    """
    shown: dict[str, list[int]] = {}
    for number, frame in enumerate(frames):
        for row in (*frame.rows, _caption(frame)):
            shown.setdefault(row, []).append(number)
    sets = {tuple(numbers): None for numbers in shown.values()}
    names = {numbers: f"f{index}" for index, numbers in enumerate(sets)}
    lines = _head(frames[0].width, len(frames[0].rows), caption=True)
    lines += ["<style>", *_steps(names, seconds), _STILL, "</style>"]
    for row, numbers in shown.items():
        still = len(numbers) == len(frames)
        lines.append(row if still or not row else f'<g class="{names[tuple(numbers)]}">{row}</g>')
    return "\n".join([*lines, "</svg>", ""])


def _steps(names: dict[tuple[int, ...], str], seconds: Sequence[float]) -> Iterable[str]:
    total = sum(seconds)
    starts = [sum(seconds[:number]) * 100 / total for number in range(len(seconds))]
    for numbers, name in names.items():
        if len(numbers) == len(seconds):
            continue
        steps, was = [], None
        for number, start in enumerate(starts):
            seen = "visible" if number in numbers else "hidden"
            if seen != was:
                steps.append(f"{start:.2f}%{{visibility:{seen}}}")
            was = seen
        still = "visible" if len(seconds) - 1 in numbers else "hidden"
        yield f"@keyframes {name}{{{''.join(steps)}}}"
        yield f".{name}{{visibility:{still};animation:{name} {total:g}s step-end infinite}}"


def _head(width: int, height: int, *, caption: bool) -> list[str]:
    wide = round(width * CELL + 2 * CELL)
    tall = height * LINE + LINE + (CAPTION if caption else 0)
    ground = _colour(None, foreground=False)
    left, top = -CELL, -LINE // 2
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {wide} {tall}"'
            f' font-family="{FAMILY}" font-size="{FONT}" shape-rendering="crispEdges">'
        ),
        f'<rect x="{left}" y="{top}" width="{wide}" height="{tall}" rx="8" fill="{ground}"/>',
    ]


def _caption(frame: Frame) -> str:
    y = len(frame.rows) * LINE + CAPTION - 8
    return f'<text y="{y}" fill="#ffd787" font-weight="bold">{escape(frame.caption)}</text>'


def _row(y: int, line: Iterable[Segment]) -> str:
    grounds: list[tuple[str, int, int]] = []
    texts, x = [], 0
    for text, given, _ in line:
        style = given or Style()
        front, back = _colours(style)
        end = x + cell_len(text)
        if grounds and grounds[-1][0] == back:
            grounds[-1] = back, grounds[-1][1], end
        else:
            grounds.append((back, x, end))
        texts += [_run(word, x + at, front, style) for at, word in _words(text, style)]
        x = end
    plain = _colour(None, foreground=False)
    drawn = [_ground(y, *ground) for ground in grounds if ground[0] != plain]
    if texts:
        texts = [f'<text y="{y * LINE + FONT}" xml:space="preserve">', *texts, "</text>"]
    return "".join([*drawn, *texts])


def _ground(y: int, colour: str, start: int, end: int) -> str:
    left, width = _px(start), _px(end - start)
    return f'<path fill="{colour}" d="M{left} {y * LINE}h{width}v{LINE}h-{width}z"/>'


def _words(text: str, style: Style) -> Iterable[tuple[int, str]]:
    """What is to be drawn of ``text``, and where: a glyph of another width moves nothing else."""
    if style.underline:
        return [(0, text)]
    found = re.finditer(rf"[^{_BLANK}]+([{_BLANK}][^{_BLANK}]+)*", text)
    return [(cell_len(text[: each.start()]), each[0]) for each in found]


def _run(text: str, x: int, front: str, style: Style) -> str:
    looks = f'fill="{front}"'
    if style.bold:
        looks += ' font-weight="bold"'
    if style.italic:
        looks += ' font-style="italic"'
    if style.underline:
        looks += ' text-decoration="underline"'
    length = _px(cell_len(text))
    return f'<tspan x="{_px(x)}" textLength="{length}" {looks}>{escape(text)}</tspan>'


def _px(cells: int) -> str:
    return f"{cells * CELL:.1f}".removesuffix(".0")


def _colours(style: Style) -> tuple[str, str]:
    front, back = _triplet(style.color, foreground=True), _triplet(style.bgcolor, foreground=False)
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = blend_rgb(back, front, 0.6)
    return front.hex, back.hex


def _colour(colour: Any, *, foreground: bool) -> str:
    return str(_triplet(colour, foreground=foreground).hex)


def _triplet(colour: Any, *, foreground: bool) -> Any:
    theme = SVG_EXPORT_THEME
    if colour is None or colour.is_default:
        return theme.foreground_color if foreground else theme.background_color
    return colour.get_truecolor(theme, foreground=foreground)
