"""A picture of results: ``python tests/benchmarks/chart.py results.json TARGET.svg``.

Drawn with a background of its own, so that it reads alike on light and dark pages.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 1000, 690
_PANEL_WIDTH, _PANEL_HEIGHT = 470, 296
_PAPER, _PANEL, _GRID = "#10151f", "#182030", "#2c3850"
_INK, _FAINT, _OURS, _PEER = "#e8edf5", "#9aa7bd", "#4fd1a5", "#66799a"
_LINES = ("#4fd1a5", "#f2b84b", "#74b3ff", "#e78ac3", "#c3a6ff", "#ff8f70")
_FONT = "font-family='ui-sans-serif, system-ui, Helvetica, Arial, sans-serif'"
Results = dict[str, Any]
Point = tuple[float, float]


def main(source: str, target: str) -> None:
    results = json.loads(Path(source).read_text(encoding="utf-8"))
    Path(target).write_text("\n".join(_picture(results)) + "\n", encoding="utf-8")


def _picture(results: Results) -> Iterator[str]:
    about = results["machine"]
    yield (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}'"
        f" width='{_WIDTH}' height='{_HEIGHT}' {_FONT} font-size='13'>"
    )
    yield f"<rect width='{_WIDTH}' height='{_HEIGHT}' rx='10' fill='{_PAPER}'/>"
    yield _text(20, 34, "queuectl-tui, measured", size=18, bold=True)
    line = (
        f"{about['date']} · {about['cores']} cores, {about['memory_gib']} GiB ·"
        f" Python {about['python']} · SQLite {about['sqlite']} · {about['kernel']}"
        f" · median of {results['rounds']}"
    )
    yield _text(_WIDTH - 20, 34, line, anchor="end", colour=_FAINT, size=12)
    panels = (_drain(results), _growth(results), _start_up(results), _workers(results))
    for number, panel in enumerate(panels):
        left, top = 20 + number % 2 * (_PANEL_WIDTH + 20), 54 + number // 2 * (_PANEL_HEIGHT + 20)
        yield f"<g transform='translate({left} {top})'>"
        yield f"<rect width='{_PANEL_WIDTH}' height='{_PANEL_HEIGHT}' rx='8' fill='{_PANEL}'/>"
        yield from panel
        yield "</g>"
    yield "</svg>"


# Panels ------------------------------------------------------------------------------------------


def _drain(results: Results) -> Iterator[str]:
    yield from _title("2,000 × true, two at a time", "jobs a second: longer is better")
    yield from _bars(_rows(results, "drain"))


def _start_up(results: Results) -> Iterator[str]:
    yield from _title("One call, 1,000,000 jobs in the store", "milliseconds: shorter is better")
    rows = [row for row in _rows(results, "start_up") if not row["what"].endswith(", 1 job")]
    yield from _bars(rows)


def _growth(results: Results) -> Iterator[str]:
    yield from _title(
        "From 1,000 to 1,000,000 jobs", "milliseconds for one job or one look: flat is better"
    )
    rows = _rows(results, "growth")
    lines = {label: _curve(rows, what) for what, label in _GROWING.items()}
    yield from _curves(lines, unit="ms")


def _workers(results: Results) -> Iterator[str]:
    cores = results["machine"]["cores"]
    yield from _title(f"1 to 32 workers on {cores} cores", "jobs a second: higher is better")
    rows = _rows(results, "workers")
    lines = {what: _curve(rows, what) for what in ("true", "sleep 0.1")}
    yield from _curves(lines, unit="", powers_of_two=True)


_GROWING = {
    "app's refresh, at the top": "app's refresh",
    "list, the 20 newest": "list, 20 newest",
    "claim": "claim",
    "finish": "finish",
    "counts (status)": "counts",
    "enqueue, a job of one batch": "enqueue",
}


def _rows(results: Results, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = results["benchmarks"].get(name, {}).get("rows", [])
    return rows


def _curve(rows: Sequence[dict[str, Any]], what: str) -> list[Point]:
    return [(row["at"], row["value"]) for row in rows if row["what"].startswith(f"{what}, ")]


# Shapes ------------------------------------------------------------------------------------------


def _title(name: str, unit: str) -> Iterator[str]:
    yield _text(16, 26, name, size=15, bold=True)
    yield _text(16, 44, unit, size=12, colour=_FAINT)


def _bars(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    left, right, top = 252, _PANEL_WIDTH - 66, 56
    step = (_PANEL_HEIGHT - top - 10) / len(rows)
    most = max(row["value"] or 0 for row in rows)
    for number, row in enumerate(rows):
        middle, thick = top + step * (number + 0.5), min(18, step * 0.66)
        ours = row["what"].startswith("queuectl-tui")
        name = row["what"].removesuffix(", 1,000,000 jobs")
        yield _text(left - 8, middle + 4, _shortened(name), anchor="end", size=11)
        if row["value"] is None:
            yield _text(left, middle + 4, "not installed", size=11, colour=_FAINT)
            continue
        length = max(2.0, (right - left) * row["value"] / most)
        yield (
            f"<rect x='{left}' y='{middle - thick / 2:.1f}' width='{length:.1f}'"
            f" height='{thick:.1f}' rx='2' fill='{_OURS if ours else _PEER}'/>"
        )
        colour = _OURS if ours else _INK
        yield _text(left + length + 6, middle + 4, _number(row["value"]), size=11, colour=colour)


def _curves(
    lines: dict[str, list[Point]], *, unit: str, powers_of_two: bool = False
) -> Iterator[str]:
    """Curves on two logarithmic axes, each with its name at its right end."""
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return
    left, right, top, bottom = 64, _PANEL_WIDTH - 128, 62, _PANEL_HEIGHT - 34
    places = sorted({at for points in lines.values() for at, _ in points})
    values = [value for points in lines.values() for _, value in points]
    lowest, highest = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def across(at: float) -> float:
        share = math.log(at / places[0]) / (math.log(places[-1] / places[0]) or 1)
        return left + (right - left) * share

    def up(value: float) -> float:
        return bottom - (bottom - top) * (math.log10(value) - lowest) / (highest - lowest)

    for power in range(lowest, highest + 1):
        y = up(10.0**power)
        yield f"<path d='M{left} {y:.1f}H{right}' stroke='{_GRID}'/>"
        yield _text(
            left - 8, y + 4, f"{10.0**power:,g} {unit}", anchor="end", size=11, colour=_FAINT
        )
    for at in places:
        label = f"{at:g}" if powers_of_two else _thousands(at)
        yield _text(across(at), bottom + 18, label, anchor="middle", size=11, colour=_FAINT)
    names: list[tuple[float, str, str]] = []
    for (name, points), colour in zip(lines.items(), _LINES, strict=False):
        path = " ".join(f"{across(at):.1f},{up(value):.1f}" for at, value in points)
        yield f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.2'/>"
        for at, value in points:
            yield f"<circle cx='{across(at):.1f}' cy='{up(value):.1f}' r='3' fill='{colour}'/>"
        names.append((up(points[-1][1]), f"{name} {_number(points[-1][1])}", colour))
    for y, name, colour in _apart(names):
        yield _text(right + 10, y + 4, name, size=11, colour=colour)


def _apart(names: list[tuple[float, str, str]]) -> Iterator[tuple[float, str, str]]:
    """The same names, none on top of another."""
    last = -math.inf
    for y, name, colour in sorted(names):
        last = max(y, last + 14)
        yield last, name, colour


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 13,
    bold: bool = False,
    colour: str = _INK,
) -> str:
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}'"
        f" fill='{colour}'{weight}>{escape(words)}</text>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _thousands(at: float) -> str:
    return f"{at / 1e6:g}M" if at >= 1e6 else f"{at / 1e3:g}k"


def _shortened(name: str) -> str:
    return name if len(name) <= 38 else f"{name[:37]}…"


if __name__ == "__main__":
    main(*sys.argv[1:3])
