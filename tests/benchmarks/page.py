"""Tables of results: ``python tests/benchmarks/page.py results.json PERFORMANCE.md``.

What stands in the page between ``<!-- NAME -->`` and ``<!-- /NAME -->`` becomes the table of the
benchmark of that name; ``machine`` is what it was measured on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import Row

_BETWEEN = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main(source: str, target: str) -> None:
    results = json.loads(Path(source).read_text(encoding="utf-8"))
    tables = {"machine": _machine(results)} | {
        name: "\n".join(_table([Row(**row) for row in benchmark["rows"]]))
        for name, benchmark in results["benchmarks"].items()
    }

    def filled(found: re.Match[str]) -> str:
        before, name, after = found.groups()
        return f"{before}{tables[name]}\n{after}" if name in tables else found[0]

    page = Path(target)
    page.write_text(_BETWEEN.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _machine(results: dict[str, Any]) -> str:
    about = results["machine"]
    return (
        f"Measured on {about['date']}: {about['cores']} cores, {about['memory_gib']} GiB,"
        f" Python {about['python']}, SQLite {about['sqlite']}, {about['kernel']}; medians of"
        f" {results['rounds']} rounds."
    )


def _table(rows: list[Row]) -> Iterator[str]:
    if all(row.at is not None for row in rows):
        yield from _grid(rows)
        return
    asked = any(row.held is not None for row in rows)
    yield "| | figure | ratio |" + " goal |" * asked
    yield "|---|--:|--:|" + "---|" * asked
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f} ×"
        yield f"| {_cell(row.what)} | {row.shown} | {ratio} |" + f" {row.goal} |" * asked


def _grid(rows: list[Row]) -> Iterator[str]:
    """A line for each curve, a column for each place on it."""
    places = sorted({row.at for row in rows if row.at is not None})
    curves: dict[str, dict[int | None, Row]] = {}
    for row in rows:
        curves.setdefault(row.what.rpartition(", ")[0], {})[row.at] = row
    yield "| | " + " | ".join(f"{at:,}" for at in places) + " | last / first |"
    yield "|---|" + "--:|" * (len(places) + 1)
    for what, points in curves.items():
        last = points[places[-1]].ratio
        cells = [points[at].shown for at in places] + ["" if last is None else f"{last:.2f} ×"]
        yield f"| {_cell(what)} | " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main(*sys.argv[1:3])
