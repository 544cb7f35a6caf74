"""Measure it: ``python tests/benchmarks/run.py [NAME…] [--rounds N] [--json FILE]``.

Every figure stands beside a baseline taken in the same run, on the same machine: the ratio is what
counts. Peers that aren't installed are told apart from peers that are slower; those in Python come
with ``pip install '.[benchmark]'``. ``chart.py`` and ``page.py`` make a picture and tables of FILE.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from draining import drain, workers
from filling import enqueue, peers
from growth import claims, growth
from measure import Benchmark, Row, machine
from resting import contention, idle, memory
from start_up import latency, start_up

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.__name__: benchmark
    for benchmark in (
        drain,
        workers,
        enqueue,
        peers,
        growth,
        claims,
        start_up,
        latency,
        idle,
        memory,
        contention,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure queuectl-tui beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=3, help="their median counts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()), end="\n\n")
    results = {}
    for name in arguments.names or BENCHMARKS:
        results[name] = _run(name, BENCHMARKS[name], arguments.rounds)
        if arguments.json:
            document = {"machine": about, "rounds": arguments.rounds, "benchmarks": results}
            arguments.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _run(name: str, benchmark: Benchmark, rounds: int) -> dict[str, object]:
    print(f"{name}: {benchmark.__doc__}")
    rows, begun = [], time.monotonic()
    for row in benchmark(rounds):
        rows.append(row)
        print(_line(row), flush=True)
    took = time.monotonic() - begun
    print(f"  took {took:.0f} s\n")
    return {
        "title": benchmark.__doc__,
        "seconds": round(took),
        "rows": [asdict(row) for row in rows],
    }


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} ×"
    return f"  {row.what:<54} {row.shown:>16} {ratio:>9}  {row.goal}".rstrip()


if __name__ == "__main__":
    main()
