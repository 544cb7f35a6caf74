"""The jobs screen: rows, filters, order, cursor and marks."""

from __future__ import annotations

import re

import pytest

from queuectl_tui.screens.dead import DeadScreen
from queuectl_tui.widgets.list_title import ListTitle
from queuectl_tui.widgets.state_tabs import StateTabs
from queuectl_tui.widgets.store_header import StoreHeader
from store import JobState, StoreBusy
from tests.tui.stage import Backstage, opened


def _every_state(backstage: Backstage) -> None:
    backstage.ended("done1", "done2")
    backstage.dead("dead1")
    backstage.running("running1", command="sleep 60")
    backstage.pending("pending1", queue="mail", command="./send.sh batch-17")
    backstage.pending("blocked1", depends_on=("pending1",))
    backstage.pending("cancelled1")
    backstage.queue.cancel(["cancelled1"])


async def test_rows_tabs_and_header_say_what_is_there(backstage: Backstage) -> None:
    _every_state(backstage)
    async with opened(backstage) as stage:
        assert stage.rows()[0] == "cancelled1"
        assert len(stage.rows()) == 7
        await stage.until_shown(
            "▶ RUNNING", "✓ DONE", "✗ DEAD", "· PENDING", "◌ BLOCKED", "⊘ CANCELLED"
        )
        tabs = stage.line(StateTabs)
        assert "0 ALL 7" in tabs
        assert "5 DONE 2" in tabs
        header = stage.line(StoreHeader)
        assert "● LIVE" in header
        assert "workers 1/1 busy" in header
        assert re.search(r"running1 +▶ RUNNING .* 1/4 .*sleep 60", stage.shown())


async def test_digits_filter_by_state(backstage: Backstage) -> None:
    _every_state(backstage)
    async with opened(backstage) as stage:
        await stage.press("5")
        await stage.until(lambda: stage.rows() == ["done2", "done1"])
        assert "[5 DONE 2]" in stage.line(StateTabs)
        await stage.press("6")
        await stage.until(lambda: stage.rows() == ["dead1"])
        await stage.press("0")
        await stage.until(lambda: len(stage.rows()) == 7)


@pytest.mark.parametrize(
    ("width", "all_shown", "pending_shown"),
    [
        (120, "[0 ALL 7] 1 PENDING 1  2 BLOCKED 1 ", " 0 ALL 7 [1 PENDING 1] 2 BLOCKED 1 "),
        (80, "[0 ALL 7] 1 PEND 1  2 BLOCK 1 ", " 0 ALL 7 [1 PEND 1] 2 BLOCK 1 "),
        (76, "[0ALL 7] 1PEND 1  2BLOCK 1 ", " 0ALL 7 [1PEND 1] 2BLOCK 1 "),
        (60, "[ALL 7] PEND 1 BLOCK 1 RUN 1 RETRY DONE 2 ", "ALL 7 [PEND 1] BLOCK 1 "),
    ],
)
async def test_tabs_stand_apart_and_have_words_at_every_width(
    backstage: Backstage, width: int, all_shown: str, pending_shown: str
) -> None:
    _every_state(backstage)
    async with opened(backstage, size=(width, 24)) as stage:
        await stage.until(lambda: stage.line(StateTabs).startswith(all_shown))
        await stage.press("1")
        await stage.until(lambda: stage.line(StateTabs).startswith(pending_shown))
        assert len(stage.line(StateTabs)) <= width


async def test_tabs_of_a_large_store_fit_a_narrow_screen(backstage: Backstage) -> None:
    async with opened(backstage, size=(60, 20)) as stage:
        tabs = stage.screen.query_one(StateTabs)
        tabs.show_counts(dict.fromkeys(JobState, 98_765), frozenset())
        assert tabs.plain.startswith("[ALL 691k] · 98k ◌ 98k ")
        assert len(tabs.plain) <= 60


async def test_the_title_calls_the_order_as_the_column_does(backstage: Backstage) -> None:
    _every_state(backstage)
    async with opened(backstage, size=(120, 36)) as stage:
        await stage.until_shown("AGE↓")
        assert stage.line(ListTitle).endswith("AGE↓")
        await stage.press("D")
        await stage.until_screen(DeadScreen)
        await stage.until(lambda: stage.line(ListTitle).endswith("DIED↓"))


async def test_text_filters_as_it_is_typed_and_esc_clears(backstage: Backstage) -> None:
    _every_state(backstage)
    async with opened(backstage) as stage:
        await stage.press("slash")
        await stage.write("batch")
        await stage.until(lambda: stage.rows() == ["pending1"], "one matches the command")
        await stage.press("escape")
        await stage.until(lambda: len(stage.rows()) == 7)
        await stage.press("slash")
        await stage.write("state:dead exit:3")
        await stage.until(lambda: stage.rows() == ["dead1"], "terms")
        await stage.press("enter")
        await stage.until(lambda: stage.screen.focused is stage.table)
        assert stage.rows() == ["dead1"]
        await stage.press("escape")
        await stage.until(lambda: len(stage.rows()) == 7)


async def test_a_half_typed_term_says_so_and_filters_nothing(backstage: Backstage) -> None:
    _every_state(backstage)
    async with opened(backstage) as stage:
        await stage.press("slash")
        await stage.write("state:zzz")
        await stage.until_shown("no state begins with 'zzz'")
        assert len(stage.rows()) == 7


async def test_the_cursor_follows_its_job_through_inserts_and_orders(backstage: Backstage) -> None:
    backstage.pending(*(f"job{number:02}" for number in range(30)))
    async with opened(backstage) as stage:
        await stage.press(*"jjjj")
        await stage.until_at("job25")
        backstage.pending("new1", "new2", "new3")
        await stage.until(lambda: stage.table.total == 33, "the new ones")
        assert stage.table.cursor_key == "job25"
        assert stage.table.cursor == 7
        for key in ("I", "greater_than_sign", "greater_than_sign"):
            await stage.press(key)
            await stage.until_ordered()
            assert stage.table.cursor_key == "job25"
            assert "> job25" in stage.shown()


async def test_the_cursor_follows_its_job_to_the_other_end_of_a_long_list(
    backstage: Backstage,
) -> None:
    backstage.pending(*(f"job{number:04}" for number in range(2000)))
    async with opened(backstage) as stage:
        await stage.press("j", "j")
        await stage.until_at("job1997")
        await stage.press("I")
        await stage.until_ordered()
        assert stage.table.cursor == 1997
        await stage.until_shown("> job1997")


async def test_the_picker_sorts_and_the_arrow_shows(backstage: Backstage) -> None:
    backstage.pending("b", "c", "a")
    async with opened(backstage) as stage:
        await stage.press("s")
        await stage.until_shown("Sort by")
        await stage.press(*["j"] * 9, "enter")
        await stage.until(lambda: stage.rows() == ["a", "b", "c"])
        await stage.until_shown("ID↑")
        await stage.press("I")
        await stage.until(lambda: stage.rows() == ["c", "b", "a"])
        await stage.until_shown("ID↓")


async def test_marks_stay_on_their_jobs_and_leave_with_them(backstage: Backstage) -> None:
    backstage.pending(*(f"job{number}" for number in range(9)))
    async with opened(backstage) as stage:
        await stage.press("space", "space")
        assert set(stage.table.marks) == {"job8", "job7"}
        await stage.until(lambda: "2 marked" in stage.line(ListTitle))
        backstage.pending("another")
        await stage.until(lambda: stage.table.total == 10)
        assert set(stage.table.marks) == {"job8", "job7"}
        backstage.queue.cancel(["job7"])
        backstage.queue.delete(["job7"])
        await stage.until(lambda: stage.table.marks == ("job8",), "the vanished is unmarked")
        await stage.press("backslash")
        assert stage.table.marks == ()


async def test_of_many_marks_all_that_vanish_are_unmarked_at_one_reading(
    backstage: Backstage,
) -> None:
    names = [f"job{number:03}" for number in range(300)]
    backstage.pending(*names)
    async with opened(backstage) as stage:
        await stage.press("asterisk")
        await stage.until(lambda: len(stage.table.marks) == 300)
        assert not stage.listing.restless
        backstage.queue.cancel(names[:250])
        backstage.queue.delete(names[:250])
        await stage.until(lambda: stage.table.total == 50)
        assert sorted(stage.table.marks) == names[250:]


async def test_a_range_and_all_that_match_are_marked(backstage: Backstage) -> None:
    backstage.pending(*(f"job{number:03}" for number in range(120)))
    async with opened(backstage) as stage:
        await stage.press("V", "j", "j", "V")
        await stage.until(lambda: set(stage.table.marks) == {"job119", "job118", "job117"})
        await stage.press("backslash", "V", "G", "V")
        await stage.until(lambda: len(stage.table.marks) == 118, "the range to the end")
        await stage.press("backslash", "slash")
        await stage.write("job00")
        await stage.press("enter")
        await stage.until(lambda: stage.table.total == 10)
        await stage.press("asterisk")
        await stage.until(lambda: len(stage.table.marks) == 10)


async def test_a_long_list_is_read_where_it_is_looked_at(backstage: Backstage) -> None:
    backstage.pending(*(f"job{number:04}" for number in range(3000)))
    async with opened(backstage) as stage:
        await stage.press("G")
        await stage.until_at("job0000")
        assert stage.rows()[-1] == "job0000"
        await stage.press("pageup")
        await stage.until(lambda: stage.table.current is not None)
        assert len(stage.rows()) == stage.table.viewport.height
        assert len(stage.table._rows) < 100
        await stage.press("g")
        await stage.until_at("job2999")


async def test_long_commands_scroll_sideways(backstage: Backstage) -> None:
    backstage.pending("job1", command="begin " + "x" * 60 + " finish")
    async with opened(backstage) as stage:
        await stage.until_shown("begin xxx")
        await stage.press(*["l"] * 8)
        await stage.until_shown("finish")
        await stage.press(*["h"] * 8)
        await stage.until_shown("begin xxx")


async def test_an_empty_store_teaches(backstage: Backstage) -> None:
    async with opened(backstage) as stage:
        await stage.until_shown("No jobs yet.", "a  adds one here", "w  starts workers")


async def test_jobs_that_wait_without_a_worker_are_pointed_out(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await stage.until_shown("Jobs wait and no worker is up: w starts workers")
        backstage.running("job2")
        await stage.until(lambda: "Jobs wait" not in stage.shown())


async def test_a_store_that_cannot_be_read_is_stale_until_it_can(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        queue = stage.app.session.queue
        read = queue.change_token

        def refuse() -> int:
            raise StoreBusy("another process holds the store")

        queue.change_token = refuse  # type: ignore[method-assign]
        await stage.until_shown("▲ STALE", "another process holds the store", "job1")
        queue.change_token = read  # type: ignore[method-assign]
        await stage.until_shown("● LIVE")
        await stage.until(lambda: "another process" not in stage.shown())


async def test_a_paused_picture_stands_still(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await stage.press("p")
        await stage.until_shown("‖ PAUSED")
        backstage.pending("job2")
        for _ in range(20):
            await stage.pilot.pause(0.02)
        assert stage.rows() == ["job1"]
        await stage.press("p")
        await stage.until(lambda: stage.rows() == ["job2", "job1"])
        await stage.until_shown("● LIVE")


async def test_states_move_while_one_looks(backstage: Backstage) -> None:
    backstage.pending("job1")
    async with opened(backstage) as stage:
        await stage.until_shown("· PENDING")
        lease = backstage.queue.claim(backstage.worker)
        assert lease is not None
        await stage.until_shown("▶ RUNNING")
        backstage.queue.cancel(["job1"])
        await stage.until_shown("stopping")
        assert backstage.state("job1") is JobState.PROCESSING


async def test_another_filter_begins_at_the_top(backstage: Backstage) -> None:
    backstage.pending(*(f"mail{number:02}" for number in range(40)))
    backstage.pending(*(f"video{number:02}" for number in range(40)))
    async with opened(backstage) as stage:
        await stage.press("G")
        await stage.until_at("mail00")
        await stage.press("slash")
        await stage.write("video")
        await stage.press("enter")
        await stage.until_at("video39")
        assert stage.table.visible_range[0] == 1
        await stage.press("j", "slash")
        await stage.write(" ")
        await stage.press("ctrl+u")
        await stage.press("enter")
        await stage.until(lambda: stage.table.total == 80)
        assert stage.table.cursor_key == "video38"


async def test_the_dead_are_found_by_what_went_wrong(backstage: Backstage) -> None:
    backstage.dead("dead1", error="exit 3: connection refused")
    backstage.dead("dead2", error="exit 3: no such host")
    async with opened(backstage) as stage:
        await stage.press("D")
        await stage.until(lambda: stage.rows() == ["dead2", "dead1"])
        await stage.press("slash")
        await stage.write("refused")
        await stage.until(lambda: stage.rows() == ["dead1"])
        await stage.write(" !exit")
        await stage.press("tab")
        await stage.write("3")
        await stage.until(lambda: stage.rows() == [])
        await stage.until_shown("refused !exit:3")
