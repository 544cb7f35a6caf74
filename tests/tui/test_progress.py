"""What is read from the output of running commands."""

from __future__ import annotations

import pytest

from queuectl_tui.progress import progress_of
from queuectl_tui.screens.job_list import JobListScreen
from store import JobState, Stream
from tests.tui.stage import Backstage, opened

FFMPEG = b"""ffmpeg version 6
  Duration: 00:10:00.00, start: 0.000000, bitrate: 1205 kb/s
"""
CURL = (
    b"  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    b"                                 Dload  Upload   Total   Spent    Left  Speed\n"
    b"\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
    b"\r 45  100M   45 45.0M    0     0  10.2M      0  0:00:09  0:00:04  0:00:05 10.3M"
)


@pytest.mark.parametrize(
    ("tail", "fraction"),
    [
        (b"\r 45%|#####     | 45/100 [00:10<00:12,  4.5it/s]", 0.45),
        (b"  0%|  | 0/10\r 10%|#  | 1/10\r 20%|## | 2/10", 0.20),
        (b"\r      1,234,567  67%    1.23MB/s    0:00:12", 0.67),
        (b"Progress: [ 33%] [######............]", 0.33),
        (b"45% [Working]", 0.45),
        (b"######## 12.5%", 0.125),
        (CURL, 0.45),
        (b"Step 3/12 : RUN make", 0.25),
        (b"[ 9/10] Building CXX object", 0.9),
        (b"compiled 7 of 8 modules", 0.875),
        (b"100%", 1.0),
        (b"90% of the disk is used\n[1/4] copying", 0.25),
        (b"150% done", None),
        (b"9/3", None),
        (b"1/1", None),
        (b"on 11/24/2026, /srv/1/2/x.tgz, v1.2/3, 10:12/13", None),
        (b"load -5%", None),
        (b"a1b2 30%x", 0.30),
        (b"\xff\xfe 50% \xff", 0.5),
        (b"", None),
        (b"nothing to say", None),
    ],
)
def test_how_far_an_output_says_it_is(tail: bytes, fraction: float | None) -> None:
    found = progress_of(b"", tail)
    assert found == (None if fraction is None else pytest.approx(fraction))


def test_what_ffmpeg_has_reached_of_what_it_announced() -> None:
    tail = b"frame= 1 fps=25 size= 1kB time=00:01:00.00 bitrate=1\rframe= 9 time=00:02:30.00 x"
    assert progress_of(FFMPEG, FFMPEG + tail) == pytest.approx(0.25)
    assert progress_of(b"", tail) is None
    assert progress_of(FFMPEG, b"time=00:20:00.00") is None


def test_it_is_quick_on_hostile_output() -> None:
    assert progress_of(b"1" * 8192, b"1 " * 1024) is None
    assert progress_of(b" " * 8192, b"99999/" * 340) is None


async def test_the_table_shows_how_far_a_running_job_is(backstage: Backstage) -> None:
    backstage.pending("wait1")
    backstage.running("run1")
    scratch = backstage.queue.folders.scratch(backstage.worker, Stream.STDERR)
    scratch.parent.mkdir(exist_ok=True)
    scratch.write_bytes(b"\r 45%|####    | 45/100")
    async with opened(backstage) as stage:
        await stage.until_shown("▶ RUNNING", "45% ")
        scratch.write_bytes(b"\r 45%|####    | 45/100\r 46%|####    | 46/100")
        await stage.until_shown("46% ")
        backstage.queue.cancel(["run1"])
        await stage.until_shown("stopping")


async def test_what_runs_is_looked_at_only_in_sight(backstage: Backstage) -> None:
    backstage.ended("done1")
    async with opened(backstage) as stage:
        assert isinstance(stage.screen, JobListScreen)
        assert stage.table.running_in_sight() == ()
        assert not stage.listing._progressing
        assert backstage.state("done1") is JobState.COMPLETED
