"""What a job is called, says and prints is text: it never acts on the terminal or the app."""

from __future__ import annotations

from queuectl_tui.screens.confirm import Confirm
from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.screens.job import JobScreen
from queuectl_tui.screens.talk import complain
from store import OnDependencyFailure, StoreBusy, Stream
from tests.tui.stage import HOSTILE, HOSTILE_AS_TEXT, Backstage, Stage, opened


def _assert_harmless(stage: Stage) -> None:
    shown = stage.shown()
    assert not any(ord(char) < 0x20 and char != "\n" for char in shown)
    assert not any(0x7F <= ord(char) < 0xA0 for char in shown)


async def _until_text(stage: Stage, *texts: str) -> None:
    await stage.until_shown(*texts)
    _assert_harmless(stage)


async def test_hostile_text_is_shown_as_text_wherever_it_turns_up(backstage: Backstage) -> None:
    lines = f"{HOSTILE}\nsecond {HOSTILE}\n".encode()
    backstage.pending("before", command=HOSTILE)
    backstage.queue.cancel(["before"])
    backstage.dead(
        "evil",
        depends_on=("before",),
        on_dependency_failure=OnDependencyFailure.RUN,
        error=HOSTILE,
        command=f"echo {HOSTILE}",
        label=HOSTILE,
        cwd=f"/tmp/{HOSTILE}",
        env={f"X_{HOSTILE}": HOSTILE},
        unique_key=HOSTILE,
        stdout=lines,
        stderr=lines,
    )
    async with opened(backstage, size=(250, 50)) as stage:
        await _until_text(stage, f"echo {HOSTILE_AS_TEXT}", f"second {HOSTILE_AS_TEXT}")
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await _until_text(stage, f"second {HOSTILE_AS_TEXT}")
        await stage.press("2")
        await _until_text(stage, HOSTILE_AS_TEXT)
        await stage.press("3")
        await _until_text(stage, f"X_{HOSTILE_AS_TEXT}=***", f"/tmp/{HOSTILE_AS_TEXT}")
        await stage.press("4")
        await _until_text(stage, "┌ before", HOSTILE_AS_TEXT)
        await stage.press("escape", "D")
        await stage.until_screen(DeadScreen)
        await _until_text(stage, HOSTILE_AS_TEXT, f"second {HOSTILE_AS_TEXT}")
        await stage.press("X")
        await stage.until_screen(Confirm)
        await _until_text(stage, f"echo {HOSTILE_AS_TEXT}")


async def test_hostile_text_is_text_while_it_runs(backstage: Backstage) -> None:
    backstage.running("run1", command=HOSTILE)
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDOUT)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_text(HOSTILE)
    async with opened(backstage, size=(120, 36)) as stage:
        await _until_text(stage, HOSTILE_AS_TEXT)
        await stage.press("enter")
        await stage.until_screen(JobScreen)
        await _until_text(stage, HOSTILE_AS_TEXT)


async def test_hostile_text_is_text_in_toasts_and_filters(backstage: Backstage) -> None:
    backstage.pending("job1", command=HOSTILE)
    async with opened(backstage) as stage:
        await stage.press("slash")
        await stage.write("[/red]")
        await stage.press("enter")
        await stage.until(lambda: stage.rows() == ["job1"])
        await _until_text(stage, "“[/red]”")
        complain(stage.screen, "[/bold]\x1b]0;toasted\x07")
        await _until_text(stage, r"[/bold]\x1b]0;toasted\x07")


async def test_a_hostile_error_of_the_store_is_text(backstage: Backstage) -> None:
    async with opened(backstage) as stage:

        def refuse() -> int:
            raise StoreBusy(HOSTILE)

        stage.app.session.queue.change_token = refuse  # type: ignore[method-assign]
        await _until_text(stage, "STALE", HOSTILE_AS_TEXT)
