"""Another job of the same fields, from the app."""

from __future__ import annotations

from store.queue import Queue
from tests.tui.stage import Backstage, Stage, opened


def like(queue: Queue, name: str) -> list[str]:
    """The other jobs of the same command."""
    line = queue.job(name).line
    return [job.id for job in queue.jobs() if job.line == line and job.id != name]


async def command(stage: Stage, line: str) -> None:
    await stage.press("colon")
    await stage.write(line)
    await stage.press("enter")


async def test_the_job_at_the_cursor_is_cloned(backstage: Backstage) -> None:
    backstage.dead("dead1", command="exit 3", label="l")
    async with opened(backstage) as stage:
        await stage.press("C")
        await stage.until(lambda: stage.table.total == 2)
        (name,) = like(backstage.queue, "dead1")
        assert f"Cloned dead1: {name}" in stage.toasts()
        assert backstage.queue.job(name).label == "l"
        await stage.press("D")
        await stage.until(lambda: stage.rows() == ["dead1"])
        await stage.press("C")
        await stage.until(lambda: len(like(backstage.queue, "dead1")) == 2)


async def test_an_id_is_typed_and_a_refusal_told(backstage: Backstage) -> None:
    backstage.pending("a", command="x", unique_key="k")
    backstage.pending("b", command="y")
    async with opened(backstage) as stage:
        await command(stage, "clone b")
        await stage.until(lambda: len(like(backstage.queue, "b")) == 1)
        await command(stage, "clone a")
        await stage.until(lambda: "'k' is held by unfinished job a" in stage.toasts())
        await command(stage, "clone a b")
        await stage.until_shown("clone takes one id")


async def test_read_only_clones_nothing(backstage: Backstage) -> None:
    backstage.pending("a")
    async with opened(backstage, read_only=True) as stage:
        await stage.press("C")
        await command(stage, "clone a")
        await stage.until_shown("no such command: clone")
        assert backstage.queue.count() == 1
