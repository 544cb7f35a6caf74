"""The job screen: output, attempts, every field."""

from __future__ import annotations

from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.widgets.log_title import LogTitle
from queuectl_tui.widgets.log_view import LogView
from store import AttemptState, JobState, Outcome, Output, Stream
from tests.tui.stage import Backstage, Stage, opened


async def _open(stage: Stage) -> LogView:
    await stage.press("enter")
    await stage.until_screen(JobScreen)
    log = stage.screen.query_one(LogView)
    await stage.until(lambda: stage.screen.query_one(LogTitle).plain != "" or log.page.total == 0)
    return log


async def test_the_output_of_the_last_attempt_is_shown(backstage: Backstage) -> None:
    backstage.ended("done1", stdout=b"hello\nworld\n", stderr=b"warning\n")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("hello", "world", "stdout 12 B", "stderr 8 B", "2 lines")
        await stage.press("t")
        await stage.until_shown("warning")
        assert "hello" not in stage.shown()
        await stage.press("escape")
        await stage.until_screen(JobsScreen)
        await stage.until_at("done1")


async def test_stderr_comes_first_where_it_is_all_there_is(backstage: Backstage) -> None:
    backstage.dead("dead1", stderr=b"No space left on device\n")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("No space left on device")


async def test_attempts_have_a_row_each_and_open_their_output(backstage: Backstage) -> None:
    backstage.dead("job1", stdout=b"first time\n", exit_code=3, error="exit 3: boom")
    backstage.queue.retry(["job1"])
    lease = backstage.queue.claim(backstage.worker)
    assert lease is not None
    done = Outcome(AttemptState.COMPLETED, exit_code=0, stdout=Output(12, b"second time\n"))
    backstage.queue.finish(lease, done)
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("second time")
        await stage.press("2")
        await stage.until_shown("✗ failed", "exit 3: boom", "✓ completed")
        await stage.press("enter")
        await stage.until_shown("first time", "attempt 1")
        await stage.press("right_square_bracket")
        await stage.until_shown("second time", "attempt 2")


async def test_every_field_is_there_and_no_secret(backstage: Backstage) -> None:
    backstage.pending(
        "job1", command="make\ntest", env={"TOKEN": "s3cret"}, label="nightly", priority=7
    )
    async with opened(backstage, size=(80, 40)) as stage:
        await _open(stage)
        await stage.until_shown("It has not run yet")
        await stage.press("3")
        await stage.until_shown("nightly", "TOKEN=***", "priority", "default")
        assert "s3cret" not in stage.shown()


async def test_live_output_follows_unless_the_reader_scrolled_up(backstage: Backstage) -> None:
    lease = backstage.running("run1")
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDOUT)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_text("".join(f"line {number}\n" for number in range(100)))
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("line 99", "following")
        with scratch.open("a") as file:
            file.write("line 100\n")
        await stage.until_shown("line 100")
        await stage.press("ctrl+u", "ctrl+u")
        await stage.until(lambda: not log.following)
        seen = stage.shown().splitlines()[1]
        with scratch.open("a") as file:
            file.write("".join(f"line {number}\n" for number in range(101, 315)))
        await stage.until_shown("214 new lines – G")
        assert stage.shown().splitlines()[1] == seen
        await stage.press("G")
        await stage.until_shown("line 314", "following")
        scratch.write_text("it began anew\n")
        await stage.until_shown("it began anew", "1 line")
        stdout = Output(14, b"it began anew\n")
        backstage.queue.finish(lease, Outcome(AttemptState.COMPLETED, exit_code=0, stdout=stdout))
        await stage.until_shown("✓ DONE", "it began anew")


async def test_a_big_log_is_held_in_slices(backstage: Backstage) -> None:
    backstage.running("run1")
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDOUT)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_text("".join(f"line {number} {'x' * 80}\n" for number in range(400_000)))
    async with opened(backstage) as stage:
        log = await _open(stage)
        await stage.until_shown("line 399999")
        await stage.press("g")
        await stage.until_shown("line 0 ", "line 20 ")
        assert len(log.page.lines) < 400
        await stage.press("G")
        await stage.until_shown("line 399999")


async def test_a_job_is_retried_and_cancelled_from_its_screen(backstage: Backstage) -> None:
    backstage.dead("job1")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.until_shown("✗ DEAD")
        await stage.press("r")
        await stage.until(lambda: backstage.state("job1") is JobState.PENDING)
        await stage.until_shown("· PENDING")
        await stage.press("x")
        await stage.until_shown("⊘ CANCELLED")
