"""``config``: settings live in the store."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from store import NewJob, open_store, system_clock
from store.queue import Queue
from tests.cli.conftest import Cli, died, one_error
from tests.cli.test_control import on_a_terminal

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
        (("set", "keep_dead", "30"), "keep_dead: 30 what? give 30s or 30d"),
        (("set", "keep-completed", "1.5"), "keep_completed: 1.5 what?"),
        (("set", "keep_dead", "30", "--yes"), "keep_dead: 30 what?"),
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


def test_other_names_of_list(ok: Ok) -> None:
    for form in ((), ("--json",)):
        assert (
            ok("config", "get", *form) == ok("config", "show", *form) == ok("config", "list", *form)
        )
    assert ok("config", "show", "backoff-base") == "2\n"


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
        ("keep_dead", "12h", 43_200, 7_776_000),
        ("keep_completed", "0", 0, 2_592_000),
        ("job-timeout", "2m", 120, 0),
    ],
)
def test_a_value_as_json(key: str, text: str, value: object, default: object, ok: Ok) -> None:
    ok("config", "set", key, text)

    shown = json.loads(ok("config", "get", key, "--json"))

    assert (shown["value"], shown["default"]) == (value, default)
    assert (type(shown["value"]), type(shown["default"])) == (type(value), type(default))
    assert listed(ok)[shown["key"]] == shown


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


# -- Changes that delete


@pytest.fixture
def long_dead(queue: Queue) -> None:
    """Two jobs that died a hundred days ago."""
    past = system_clock() - 100 * 86_400_000
    store = open_store(queue.url, durable=False, clock=lambda: past)
    store.settings.set("keep_dead", "0")
    store.settings.set("default_max_retries", "0")
    for name in ("a", "b"):
        store.enqueue([NewJob(command="x", id=name)])
        died(store, stderr=b"x" * 1000)
    store.close()


@pytest.mark.usefixtures("long_dead")
@pytest.mark.parametrize(
    ("words", "lost", "left"),
    [
        (("set", "keep_dead", "99d"), "2 jobs", 0),
        (("unset", "keep-dead"), "2 jobs", 0),
        (("set", "keep_dead_count", "1"), "1 job", 1),
        (("set", "keep_output", "1500"), "the output of 1 attempt", 2),
    ],
)
def test_a_change_that_deletes_needs_yes(
    words: tuple[str, ...], lost: str, left: int, cli: Cli, ok: Ok, queue: Queue
) -> None:
    before = ok("config", "list", "--json")

    result = cli("config", *words)

    assert result.exit_code == 2
    assert one_error(result) == f"without a terminal this needs --yes (it deletes {lost})"
    assert ok("config", "list", "--json") == before
    ok("config", *words, "--yes")
    while queue.prune():
        pass
    assert queue.count() == left
    assert cli("config", *words).exit_code == 0  # what is gone is not lost again


@pytest.mark.usefixtures("long_dead")
def test_a_change_that_deletes_nothing_more_goes_ahead(ok: Ok, queue: Queue) -> None:
    for words in (("keep_dead", "200d"), ("keep_dead", "0"), ("keep_dead_count", "2")):
        ok("config", "set", *words)
    ok("config", "set", "--yes", "keep_dead", "1d")
    ok("config", "set", "keep_dead", "2d")  # they go either way
    ok("config", "unset", "keep_completed")


@pytest.mark.usefixtures("long_dead")
def test_a_terminal_asks_before_a_change_that_deletes(ok: Ok) -> None:
    for answer, value in ((b"n\n", "0"), (b"y\n", "30d")):
        _, shown = on_a_terminal(answer, "config", "set", "keep_dead", "30d")
        assert "keep_dead 30d deletes 2 jobs. Go on? [y/N]" in shown
        assert ok("config", "get", "keep_dead") == f"{value}\n"


def test_what_zero_means_is_told(ok: Ok) -> None:
    for key, item in listed(ok).items():
        is_number = isinstance(item["value"], int | float) and key != "backoff_base"
        assert ("; 0 is " in str(item["meaning"])) is is_number
