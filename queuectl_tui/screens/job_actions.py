"""What people do to jobs: retry, cancel, hold, pause, delete; asked first where it destroys.

The jobs are read when the key is pressed. What is asked about is what is acted on, whatever
happens to the list meanwhile.
"""

from __future__ import annotations

from asyncio import sleep
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol

from queuectl_tui.screens.confirm import Question
from queuectl_tui.screens.session import Answer, Deed, Lane, Session, Sweeping
from queuectl_tui.screens.working import Progress
from queuectl_tui.text import duration
from store import (
    FINISHED,
    HOLDABLE,
    RETRYABLE,
    RUNNING,
    UNFINISHED,
    Job,
    JobFilter,
    JobState,
    NotRetried,
    PauseProgress,
    QueueError,
)

if TYPE_CHECKING:
    from store.queue import Queue
    from store.sweep import Change, Step, Survey

Asked = ParamSpec("Asked")

_ONE_UNSEEN = "It is marked, but not in this list."
_UNDOABLE = 20
_UNASKED = 20
"""So many jobs at most are cancelled or retried without a question."""
_LOOKS, _LOOK_EVERY = 20, 0.1  # seconds; until a worker has done what it was asked
_AT_ONCE = 10_000
"""So many jobs are changed in one transaction."""
_SHOWN = 50
"""So many of all that match are named in the question about them."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the actions ask and tell."""

    ask: Callable[[Question], Awaitable[bool]]
    say: Callable[[str], None]
    complain: Callable[[str], None]
    working: Callable[[Progress], AbstractContextManager[None]]
    later: Callable[[Coroutine[None, None, None]], object]
    """Runs what need not be waited for."""


class Action(Protocol):
    """What is done to jobs by their ids; True if it was done to some of them.

    Where any of them is outside what is ``listed``, which nobody sees, it is asked first.
    """

    def __call__(
        self, ids: Sequence[str], *, listed: JobFilter | None = None
    ) -> Coroutine[None, None, bool]: ...


def _in_turn(
    act: Callable[Concatenate[JobActions, Asked], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[JobActions, Asked], Coroutine[Any, Any, Answer]]:
    """An action that begins when the one before has been done, and can be undone."""

    @wraps(act)
    async def acting(self: JobActions, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        async with self._session.acting:
            return await act(self, *args, **kwargs)

    return acting


class JobActions:
    """Each action ends with a sentence about what was done, or why not."""

    def __init__(self, session: Session, voice: Voice) -> None:
        self._session = session
        self._voice = voice

    async def look_up(self, job_id: str) -> Job | None:
        """The job; None once it is told that there is none."""
        try:
            return await self._session.call(Lane.DETAILS, lambda queue: queue.job(job_id))
        except (QueueError, OSError) as error:
            self._voice.complain(str(error))
            return None

    @_in_turn
    async def retry(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Runs the jobs (again) now; asks if there are many."""
        jobs = await self._eligible(ids, RETRYABLE, "retry")
        unseen = await self._unseen(jobs, listed)
        if unseen or len(jobs) > _UNASKED:
            question = self._retry_question(jobs, unseen or _by_state(jobs))
            if not await self._voice.ask(question):
                return False
        return bool(jobs) and await self._retry(jobs)

    def to_all(self, action: Action) -> Callable[[JobFilter], Coroutine[None, None, bool]] | None:
        """The action that does the same to all that match, if there is one."""
        return {
            self.retry: self.retry_matching,
            self.cancel: self.cancel_matching,
            self.delete: self.delete_matching,
        }.get(action)

    @_in_turn
    async def retry_matching(self, wanted: JobFilter) -> bool:
        """Runs all that match (again) now, after asking with their exact number."""
        return await self._sweep(_RETRY, wanted)

    @_in_turn
    async def cancel_matching(self, wanted: JobFilter) -> bool:
        """Cancels all that match, after asking with their exact number."""
        return await self._sweep(_CANCEL, wanted)

    @_in_turn
    async def delete_matching(self, wanted: JobFilter) -> bool:
        """Deletes all that match and have finished, after asking with their exact number."""
        return await self._sweep(_DELETE, wanted)

    async def _sweep(self, mass: _Mass, wanted: JobFilter) -> bool:
        """Those that are there when it is asked, as far as they match when their turn comes."""
        found = await self._change(
            lambda queue: (
                queue.sweep.survey(wanted, mass.among),
                queue.jobs(wanted._replace(states=mass.narrowed(wanted)), limit=_SHOWN),
            )
        )
        if found is None:
            return False
        survey, shown = found
        if not survey.jobs:
            self._voice.complain(f"None of these can be {_past(mass.verb)}")
            return False
        if not await self._voice.ask(_mass_question(mass, survey, shown, self._now())):
            return False
        return await self._step_by_step(mass, wanted._replace(up_to=survey.up_to), survey.jobs)

    async def _step_by_step(self, mass: _Mass, wanted: JobFilter, jobs: int) -> bool:
        progress = Progress(f"{mass.doing} {jobs:,} jobs", jobs)
        done = _Done()
        with self._voice.working(progress):
            while not progress.stopped:
                step = await self._try(partial(mass.step, wanted=wanted, below=done.below))
                if step is None:
                    break
                done.add(step)
                progress.done = done.changed
                if done.below is None:
                    break
        if done.undoable:
            self._keep(Sweeping(f"{mass.name} of {_number(done.changed)}", tuple(done.undoable)))
        self._tell_done(mass, done, jobs)
        return done.changed > 0

    def _tell_done(self, mass: _Mass, done: _Done, jobs: int) -> None:
        undo = " · u undoes it" if done.undoable else ""
        if done.below is not None:
            told = f"Stopped: {mass.done.lower()} {done.changed:,} of {jobs:,} jobs"
            self._voice.say(told + undo)
            return
        if done.changed:
            self._voice.say(f"{mass.done} {_number(done.changed)}{undo}")
        gone = jobs - done.changed - done.left
        if gone > 0:
            self._voice.say(f"{gone:,} were left as they are: they match no more, or are needed")
        if done.first_left is not None:
            self._voice.complain(_left_out(done.first_left, done.left))

    def _retry_question(self, jobs: Sequence[Job], note: str) -> Question:
        return Question(
            title=f"Run {_amount(jobs)} again?",
            keep=f"Leave {_them(jobs)} as they are" if len(jobs) > 1 else "Leave it as it is",
            act=f"Retry {_amount(jobs)}",
            names=_described(jobs, self._now()),
            note=note,
        )

    async def _retry(self, jobs: Sequence[Job]) -> bool:
        ids = [job.id for job in jobs]
        done = await self._change(lambda queue: (queue.present(ids), *queue.retry_possible(ids)))
        if done is None:
            return False
        before, after, left = done
        if not after:
            self._voice.complain(_left_out(left[0], len(left)))
            return False
        self._remember(f"retry of {_amount(after)}", before, after)
        self._voice.say(f"Retrying {_amount(after)} · u undoes it")
        if left:
            self._voice.complain(_left_out(left[0], len(left)))
        return True

    @_in_turn
    async def cancel(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Cancels the jobs; asks if any of them runs, or there are many."""
        jobs = await self._eligible(ids, UNFINISHED, "cancel")
        running = [job for job in jobs if job.state is JobState.PROCESSING]
        unseen = await self._unseen(jobs, listed)
        if running or unseen or len(jobs) > _UNASKED:
            question = _cancel_question(jobs, running, self._now(), unseen)
            if not await self._voice.ask(question):
                return False
        if not jobs:
            return False
        ids = [job.id for job in jobs]
        done = await self._change(lambda queue: (queue.present(ids), queue.cancel(ids)))
        if done is not None:
            undoable = self._remember(f"cancelling of {_amount(jobs)}", *done)
            verb = "Stopping" if running else "Cancelled"
            self._voice.say(f"{verb} {_amount(jobs)}" + (" · u undoes it" if undoable else ""))
        return done is not None

    @_in_turn
    async def hold_or_release(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Holds those that wait; where all of them are held, releases them."""
        jobs = await self._eligible(ids, HOLDABLE, "hold")
        return await self._set_held(jobs, listed, held=not all(job.held for job in jobs))

    @_in_turn
    async def hold(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Keeps waiting jobs from being started."""
        return await self._set_held(await self._eligible(ids, HOLDABLE, "hold"), listed, held=True)

    @_in_turn
    async def release(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Lets held jobs start."""
        jobs = await self._eligible(ids, HOLDABLE, "release")
        return await self._set_held(jobs, listed, held=False)

    async def _set_held(self, jobs: Sequence[Job], listed: JobFilter | None, *, held: bool) -> bool:
        ids = [job.id for job in jobs if job.held is not held]
        if jobs and not ids:
            self._voice.complain(f"{_amount(jobs)}: {'held already' if held else 'not held'}")
            return False
        if not await self._may_pass_over(jobs, listed, "Hold" if held else "Release"):
            return False
        done = await self._change(
            lambda queue: (queue.present(ids), queue.hold(ids) if held else queue.unhold(ids))
        )
        if done is not None:
            verb, name = ("Held", "hold") if held else ("Released", "release")
            self._remember(f"{name} of {_amount(done[1])}", *done)
            self._voice.say(f"{verb} {_amount(done[1])} · u undoes it")
        return done is not None

    async def pause_or_resume(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Pauses those that run; where all of them are paused, lets them go on."""
        jobs = await self._eligible(ids, RUNNING, "pause")
        if jobs and all(job.paused for job in jobs):
            return await self._resume(jobs, listed)
        return await self._pause(jobs, listed)

    async def pause(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Stops the jobs where they are; says so if that can't be."""
        return await self._pause(await self._eligible(ids, RUNNING, "pause"), listed)

    async def resume(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Lets paused jobs go on."""
        return await self._resume(await self._eligible(ids, RUNNING, "resume"), listed)

    async def _pause(self, jobs: Sequence[Job], listed: JobFilter | None) -> bool:
        if not await self._may_pass_over(jobs, listed, "Pause"):
            return False
        attempts = await self._change(lambda queue: queue.pause([job.id for job in jobs]))
        if attempts is None:
            return False
        self._voice.say(f"Pausing {_amount(jobs)}")
        self._voice.later(self._tell_refusals(attempts))
        return True

    async def _tell_refusals(self, attempts: Sequence[int]) -> None:
        for problem in await self._refusals(attempts):
            self._voice.complain(problem)

    async def _resume(self, jobs: Sequence[Job], listed: JobFilter | None) -> bool:
        if not await self._may_pass_over(jobs, listed, "Resume"):
            return False
        done = await self._change(lambda queue: queue.resume([job.id for job in jobs]))
        if done is not None:
            self._voice.say(f"Resuming {_amount(jobs)}")
        return done is not None

    async def _may_pass_over(
        self, jobs: Sequence[Job], listed: JobFilter | None, verb: str
    ) -> bool:
        """Whether there are jobs to act on, and nobody minds those that are not ``listed``."""
        unseen = await self._unseen(jobs, listed)
        if not jobs or not unseen:
            return bool(jobs)
        question = Question(
            title=f"{verb} {_amount(jobs)}?",
            keep=f"Leave {_them(jobs)} as they are" if len(jobs) > 1 else "Leave it as it is",
            act=f"{verb} {_amount(jobs)}",
            names=_described(jobs, self._now()),
            note=unseen,
        )
        return await self._voice.ask(question)

    async def _refusals(self, attempts: Sequence[int]) -> list[str]:
        """Why jobs that were to be paused go on, as far as the workers tell soon."""
        progress: list[PauseProgress] = []
        for _ in range(_LOOKS):
            progress = await self._change(lambda queue: queue.pausing(attempts)) or []
            if not any(one.runs and not (one.is_paused or one.is_refused) for one in progress):
                break
            await sleep(_LOOK_EVERY)
        return [f"{one.job_id} runs on: {one.pause.problem}" for one in progress if one.is_refused]

    async def clone(self, job_id: str) -> str | None:
        """Stores another job of the same fields; its id, None once it is told why it can't be."""
        job = await self._change(lambda queue: queue.clone(job_id))
        if job is None:
            return None
        self._voice.say(f"Cloned {job_id}: {job.id}")
        return job.id

    @_in_turn
    async def undo(self) -> None:
        """Takes back what was done last, as far as it can be and the jobs have not moved on."""
        if not self._session.deeds:
            self._voice.complain(
                "Nothing to undo: retries, holds, and cancels of waiting jobs, can be"
            )
            return
        deed = self._session.deeds.pop()
        if isinstance(deed, Sweeping):
            await self._undo_sweep(deed)
            return
        done = await self._change(lambda queue: queue.revert(deed.before, deed.after))
        if done is None:
            self._session.deeds.append(deed)
        elif done == len(deed.before):
            self._voice.say(f"Undone: {deed.name}")
        elif done:
            moved = len(deed.before) - done
            self._voice.say(f"Undone: {deed.name}, but {moved:,} moved on and stay as they are")
        else:
            moved_on = "they have" if len(deed.before) > 1 else "it has"
            self._voice.complain(f"Can't undo the {deed.name}: {moved_on} moved on")

    async def _undo_sweep(self, deed: Sweeping) -> None:
        """Step by step, the last first."""
        progress = Progress(f"Undoing the {deed.name}", deed.jobs)
        todo, done = list(deed.changes), 0
        with self._voice.working(progress):
            while todo and not progress.stopped:
                change = todo[-1]
                reverted = await self._try(lambda queue, one=change: queue.sweep.revert(one))  # type: ignore[misc]
                if reverted is None:
                    break
                todo.pop()
                done += reverted
                progress.done += change.jobs
        if todo:
            self._keep(Sweeping(deed.name, tuple(todo)))
            self._voice.say(f"Stopped: undone for {done:,} jobs · u goes on")
            return
        moved = deed.jobs - done
        but = f", but {moved:,} moved on and stay as they are" if moved else ""
        self._voice.say(f"Undone: {deed.name}{but}")

    def _keep(self, deed: Deed | Sweeping) -> None:
        self._session.deeds.append(deed)
        del self._session.deeds[:-_UNDOABLE]

    def _remember(self, name: str, before: Sequence[Job], after: Sequence[Job]) -> bool:
        """Keeps what can be undone; a running job that was told to stop can't."""
        by_id = {job.id: job for job in after}
        pairs = [
            (old, by_id[old.id])
            for old in before
            if old.id in by_id and old.state is not JobState.PROCESSING
        ]
        if pairs:
            old_jobs, new_jobs = zip(*pairs, strict=True)
            self._keep(Deed(name, old_jobs, new_jobs))
        return bool(pairs)

    @_in_turn
    async def delete(self, ids: Sequence[str], *, listed: JobFilter | None = None) -> bool:
        """Deletes finished jobs with their output, after asking."""
        jobs = await self._eligible(ids, FINISHED, "delete")
        if not jobs:
            return False
        question = Question(
            title=f"Delete {_amount(jobs)}, history and output too?",
            keep=f"Keep {_amount(jobs)}",
            act=f"Delete {_amount(jobs)}",
            names=_described(jobs, self._now()),
            note=await self._unseen(jobs, listed),
        )
        if not await self._voice.ask(question):
            return False
        ids = [job.id for job in jobs]
        deleted = bool(await self._change(lambda queue: _delete(queue, ids)))
        if deleted:
            self._voice.say(f"Deleted {_amount(jobs)}")
        return deleted

    def _now(self) -> int:
        return self._session.queue.now()

    async def _unseen(self, jobs: Sequence[Job], listed: JobFilter | None) -> str:
        """Says how many of the jobs are not ``listed``; nothing if all are."""
        if listed is None or not jobs:
            return ""
        ids, wanted = [job.id for job in jobs], listed
        hidden = await self._change(lambda queue: queue.outside(ids, wanted)) or []
        if not hidden:
            return ""
        whole = "They are" if len(hidden) == len(jobs) else f"{len(hidden):,} of them are"
        return f"{whole} marked, but not in this list." if len(jobs) > 1 else _ONE_UNSEEN

    async def _eligible(
        self, ids: Sequence[str], states: frozenset[JobState], verb: str
    ) -> list[Job]:
        jobs = await self._change(lambda queue: queue.present(ids))
        if jobs is None:
            return []
        eligible = [job for job in jobs if job.state in states]
        if not eligible:
            self._voice.complain(_nothing_to(verb, jobs))
        elif len(eligible) < len(jobs):
            left = len(jobs) - len(eligible)
            self._voice.say(f"{left} of {len(jobs)} can't be {_past(verb)} as they stand; left out")
        return eligible

    async def _change(self, work: Callable[[Queue], Answer]) -> Answer | None:
        """What ``work`` returns; None once it is told why that could not be done."""
        with self._voice.working(Progress("One moment")):
            return await self._try(work)

    async def _try(self, work: Callable[[Queue], Answer]) -> Answer | None:
        try:
            return await self._session.call(Lane.CHANGES, work)
        except (QueueError, OSError) as error:
            self._voice.complain(str(error))
            return None


@dataclass(frozen=True, slots=True)
class _Mass:
    """What can be done to all that match, in steps, and the words for it."""

    verb: str
    name: str
    doing: str
    done: str
    keep: str
    among: frozenset[JobState]
    step: Callable[..., Step | int]

    def narrowed(self, wanted: JobFilter) -> frozenset[JobState]:
        return (wanted.states or self.among) & self.among


@dataclass(slots=True)
class _Done:
    """What the steps so far came to; there are more ``below``, None when all are done."""

    changed: int = 0
    left: int = 0
    first_left: NotRetried | None = None
    below: int | None = 1 << 62
    undoable: list[Change] = field(default_factory=list)

    def add(self, step: Step | int) -> None:
        if isinstance(step, int):  # deleted, and gone from where the next step looks
            self.changed += step
            self.below = self.below if step else None
            return
        self.changed += step.changed
        self.left += len(step.left)
        self.first_left = self.first_left or next(iter(step.left), None)
        self.below = step.below
        if step.undoable.jobs:
            self.undoable.append(step.undoable)


def _retry_step(queue: Queue, *, wanted: JobFilter, below: int | None) -> Step:
    return queue.sweep.retry(wanted, below, _AT_ONCE)


def _cancel_step(queue: Queue, *, wanted: JobFilter, below: int | None) -> Step:
    return queue.sweep.cancel(wanted, below, _AT_ONCE)


def _delete_step(queue: Queue, *, wanted: JobFilter, below: int | None) -> int:
    del below
    return queue.delete_some(wanted)


_RETRY = _Mass("retry", "retry", "Retrying", "Retrying", "Leave them as they are",
               RETRYABLE, _retry_step)  # fmt: skip
_CANCEL = _Mass("cancel", "cancelling", "Cancelling", "Cancelled", "Keep them",
                UNFINISHED, _cancel_step)  # fmt: skip
_DELETE = _Mass("delete", "deleting", "Deleting", "Deleted", "Keep them",
                FINISHED, _delete_step)  # fmt: skip
_TITLES = {
    "retry": "Run {} again?",
    "cancel": "Cancel {}?",
    "delete": "Delete {}, history and output too?",
}


def _mass_question(mass: _Mass, survey: Survey, shown: Sequence[Job], now: int) -> Question:
    amount = _number(survey.jobs)
    counts = Counter({state.label: jobs for state, jobs in survey.counts.items()})
    note = ", ".join(f"{jobs:,} {label}" for label, jobs in counts.most_common())
    if mass is _CANCEL and survey.counts.get(JobState.PROCESSING):
        note += ". A running command gets SIGTERM, and SIGKILL after its grace."
    return Question(
        title=_TITLES[mass.verb].format(amount),
        keep=mass.keep,
        act=f"{mass.verb.capitalize()} {amount}",
        names=_described(shown, now),
        note=note,
        more=survey.jobs - len(shown),
    )


def _number(jobs: int) -> str:
    return f"{jobs:,} job" + ("" if jobs == 1 else "s")


def _left_out(first: NotRetried, left: int) -> str:
    if left == 1:
        return f"{first.id} stays as it is: {first.holder} has its unique key {first.unique_key!r}"
    return f"{left:,} stay as they are: others have their unique keys, {first.holder} one"


def _delete(queue: Queue, ids: Sequence[str]) -> bool:
    queue.delete(ids)
    return True


def _cancel_question(
    jobs: Sequence[Job], running: Sequence[Job], now: int, unseen: str
) -> Question:
    waiting = len(jobs) - len(running)
    notes = [unseen] if unseen else []
    if running:
        notes.append("A running command gets SIGTERM, and SIGKILL after its grace.")
        notes += [f"{waiting} not running yet."] if waiting else []
    return Question(
        title=f"Cancel {_amount(jobs)}?",
        keep="Keep running" if running else f"Keep {_them(jobs)}",
        act=f"Stop {_them(running)}" if not waiting else f"Cancel {_them(jobs)}",
        names=_described(jobs, now),
        note=" ".join(notes),
    )


def _described(jobs: Sequence[Job], now: int) -> list[str]:
    return [_description(job, now) for job in jobs]


def _description(job: Job, now: int) -> str:
    since = ""
    if job.state is JobState.PROCESSING and job.started_at is not None:
        since = f" {duration((now - job.started_at) / 1000)}"
    return f"{job.id}  {job.shown_state}{since}  {job.line[:200]}"


def _amount(jobs: Sequence[Job]) -> str:
    return f"{len(jobs):,} jobs" if len(jobs) != 1 else jobs[0].id


def _them(jobs: Sequence[Job]) -> str:
    return f"all {len(jobs):,}" if len(jobs) > 1 else "it"


def _by_state(jobs: Sequence[Job]) -> str:
    counts = Counter(job.state.label for job in jobs)
    return ", ".join(f"{count:,} {label}" for label, count in counts.most_common())


def _nothing_to(verb: str, jobs: Sequence[Job]) -> str:
    if not jobs:
        return f"Nothing to {verb}: no job is chosen, or it is gone"
    if len(jobs) == 1:
        return f"Can't {verb} {jobs[0].id}: it is {jobs[0].state.label}"
    return f"Can't {verb} any of {len(jobs)} jobs: {_by_state(jobs)}"


def _past(verb: str) -> str:
    return _PAST[verb]


_PAST = {
    "retry": "retried",
    "cancel": "cancelled",
    "hold": "held",
    "release": "released",
    "pause": "paused",
    "resume": "resumed",
    "delete": "deleted",
}
