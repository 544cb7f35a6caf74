"""The language of filters, read and applied to jobs in a store."""

from __future__ import annotations

import pytest

from store import AttemptState, JobFilter, JobState, NewJob, Outcome, Term
from store.errors import InvalidInput
from store.filtering import as_typed, both, completions, parse_filter, require_filter
from store.queue import Queue

from .steps import add, claim

DEAD, FAILED = JobState.DEAD, JobState.FAILED


def test_one_value_is_what_counts_are_kept_for() -> None:
    wanted, problem = parse_filter("state:de queue:video exit:137")
    assert (wanted, problem) == (
        JobFilter(states=frozenset({DEAD}), queue="video", exit_code=137),
        "",
    )
    assert parse_filter("state:RUNNING").wanted.states == {JobState.PROCESSING}
    assert parse_filter("state:dead,retr").wanted.states == {DEAD, FAILED}


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("ffmpeg out.mp4", [Term("", "has", ("ffmpeg",)), Term("", "has", ("out.mp4",))]),
        ('"make all" !warn', [Term("", "has", ("make all",)), Term("", "has", ("warn",), True)]),
        ("~^make.*x", [Term("", "~", ("^make.*x",))]),
        ('error:"timed out"', [Term("error", "has", ("timed out",))]),
        ("error:~Time", [Term("error", "~", ("Time",))]),
        ("!queue:mail", [Term("queue", "=", ("mail",), True)]),
        ("exit:>0", [Term("exit", ">", ("0",))]),
        ("took:>1m age:<=1h30m", [Term("took", ">", ("60.0",)), Term("age", "<=", ("5400.0",))]),
        ("http://x.org/a:b", [Term("", "has", ("http://x.org/a:b",))]),
        ('"no:term"', [Term("", "has", ("no:term",))]),
        ("worker:w3 held:no", [Term("worker", "=", ("w3",)), Term("held", "=", ("no",))]),
        ("", []),
        ("   ", []),
    ],
)
def test_terms_are_read_and_written(line: str, terms: list[Term]) -> None:
    wanted, problem = parse_filter(line)
    assert (list(wanted.terms), problem) == (terms, "")
    assert parse_filter(" ".join(map(as_typed, wanted.terms))).wanted == wanted


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("stat:dead", "no term stat:; did you mean state?; quotes make it text"),
        ("state:nope", "state: no state begins with 'nope'"),
        ("state:", "state: takes a value, as in state:dead,failed"),
        ("!nope:", "no term nope:; quotes make it text"),
        ("exit:x", "exit: takes a number, as in exit:1 or exit:>0"),
        ("exit:99999999999999999999", "exit: takes a number, as in exit:1 or exit:>0"),
        ("took:10m", "took: takes > or < and a duration, as in >10m"),
        ("age:>soon", 'age: must be a duration such as 90, "10m" or "1h30m", not "soon"'),
        ("~(", "no regular expression: missing ), unterminated subpattern at position 0"),
        ("queue:~x", "queue: takes no regular expression"),
        ("state:dead state:done", "no job is in two states at once"),
        ('""', "nothing is looked for"),
    ],
)
def test_what_makes_no_sense_is_named(line: str, problem: str) -> None:
    assert parse_filter(f"good {line}").problem == problem
    with pytest.raises(InvalidInput) as refused:
        require_filter(line)
    assert str(refused.value) == problem


def _found(queue: Queue, line: str) -> set[str]:
    wanted = require_filter(line)
    found = {job.id for job in queue.jobs(wanted)}
    assert queue.count(wanted) == len(found)
    return found


@pytest.fixture
def mixed(queue: Queue) -> Queue:
    """Jobs of many kinds; what ran took 90 s."""
    add(queue, "plain", label="100%_sure", held=True)
    queue.enqueue([NewJob(id="mail", argv=("send", "ALL"), queue="mail", held=True)])
    for name, error in (("slow", "timed out after 60s"), ("bad", "exit code 3: [E1] refused")):
        queue.enqueue([NewJob(id=name, command="make x", max_retries=0)])
        state = AttemptState.TIMED_OUT if name == "slow" else AttemptState.FAILED
        code = None if name == "slow" else 3
        queue.finish(claim(queue), Outcome(state, exit_code=code, error=error))
    return queue


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("make", {"slow", "bad"}),
        ("MAKE bad", {"bad"}),
        ("refused", {"bad"}),
        ("!make", {"plain", "mail"}),
        ('error:"timed out" !queue:mail', {"slow"}),
        ("!error:out", {"plain", "mail", "bad"}),
        ("error:~^exit", {"bad"}),
        ("~[ae]ll", {"mail"}),
        ("!~.", set()),
        ("label:%_", {"plain"}),
        ("!label:sure", {"mail", "slow", "bad"}),
        ("exit:>0", {"bad"}),
        ("!exit:3", {"plain", "mail", "slow"}),
        ("exit:3", {"bad"}),
        ("worker:w1", {"slow", "bad"}),
        ("held:yes", {"plain", "mail"}),
        ("!held:yes", {"slow", "bad"}),
        ("!state:dead", {"plain", "mail"}),
        ("state:dead queue:default", {"slow", "bad"}),
        ("took:>0", set()),
        ("took:<1s", {"slow", "bad"}),
        ("[E1]", {"bad"}),
        ("' OR 1=1 --", set()),
    ],
)
def test_jobs_are_found_by_terms(mixed: Queue, line: str, ids: set[str]) -> None:
    assert _found(mixed, line) == ids


def test_age_counts_from_when_a_job_came(queue: Queue) -> None:
    add(queue, "later")  # by the clock of these tests that is years from now
    assert _found(queue, "age:<1h") == {"later"}
    assert _found(queue, "age:>1h") == set()


def test_two_filters_hold_both() -> None:
    dead = JobFilter(states=frozenset({DEAD}), queue="a")
    assert both(dead, require_filter("x queue:b")) == JobFilter(
        states=frozenset({DEAD}), queue="b", terms=(Term("", "has", ("x",)),)
    )
    with pytest.raises(InvalidInput, match="two states"):
        both(dead, require_filter("state:done"))


def test_a_line_is_completed() -> None:
    assert completions("x !st", {}) == ["x !state:"]
    assert completions("queue:m", {"queue": ["mail", "main", "net"]}) == [
        "queue:mail",
        "queue:main",
    ]
    assert completions("nothing", {}) == []
    assert completions("", {}) == []
