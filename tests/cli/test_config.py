"""``config``: settings live in the store."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from store.queue import Queue
from tests.cli.conftest import Cli, one_error

Ok = Callable[..., str]


@pytest.mark.parametrize("key", ["default_max_retries", "default-max-retries", "max-retries"])
def test_set_get_unset(key: str, ok: Ok, queue: Queue) -> None:
    assert ok("config", "get", key) == "3\n"

    ok("config", "set", key, "1")

    assert ok("config", "get", key) == "1\n"
    assert queue.job(ok("enqueue", "x").strip()).max_retries == 1

    ok("config", "unset", key)

    assert ok("config", "get", key) == "3\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("set", "backoff_base", "abc"), "backoff_base"),
        (("set", "backoff_base", "-1"), "backoff_base"),
        (("set", "stop_grace", "soon"), "stop_grace"),
        (("set", "backof_base", "2"), "did you mean backoff_base?"),
        (("get", "no\x1b"), "no such setting"),
        (("unset", "nothing"), "no such setting"),
        (("set", "backoff_base"), "VALUE"),
    ],
)
def test_a_bad_setting_changes_nothing(
    words: tuple[str, ...], error: str, cli: Cli, ok: Ok
) -> None:
    before = ok("config", "list", "--json")

    result = cli("config", *words)

    assert result.exit_code == 2
    assert error in one_error(result)
    assert ok("config", "list", "--json") == before


def test_list_shows_default_value_and_meaning(ok: Ok) -> None:
    ok("config", "set", "stop_grace", "3s")

    settings = {item["key"]: item for item in json.loads(ok("config", "list", "--json"))}

    assert settings["stop_grace"]["value"] == "3s"
    assert settings["stop_grace"]["default"] == "10s"
    assert settings["stop_grace"] == json.loads(ok("config", "get", "stop-grace", "--json"))
    assert all(item["meaning"] for item in settings.values())
    assert settings["stop_grace"]["meaning"] in ok("config", "list")
