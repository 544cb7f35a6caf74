"""The job screen: output, attempts, every field."""

from __future__ import annotations

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.copy_text import CopyText
from queuectl_tui.screens.edit_job import EditJob
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.jobs import JobsScreen
from queuectl_tui.screens.start_workers import StartWorkers
from queuectl_tui.widgets.chain_table import ChainTable
from queuectl_tui.widgets.job_title import JobTitle
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.log_title import LogTitle
from queuectl_tui.widgets.log_view import LogView
from queuectl_tui.widgets.output_preview import read_preview
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
        await stage.until_shown("Not started yet. No worker is up: w starts some.")
        await stage.press("3")
        await stage.until_shown("nightly", "TOKEN=***", "priority", "default")
        assert "s3cret" not in stage.shown()


async def test_only_keys_that_do_something_are_named(backstage: Backstage) -> None:
    backstage.ended("done1", stdout=b"hello\n")
    backstage.pending("wait1", depends_on=("done1",))
    backstage.running("run1")
    async with opened(backstage, size=(160, 36)) as stage:
        await _open(stage)
        await stage.until_shown("following", "G follow", "x cancel", "t stream")
        assert not {"r retry", "e edit", "[ older"} & _hints(stage)
        await stage.press("escape", "j", "enter")
        await stage.until_shown("Not started yet.", "x cancel", "e edit")
        assert not {"r retry", "t stream", "z wrap", "S save", "G follow"} & _hints(stage)
        await stage.press("escape", "j", "enter")
        await stage.until_shown("hello", "1 line · end", "r retry", "t stream", "4 chain")
        assert not {"x cancel", "G follow"} & _hints(stage)
        await stage.press("4")
        await stage.until_shown("0 before it · 1 after it", "⏎ open")
        assert not {"x cancel", "t stream", "[ older", "] newer", "4 chain"} & _hints(stage)


def _hints(stage: Stage) -> set[str]:
    return set(stage.line(KeyHints).split("  "))


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


async def test_a_job_is_edited_from_its_screen(backstage: Backstage) -> None:
    backstage.pending("job1", command="make tset")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.press("e")
        await stage.until_screen(EditJob)
        await stage.fill(command="make test")
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        assert backstage.queue.job("job1").command == "make test"
        backstage.queue.cancel(["job1"])
        backstage.running("run1")
        await stage.press("escape", "g")
        await stage.until_at("run1")
        await _open(stage)
        await stage.press("e")
        await stage.until(lambda: "Can't edit run1: it is RUNNING" in stage.toasts())


async def test_a_deleted_job_leaves_no_screen_behind(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await stage.press("X")
        await stage.until_screen(Confirm)
        await stage.press("y")
        await stage.until_screen(JobsScreen)
        assert backstage.queue.count() == 0


async def test_a_job_is_watched_and_copied_from_its_screen(backstage: Backstage) -> None:
    backstage.pending("job1", command="make test")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.press("b")
        await stage.until(lambda: stage.line(JobTitle).count("♪ job1") == 1)
        assert stage.app.session.watched == {"job1"}
        await stage.press("b")
        await stage.until(lambda: "♪" not in stage.line(JobTitle))
        await stage.press("Y")
        await stage.until(lambda: stage.app.clipboard == "make test")
        await stage.until(lambda: "to copy (OSC 52); if it didn't, c shows it" in stage.toasts())
        for tab in "1234":
            await stage.press(tab, "c")
            await stage.until_screen(CopyText)
            await stage.until_shown("its id", "s saves to a file")
            await stage.press("escape")
            await stage.until_screen(JobScreen)


async def test_w_starts_workers_in_every_tab(backstage: Backstage) -> None:
    backstage.ended("job1", stdout=b"hello\n")
    async with opened(backstage) as stage:
        await _open(stage)
        for tab in "1234":
            await stage.press(tab, "w")
            await stage.until_screen(StartWorkers)
            await stage.press("escape")
            await stage.until_screen(JobScreen)


async def test_read_only_greys_what_changes_the_job(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage, read_only=True) as stage:
        await _open(stage)
        await stage.press("e", "X", "r", "x")
        await stage.pilot.pause()
        assert isinstance(stage.screen, JobScreen)


async def test_what_matters_of_a_job_finds_room_in_60_columns(backstage: Backstage) -> None:
    backstage.pending("a-job-with-quite-a-long-name-that-says-it-all")
    async with opened(backstage, size=(60, 20)) as stage:
        await _open(stage)
        await stage.until_shown("● LIVE", "a-job-with-q", "· PENDING", "[1 Output]  2  3  4")
        await stage.pilot.resize_terminal(80, 24)
        await stage.until_shown("[1 Output]", "2 Attempts", "3 Info", "4 Chain")


async def test_a_running_attempt_tells_what_it_has_written(backstage: Backstage) -> None:
    backstage.running("run1")
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDOUT)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_bytes(b"x" * 3000)
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.press("enter", "2")
        await stage.until_shown("▶ running", "2.9 KB", "stdout 2.9 KB, stderr 0 B")


# -- why it has not started


def _reason(backstage: Backstage, name: str) -> str:
    preview = read_preview(backstage.queue, name, 5, first=Stream.STDOUT)
    assert preview is not None
    return " ".join(preview.lines).removeprefix("Not started yet. ")


def test_a_job_that_never_ran_says_what_it_waits_for(backstage: Backstage) -> None:
    backstage.ended("done1")
    backstage.pending("first", "second", queue="net")
    backstage.pending("after", depends_on=("first", "second", "done1"))
    backstage.pending("later", delay=100_000.0)
    assert _reason(backstage, "after") == ("It waits for first (· PENDING), second (· PENDING).")
    assert _reason(backstage, "later").startswith("It is due at 20")
    assert _reason(backstage, "first") == "It waits for its turn."
    backstage.queue.queues.set_max_running("net", 1)
    assert backstage.queue.claim(backstage.worker) is not None
    assert _reason(backstage, "second") == "Queue net runs 1 at once, as many as it may."
    backstage.queue.queues.set_paused(["net"], True)
    assert _reason(backstage, "second") == "Queue net is paused: Q shows the queues."
    backstage.queue.queues.set_paused(["net"], False)
    backstage.queue.queues.set_max_running("net", None)
    backstage.queue.settings.set("max_running", "1")
    assert _reason(backstage, "second") == "As many jobs run as max_running allows: 1."
    backstage.queue.settings.set("min_free_space", "1000000T")
    assert _reason(backstage, "second").startswith("The disk has ")
    backstage.queue.cancel(["second"])
    assert _reason(backstage, "second") == "It never ran: it is CANCELLED."


async def test_the_preview_beside_the_table_says_it_too(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown("Output of job1", "Not started yet.", "No worker is up")


# -- the chain


def _rows(stage: Stage) -> list[str]:
    table = stage.screen.query_one(ChainTable)
    rows = [table.row(index) for index in range(table.total)]
    return [f"{row.depth} {row.job.id}{'…' if row.again else ''}" for row in rows if row]


async def test_the_chain_shows_both_ways_and_leads_along_it(backstage: Backstage) -> None:
    backstage.ended("fetch")
    backstage.pending("build", depends_on=("fetch",))
    backstage.pending("lint", depends_on=("fetch",))
    backstage.pending("pack", depends_on=("build", "lint"))
    backstage.pending("ship", "note", depends_on=("pack",))
    async with opened(backstage) as stage:
        await stage.press("G", "k", "k", "k")
        await stage.until_shown("after build, lint: echo")
        await stage.until_at("pack")
        await _open(stage)
        await stage.press("4")
        await stage.until_shown("3 before it · 2 after it", "┌ fetch", "└ ship", "◌ BLOCKED")
        assert _rows(stage) == [
            "-2 fetch…", "-1 lint", "-2 fetch", "-1 build", "0 pack", "1 ship", "1 note",
        ]  # fmt: skip
        table = stage.screen.query_one(ChainTable)
        await stage.until(lambda: table.cursor == 4)
        await stage.press("k", "enter")
        await stage.until(lambda: stage.line(JobTitle).find("build") > 0)
        await stage.press("4")
        await stage.until_shown("1 before it · 3 after it")
        await stage.press("escape")
        await stage.until_shown("3 before it · 2 after it")
        backstage.queue.cancel(["lint"])
        await stage.until_shown("⊘ CANCELLED")


async def test_the_commands_of_a_chain_have_the_room_beside_its_branches(
    backstage: Backstage,
) -> None:
    backstage.pending("first")
    backstage.pending("second", depends_on=("first",), command="./publish.sh --to www report.pdf")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.press("4")
        await stage.until_shown("./publish.sh --to www report.pdf ")


async def test_a_job_without_a_chain_says_how_to_make_one(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await _open(stage)
        await stage.press("d")
        await stage.until_shown("It waits for no job, and no job waits for it.")


def test_a_long_chain_is_followed_as_far_as_it_matters(backstage: Backstage) -> None:
    backstage.pending("job0")
    for number in range(1, 250):
        backstage.pending(f"job{number}", depends_on=(f"job{number - 1}",))
    chain = backstage.queue.chain("job0")
    assert not chain.complete
    assert (len(chain.needed_by), len(chain.needs)) == (200, 0)
    assert backstage.queue.chain("job249").needs["job249"] == ("job248",)
    assert backstage.queue.chain("job100").complete
