"""What people and workers may do, made up by Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import strategies as st

from store import AttemptState, JobState, NewJob, OnDependencyFailure, Outcome, Rate

QUEUES = ("default", "mail", "web")
T = TypeVar("T")


@dataclass(frozen=True)
class Draft:
    """A job as somebody might want it; ``needs`` are places among the latest ids."""

    name: int | None
    queue: str
    priority: int
    wait: int | None
    at: int | None
    max_retries: int | None
    needs: tuple[int, ...]
    key: str | None
    label: str | None
    on_failure: OnDependencyFailure
    held: bool

    def to_job(self, now: int, known: Sequence[str]) -> NewJob:
        latest = [job_id for job_id in known if job_id != f"j{self.name}"][-6:]
        return NewJob(
            command="true",
            id=None if self.name is None else f"j{self.name}",
            queue=self.queue,
            priority=self.priority,
            delay=None if self.wait is None else self.wait / 1000,
            run_at=None if self.at is None or self.wait is not None else now + self.at,
            max_retries=self.max_retries,
            depends_on=tuple(latest[place % len(latest)] for place in self.needs) if latest else (),
            unique_key=self.key,
            label=self.label,
            on_dependency_failure=self.on_failure,
            held=self.held,
        )


def seldom(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.one_of(st.none(), st.none(), st.none(), strategy)


PLACE = st.integers(0, 999)
PLACES = st.lists(PLACE, min_size=1, max_size=3)
DRAFT = st.builds(
    Draft,
    name=st.none() | st.integers(0, 30),
    queue=st.sampled_from(QUEUES),
    priority=st.sampled_from((0, 0, -3, 5)),
    wait=seldom(st.sampled_from((1, 500, 2000, 5000))),
    at=seldom(st.sampled_from((-1000, 1, 3000))),
    max_retries=st.sampled_from((0, 1, 2, 3, None)),
    needs=st.just(()) | st.lists(PLACE, max_size=2).map(tuple),
    key=seldom(st.sampled_from(("night", "day"))),
    label=st.sampled_from((None, "red", "red", "blue")),
    on_failure=st.sampled_from((OnDependencyFailure.HOLD, *OnDependencyFailure)),
    held=st.integers(0, 9).map(lambda number: number == 9),
)
DRAFTS = st.lists(DRAFT, min_size=1, max_size=4)


def _outcome(
    state: AttemptState, exit_code: int | None, error: str | None, tree_empty: bool
) -> Outcome:
    return Outcome(state, exit_code=exit_code, error=error, tree_empty=tree_empty)


OUTCOMES = st.builds(
    _outcome,  # of a named tuple itself Hypothesis makes up what it isn't told
    state=st.sampled_from(
        (
            *(AttemptState.COMPLETED, AttemptState.FAILED, AttemptState.FAILED),
            *(AttemptState.TIMED_OUT, AttemptState.CANCELLED, AttemptState.LOST),
        )
    ),
    exit_code=st.sampled_from((0, 3, None)),
    error=st.sampled_from((None, "boom")),
    tree_empty=st.sampled_from((True, True, False)),
)
MEANWHILE = st.lists(st.tuples(st.integers(0, 2), st.none() | OUTCOMES), max_size=2)
SOME_QUEUES = st.sampled_from(((), (), ("mail",), ("web", "default"), ("mail", "none")))
CARELESS = st.sampled_from((False, False, False, True))
STATES = st.frozensets(st.sampled_from(JobState), max_size=3)
LIMIT = seldom(st.integers(1, 3))
PER_LABEL = st.sampled_from((None, 1, 1, 2, 3))
RATE = seldom(st.builds(Rate, st.integers(1, 3), st.sampled_from((0.5, 2.0, 8.0))))
MOMENTS = st.sampled_from((1, 999, 1000, 2000, 4000, 8000, 90_000, 7_200_000))
