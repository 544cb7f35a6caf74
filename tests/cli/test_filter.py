"""``--filter``: the language of the app's filter on the command line."""

from __future__ import annotations

from collections.abc import Callable

from store.queue import Queue
from tests.cli.conftest import Cli, died

Ok = Callable[..., str]


def test_the_language_of_the_app_s_filter_chooses_jobs(queue: Queue, ok: Ok, cli: Cli) -> None:
    ok("enqueue", "--id", "a", "--max-retries", "0", "make a")
    died(queue, error="exit code 3: connection refused")
    ok("enqueue", "--id", "b", "--label", "night", "make b")
    ok("enqueue", "--id", "c", "--queue", "mail", "send c")
    assert ok("list", "--json", "--filter", "refused").count('"id": "a"') == 1
    assert ok("cancel", "--dry-run", "--filter", "make !label:x").split() == ["b"]
    assert ok("dlq", "retry", "--dry-run", "--filter", "error:refused exit:>0").split() == ["a"]
    assert ok("wait", "--dry-run", "--filter", "!queue:mail", "--label", "night").split() == ["b"]
    refused = cli("cancel", "--filter", "stat:dead")
    assert refused.exit_code == 2
    assert "no term stat:; did you mean state?; quotes make it text" in refused.stderr
    assert cli("cancel", "--filter", "state:dead").exit_code == 2
    assert cli("cancel", "a", "--filter", "make").exit_code == 2
