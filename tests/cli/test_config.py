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


def listed(ok: Ok) -> dict[str, dict[str, object]]:
    return {item["key"]: item for item in json.loads(ok("config", "list", "--json"))}


def test_list_shows_default_value_and_meaning(ok: Ok) -> None:
    ok("config", "set", "stop_grace", "3s")

    settings = listed(ok)

    assert settings["stop_grace"] == json.loads(ok("config", "get", "stop-grace", "--json"))
    assert all(item["meaning"] for item in settings.values())
    row = next(line for line in ok("config", "list").splitlines() if line.startswith("stop_grace"))
    assert row.split(maxsplit=3) == ["stop_grace", "3s", "10s", settings["stop_grace"]["meaning"]]


@pytest.mark.parametrize(
    ("key", "text", "value", "default"),
    [
        ("stop_grace", "1m30s", 90, 10),
        ("stop_grace", "1.5", 1.5, 10),
        ("backoff_max", "2h", 7200, 3600),
        ("backoff_base", "1.50", 1.5, 2),
        ("default_max_retries", "7", 7, 3),
        ("default_timeout", "0", 0, 0),
        ("output_limit", "1M", 1 << 20, 64 << 20),
        ("shell", "/bin/bash -c", "/bin/bash -c", "/bin/sh -c"),
        ("on_finish", "notify", "notify", None),
    ],
)
def test_a_value_as_json(key: str, text: str, value: object, default: object, ok: Ok) -> None:
    ok("config", "set", key, text)

    shown = json.loads(ok("config", "get", key, "--json"))

    assert (shown["value"], shown["default"]) == (value, default)
    assert (type(shown["value"]), type(shown["default"])) == (type(value), type(default))
    assert listed(ok)[key] == shown


def test_a_narrow_terminal_shows_all_of_each_meaning(
    ok: Ok, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = listed(ok)
    monkeypatch.setenv("COLUMNS", "80")

    heading, *lines = ok("config", "list").splitlines()

    at = heading.index("MEANING")
    assert at <= 53
    assert max(map(len, lines)) <= 80
    meanings = " ".join(line[at:].strip() for line in lines)
    for setting in settings.values():
        assert str(setting["meaning"]) in meanings


@pytest.mark.parametrize("columns", ["1", "40"])
def test_no_terminal_is_too_narrow_for_the_list(
    columns: str, ok: Ok, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert "stop_" in ok("config", "list")
