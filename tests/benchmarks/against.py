"""Compare with another commit: ``python tests/benchmarks/against.py COMMIT [--pairs N]``.

To finish a job and claim the next, with nothing else in the store: who uses no limit pays for none.
Two processes, each with a store of its own, take turns of a fraction of a second. Processor time
counts, so that it matters little what else the machine does.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_PROJECT = Path(__file__).parents[2]
_AT_MOST = 1.05
_IN_A_TURN = 400
_MEASURE = """
import statistics, sys, tempfile, time
sys.path.insert(0, sys.argv[1])
import store
assert store.__file__.startswith(sys.argv[1])
done = store.Outcome(store.AttemptState.COMPLETED, exit_code=0)

def turn(number):
    global lease
    costs = []
    for _ in range(number):
        begun = time.thread_time()
        lease = queue.finish(lease, done, claim_for="w1")
        costs.append(time.thread_time() - begun)
    return statistics.median(costs) * 1e6

with tempfile.TemporaryDirectory(prefix="bench-") as folder:
    queue = store.open_store(f"{folder}/queue.db", durable=False)
    queue.enqueue(store.NewJob(command="true") for _ in range(int(sys.argv[2])))
    lease = queue.claim("w1")
    for line in sys.stdin:
        print(turn(int(line)), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure claims beside those of another commit.")
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=41, help="how often in turns (41)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _check_out(arguments.commit, Path(folder))
        there, here = (_started(place, arguments.pairs) for place in (folder, str(_PROJECT)))
        pairs = [_pair(there, here, turn) for turn in range(arguments.pairs + 1)][1:]
        for process in (there, here):
            process.communicate()
    before, now = (statistics.median(costs) for costs in zip(*pairs, strict=True))
    ratio = statistics.median(mine / other for other, mine in pairs)
    print(f"finish and claim: {before:.1f} µs at {arguments.commit}, {now:.1f} µs here")
    verdict = "✓" if ratio <= _AT_MOST else "✗"
    print(f"median ratio of {len(pairs)} pairs: {ratio:.3f}  ≤ {_AT_MOST} {verdict}")


def _check_out(commit: str, folder: Path) -> None:
    archive = ["git", "-C", str(_PROJECT), "archive", "--format=tar", commit, "store"]
    data = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        packed.extractall(folder, filter="data")


def _started(place: str, pairs: int) -> subprocess.Popen[str]:
    jobs = str((pairs + 2) * _IN_A_TURN)
    command = [sys.executable, "-c", _MEASURE, place, jobs]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _pair(
    there: subprocess.Popen[str], here: subprocess.Popen[str], turn: int
) -> tuple[float, float]:
    """Microseconds there and here; which goes first alternates."""
    order = (there, here) if turn % 2 else (here, there)
    costs = {process: _cost(process) for process in order}
    return costs[there], costs[here]


def _cost(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{_IN_A_TURN}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


if __name__ == "__main__":
    main()
