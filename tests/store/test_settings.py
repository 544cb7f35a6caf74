from __future__ import annotations

import pytest

from store import InvalidInput
from store.queue import Queue
from store.retry import backoff_seconds, exhausted
from store.timespec import MAX_DURATION


def test_a_value_is_shared_by_everybody_who_has_the_store_open(queue: Queue) -> None:
    queue.settings.set("backoff-base", "1.5")
    assert queue.settings.get("backoff_base") == "1.5"
    queue.settings.unset("backoff_base")
    assert queue.settings.get("backoff_base") == "2"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("backoff_base", "abc"),
        ("backoff_base", "0.5"),
        ("backoff_base", "nan"),
        ("default_max_retries", "1.0"),
        ("default_max_retries", "1001"),
        ("default_timeout", "-1"),
        ("stop_grace", "soon"),
        ("shell", "  "),
        ("shell", "sh 'unclosed"),
        ("capture_env", "A=B"),
        ("keep_dead", "30"),
    ],
)
def test_a_bad_value_is_refused_and_changes_nothing(queue: Queue, name: str, text: str) -> None:
    before = queue.settings.get(name)
    with pytest.raises(InvalidInput, match=name):
        queue.settings.set(name, text)
    assert queue.settings.get(name) == before


def test_a_misspelt_name_gets_a_suggestion(queue: Queue) -> None:
    with pytest.raises(InvalidInput, match="did you mean backoff_base"):
        queue.settings.get("backof_base")


def test_seconds_that_were_stored_without_a_unit_still_count(queue: Queue) -> None:
    with queue._database.write() as connection:
        connection.execute("INSERT INTO setting VALUES ('keep_dead', '31536000')")

    assert queue.settings.values()["keep_dead"] == 31_536_000


def test_an_alias(queue: Queue) -> None:
    queue.settings.set("max-retries", "7")
    assert queue.settings.get("default_max_retries") == "7"


def test_backoff_is_exponential_bounded_and_cannot_overflow() -> None:
    assert [backoff_seconds(n, base=2, longest=3600) for n in (1, 2, 3)] == [2, 4, 8]
    assert backoff_seconds(1000, base=10, longest=3600) == 3600
    assert backoff_seconds(1000, base=10, longest=0) == MAX_DURATION
    assert [backoff_seconds(n, base=1, delay=30) for n in (1, 2)] == [30, 30]
    assert backoff_seconds(9999, base=10, delay=0) == 0


def test_jitter_is_a_share_of_the_wait_on_either_side() -> None:
    shares = iter((0.0, 0.5, 1.0))
    waits = [backoff_seconds(3, base=2, jitter=0.5, chance=lambda: next(shares)) for _ in range(3)]
    assert waits == [4, 8, 12]


def test_retries_follow_the_first_run() -> None:
    assert [exhausted(n, 2) for n in (1, 2, 3)] == [False, False, True]
