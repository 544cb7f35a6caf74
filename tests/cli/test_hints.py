"""What other queues call a command, an option or a setting is answered with what is meant here."""

from __future__ import annotations

import pytest

from queuectl_tui import hints
from tests.cli.conftest import Cli, one_error

APP = "queuectl-tui alone opens the app, and status --watch prints on"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("ls", "no such command: ls; did you mean list?"),
        ("ps", "did you mean list --state running, or worker list?"),
        ("add x", "did you mean enqueue?"),
        ("rm x", "did you mean delete?"),
        ("kill x", "did you mean cancel?"),
        ("tail x", "did you mean logs --follow?"),
        ("start", "did you mean worker start?"),
        ("metrics", "did you mean status --json?"),
        ("dashboard", APP),
        ("web", APP),
        ("monitor", APP),
        ("init", "enqueue makes the store"),
        ("reset", "prune removes all finished jobs"),
        ("worker ls", "no such command: worker ls; did you mean worker list?"),
        ("worker kill", "did you mean worker stop?"),
        ("worker monitor", APP),
        ("dlq rm", "did you mean dlq delete?"),
        ("schedule rm", "did you mean schedule remove?"),
        ("schedule start", "did you mean schedule resume?"),
        ("queue add", "did you mean queue set?"),
        ("config reset", "did you mean config unset?"),
        ("worker start --background", "no such option: --background; did you mean --detach?"),
        ("worker start --daemon", "did you mean --detach?"),
        ("enqueue --background x", "worker start --detach"),
        ("--daemon", "worker start --detach"),
        ("cancel --force x", "did you mean --yes?"),
        ("worker stop --force", "did you mean --now?"),
        ("enqueue --force x", "--if-exists skip"),
        ("retry --force x", "is run again as it is"),
        ("wait --force x", "No such option"),
        ("enqueue --wait x", "did you mean --follow?"),
        ("cancel --wait x", "wait ID waits for a job"),
        ("worker stop --wait", "it waits by itself"),
        ("config get base_backoff", "did you mean backoff_base?"),
        ("config set backoff-multiplier 3", "did you mean backoff_base?"),
        ("config unset BACKOFF_CAP_SECONDS", "did you mean backoff_max?"),
        ("config set lease_seconds 30", "did you mean stall_timeout?"),
        ("config set poll-interval 1", "there is no interval to set"),
    ],
)
def test_what_is_meant(words: str, error: str, cli: Cli) -> None:
    result = cli(*words.split())

    assert (result.exit_code, result.stdout) == (2, "")
    assert error in one_error(result)


def test_no_hint_stands_in_the_way_of_a_command(cli: Cli) -> None:
    shown = cli("--help").stdout

    assert not [word for word in hints._COMMANDS if f"\n  {word} " in shown]
