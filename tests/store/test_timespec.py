"""What a duration and a time may look like."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import InvalidInput
from store.timespec import MAX_TIME, parse_duration, parse_time

NOW = 1_764_000_000_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (90, 90),
        (1.5, 1.5),
        ("90", 90),
        ("0.5", 0.5),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1d2h3m4.5s", 93_784.5),
        (" 5s ", 5),
        ("3650d", 315_360_000),
    ],
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "s", "1x", "1m1h", "1h1h", "-1", "-1s", "1e3", "1 h", "nan", "inf", "1h5"],
        *["١s", "3651d", -1, -0.1, float("nan"), float("inf"), 10**400, True, None, [], {}],
    ],
)
def test_no_durations(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"^must be "):
        parse_duration(value)


@given(st.integers(0, 9), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"{days}d{hours}h{minutes}m{seconds}s"

    assert parse_duration(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-11-24T16:00:00Z", NOW),
        ("2025-11-24t16:00:00.5z", NOW + 500),
        ("2025-11-24 17:00:00.123456+01:00", NOW + 123),
        ("10m", NOW + 600_000),
        ("90", NOW + 90_000),
        (1.5, NOW + 1_500),
        (0, NOW),
    ],
)
def test_times(value: object, expected: int) -> None:
    assert parse_time(value, NOW) == expected


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "clock", "expected"),
    [
        ("2026-11-24T10:00:00+01:00", "10:30", "2026-11-24T10:30:00+01:00"),
        ("2026-11-24T10:00:00+01:00", "10:00", "2026-11-25T10:00:00+01:00"),
        ("2026-11-24T10:00:00+01:00", "9:59", "2026-11-25T09:59:00+01:00"),
        ("2026-12-31T23:59:59+01:00", "00:00", "2027-01-01T00:00:00+01:00"),
        ("2026-10-24T12:00:00+02:00", "11:00", "2026-10-25T11:00:00+01:00"),
        # the hour that comes twice, when it has been once
        ("2026-10-25T02:45:00+02:00", "02:30", "2026-10-25T02:30:00+01:00"),
        ("2026-03-28T12:00:00+01:00", "11:00", "2026-03-29T11:00:00+02:00"),
        # the hour that is left out
        ("2026-03-29T00:00:00+01:00", "02:30", "2026-03-29T03:00:00+02:00"),
    ],
)
def test_a_clock_time_is_its_next_occurrence(now: str, clock: str, expected: str) -> None:
    def milliseconds(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp() * 1000)

    assert parse_time(clock, milliseconds(now)) == milliseconds(expected)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25 10:30", "2026-11-25T10:30:00+01:00"),
        ("2026-07-25T10:30", "2026-07-25T10:30:00+02:00"),
        ("2026-11-25 10:30:15", "2026-11-25T10:30:15+01:00"),
        ("2026-11-25t10:30:15.25", "2026-11-25T10:30:15.250+01:00"),
        ("2026-11-25 10:30Z", "2026-11-25T10:30:00+00:00"),
        ("tomorrow 09:00", "2026-11-25T09:00:00+01:00"),
        ("Tomorrow  9:00", "2026-11-25T09:00:00+01:00"),
        ("today 22:00", "2026-11-24T22:00:00+01:00"),
        ("today 02:00", "2026-11-24T02:00:00+01:00"),
        # the hour that comes twice, and the one that is left out
        ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
        ("2026-03-29 02:30:59.5", "2026-03-29T03:00:00+02:00"),
        ("2026-03-29 03:00", "2026-03-29T03:00:00+02:00"),
    ],
)
def test_a_time_without_a_zone_is_local(text: str, expected: str) -> None:
    def milliseconds(stamp: str) -> int:
        return int(datetime.fromisoformat(stamp).timestamp() * 1000)

    assert parse_time(text, milliseconds("2026-11-24T10:00:00+01:00")) == milliseconds(expected)


@pytest.mark.usefixtures("berlin")
@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 12, 30)))
def test_a_local_time_is_never_early(wall: datetime) -> None:
    moment = datetime.fromtimestamp(parse_time(wall.isoformat(), NOW) // 1000)

    assert timedelta(0) <= moment - wall.replace(microsecond=0) <= timedelta(hours=1)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, MAX_TIME))
def test_a_clock_time_is_within_a_day(hour: int, minute: int, now: int) -> None:
    assert now < parse_time(f"{hour}:{minute:02d}", now) <= now + 90_000_000


@pytest.mark.parametrize(
    "value",
    [
        *[
            "",
            "now",
            "tomorrow",
            "24:00",
            "10:60",
            "2026-11-24",
            "2026-11-24T10",
            "20261124T103000Z",
            "yesterday 10:00",
            "tomorrow 24:00",
            "tomorrow10:00",
            "0001-01-01 00:00",
            "9999-12-31 23:59",
            "1969-12-31 12:00",
            "2026-02-30 10:30",
        ],
        *["2026-13-01T00:00:00Z", "2026-11-24T10:30:60Z", "1969-12-31T23:59:59Z", "-5", True, []],
    ],
)
def test_no_times(value: object) -> None:
    with pytest.raises(InvalidInput):
        parse_time(value, NOW)
