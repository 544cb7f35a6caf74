"""Lines, index, rows and search of a log: what needs no screen."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl_tui.text import width
from queuectl_tui.widgets.line_breaks import FAR, PART, Extent, line_start, next_line_start
from queuectl_tui.widgets.line_index import LineIndex, NewLines
from queuectl_tui.widgets.log_rows import clipped, stretches, wrapped
from queuectl_tui.widgets.log_search import _CHUNK, Finder, Needle, Tally
from queuectl_tui.widgets.output_lines import (
    LogPage,
    LogReader,
    LogRequest,
    clean_line,
    dropped_line,
    tail,
)


class Memory:
    """An output held in memory, ``hole`` of it dropped."""

    def __init__(self, data: bytes, hole: tuple[int, int] | None = None) -> None:
        self.data = data
        self.hole = hole
        self.bytes_read = 0

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        data = self.data[offset : offset + length]
        self.bytes_read += len(data)
        return data

    def gap(self) -> tuple[int, int] | None:
        return self.hole


def _reader(source: Memory) -> LogReader:
    index = LineIndex(source)
    while index.advance(1):
        pass
    return LogReader(source, index)


def _starts(data: bytes, hole: tuple[int, int] | None = None) -> list[int]:
    extent = Extent(Memory(data, hole))
    starts = [0] if data else []
    while starts and (start := next_line_start(extent, starts[-1])) < len(data):
        assert start > starts[-1]
        starts.append(start)
    return starts


_mostly_newlines = st.lists(
    st.sampled_from([b"\n", b"a", b"\r", b"\x00", b"\xe2\x82\xac", b"\x80", b"word", b"\r\n"]),
    max_size=60,
).map(b"".join)
_long = st.lists(
    st.tuples(st.sampled_from([b"x", b"\n", b"\r", "€".encode(), b"y\n"]), st.integers(1, 9000)),
    max_size=6,
).map(lambda runs: b"".join(text * count for text, count in runs))


@settings(deadline=None)
@given(_mostly_newlines)
def test_lines_are_what_split_says(data: bytes) -> None:
    page = _reader(Memory(data)).read(LogRequest(0, 0, 1000))
    lines = data.split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    assert [line.text for line in page.lines] == [clean_line(line) for line in lines]
    assert page.total == len(lines)


@settings(deadline=None)
@given(_mostly_newlines, st.integers(1, 60), st.integers(1, 7), st.integers(2, 5))
def test_the_index_knows_every_number_however_it_is_filled(
    data: bytes, step: int, chunk: int, most: int
) -> None:
    source = Memory(b"")
    index = LineIndex(source, chunk=chunk, checkpoints=most)
    for end in [*range(0, len(data), step), len(data)]:
        source.data = data[:end]
        while index.advance(1):
            pass
    assert index.indexed == len(data)
    assert index.checkpoints <= most
    assert index.total == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    for offset in range(len(data) + 1):
        number = index.number(offset)
        assert number is None or number == data[:offset].count(b"\n")
    assert index.number(0) == 0


_fraction = st.floats(0, 1)


@settings(deadline=None)
@given(_mostly_newlines | _long, st.none() | st.tuples(_fraction, _fraction), _fraction)
def test_lines_begin_at_the_same_places_from_above_and_from_below(
    data: bytes, dropped: tuple[float, float] | None, place: float
) -> None:
    hole = None
    if dropped and len(data) > 2:
        first, last = (int(each * (len(data) - 1)) for each in sorted(dropped))
        hole = (first, last) if first < last else None
    starts = _starts(data, hole)
    extent = Extent(Memory(data, hole))
    upwards: list[int] = []
    end = len(data)
    while end > 0:
        end = line_start(extent, end - 1)
        upwards.insert(0, end)
    assert upwards == starts
    if data:
        offset = int(place * (len(data) - 1))
        assert line_start(extent, offset) == max(each for each in starts if each <= offset)


def test_a_line_without_end_is_cut_but_never_within_a_character() -> None:
    data = "€".encode() * (PART * 2)
    page = _reader(Memory(data + b"\nend\n")).read(LogRequest(0, 0, 100))
    assert "".join(line.text for line in page.lines[:-1]) == "€" * (PART * 2)
    assert page.lines[-1].text == "end"
    assert max(len(line.text) for line in page.lines) <= 2 * PART
    assert page.total == 2


def test_a_line_of_a_hundred_megabytes_is_not_read_to_be_shown() -> None:
    source = Memory(b"start " + b"x" * 100_000_000)
    reader = LogReader(source, LineIndex(source))
    for anchor in (0, 50_000_000, None):
        assert reader.read(LogRequest(anchor, 124, 124, needed=24)).lines
    assert source.bytes_read < 10_000_000


def test_progress_shows_its_last_state_however_long_it_went_on() -> None:
    states = b"".join(b"\r %d%% of it" % (number % 100) for number in range(200_000))
    assert FAR > len(states) > 100 * PART
    page = _reader(Memory(b"start\n" + states + b"\r done\nend\n")).read(LogRequest(0, 0, 100))
    assert [line.text for line in page.lines] == ["start", " done", "end"]


def test_a_page_can_be_had_anywhere() -> None:
    lines = [f"line {number} {'x' * (number % 300)}" for number in range(5000)]
    data = "\n".join(lines).encode()
    reader = _reader(Memory(data))
    last = reader.read(LogRequest(None, 10, 0))
    assert [line.text for line in last.lines] == lines[-10:]
    assert (last.total, last.number, last.at_end) == (5000, 4990, True)
    for number in (0, 1, 437, 438, 2500, 4980):
        offset = len("\n".join(lines[:number]).encode()) + (number > 0)
        page = reader.read(LogRequest(offset + 3, 5, 20))
        first = max(0, number - 5)
        assert page.number == first
        assert [line.text for line in page.lines] == lines[first : number + 20]


def test_the_end_is_shown_before_anything_is_counted() -> None:
    source = Memory(b"line\n" * 1_000_000 + b"last\n")
    page = LogReader(source, LineIndex(source)).read(LogRequest(None, 50, 0))
    assert page.lines[-1].text == "last"
    assert (page.complete, page.number) == (False, None)
    assert source.bytes_read < 300_000


def test_an_output_grows_and_shrinks() -> None:
    source = Memory(b"one\ntw")
    index = LineIndex(source)
    reader = LogReader(source, index)

    def texts() -> list[str]:
        index.advance(1)
        return [line.text for line in reader.read(LogRequest(None, 5, 0)).lines]

    assert texts() == ["one", "tw"]
    source.data += b"o\nthree\n"
    assert texts() == ["one", "two", "three"]
    source.data = b"new\n"
    assert texts() == ["new"]
    assert index.total == 1
    source.data = b""
    assert reader.read(LogRequest(3, 5, 5)) == LogPage(indexed=4, total=1)
    assert texts() == []
    assert index.total == 0


def test_what_was_dropped_is_one_line() -> None:
    hole = (12, 12 + 5_000_000)
    source = Memory(b"head\nand a b" + bytes(5_000_000) + b"it of tail\nend\n", hole)
    reader = _reader(source)
    expected = ["head", "and a b", "… 4.8 MB dropped (output_limit) …", "it of tail", "end"]
    for request in (LogRequest(0, 0, 9), LogRequest(None, 9, 0), LogRequest(4_000_000, 9, 9)):
        assert [line.text for line in reader.read(request).lines] == expected
    assert tail(source, 3) == tuple(expected[2:])
    assert dropped_line(5_000_000) == expected[2]
    source.hole = (12, 5_000_023)
    assert [line.text for line in reader.read(LogRequest(5, 9, 9)).lines][-1] == "end"
    assert source.bytes_read < 2_000_000


def test_new_lines_are_counted_once_from_where_one_looked_away() -> None:
    source = Memory(b"a\nb\n")
    new = NewLines(source)
    assert new.since(4, 4) == 0
    source.data += b"c\nd\n"
    assert new.since(4, 8) == 2
    before = source.bytes_read
    assert new.since(4, 8) == 2
    assert source.bytes_read == before
    assert new.since(None, 8) == 0
    assert new.since(8, 3) == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"\x1b[31mred\x1b[0m\x07", r"\x1b[31mred\x1b[0m\x07"),
        (b"caf\xe9", r"caf\xe9"),
        (b"dos\r", "dos"),
        (b" 10%\r 20%\r 30%", " 30%"),
        (b" 10%\r 20%\r", " 20%"),
        (b"a\tb", "a       b"),
    ],
)
def test_a_line_shows_what_it_holds_as_text(line: bytes, text: str) -> None:
    assert clean_line(line) == text


def test_the_tail_is_the_last_lines() -> None:
    assert tail(Memory(b""), 3) == ()
    assert tail(Memory(b"a\nb\nc\nd\n"), 3) == ("b", "c", "d")
    assert tail(Memory(b"x" * 70_000 + b"\nlast"), 1) == ("last",)


# -- rows

_wide = st.text(alphabet="ab 日本e\u0301é", max_size=60)


@settings(deadline=None)
@given(_wide, st.integers(2, 12))
def test_wrapped_rows_fit_and_hold_every_character(text: str, room: int) -> None:
    rows = list(wrapped(3, text, room))
    assert "".join(text[row.start : row.stop] for row in rows) == text
    assert all(width(text[row.start : row.stop]) <= room for row in rows)
    assert len(rows) >= 1


@settings(deadline=None)
@given(_wide, st.integers(2, 12), st.integers(0, 30))
def test_a_clipped_line_fits_and_says_what_is_missing(text: str, room: int, shift: int) -> None:
    before, start, stop, after = clipped(text, room, shift)
    assert width(before + text[start:stop] + after) <= room
    assert bool(after) == (stop < len(text))
    assert bool(before) == (shift > 0 and text != "")


def test_what_is_found_is_marked_where_it_is_seen() -> None:
    spans = Needle("ab").spans("xxabyyABzz")
    assert spans == ((2, 4), (6, 8))
    seen = list(stretches("xxabyyABzz", 3, 8, spans))
    assert [(part.text, part.found) for part in seen] == [("b", True), ("yy", False), ("AB", True)]
    assert list(stretches("xxab", 0, 4, ())) == [("xxab", False)]


# -- search


def _run(chore: Finder | Tally) -> None:
    while chore.advance(0.5):
        pass


def _lines_with(data: bytes, text: str) -> list[int]:
    offsets, offset = [], 0
    fold = re.IGNORECASE if text == text.lower() else 0
    for line in data.split(b"\n"):
        if re.search(re.escape(text), clean_line(line), fold):
            offsets.append(offset)
        offset += len(line) + 1
    return offsets


_searched = st.lists(st.sampled_from(["a", "A", "b", "\n", "é", "É", "\r", "ab"]), max_size=40).map(
    lambda parts: "".join(parts).encode()
)


@settings(deadline=None)
@given(_searched, st.sampled_from(["a", "A", "ab", "é", "É", "éa"]), st.booleans(), st.data())
def test_search_finds_the_next_line_either_way(
    data: bytes, text: str, down: bool, draw: st.DataObject
) -> None:
    lines = _lines_with(data, text)
    origin = draw.draw(st.sampled_from([0, len(data), *_starts(data)]))
    finder = Finder(Memory(data), Needle(text), origin, down=down)
    _run(finder)
    ahead = [each for each in lines if (each >= origin if down else each < origin)]
    around = ahead or lines
    if not lines:
        assert finder.hit is None
        return
    assert finder.hit is not None
    assert finder.hit.line == (around[0] if down else around[-1])
    assert finder.hit.wrapped == (not ahead)
    tally = Tally(Memory(data), Needle(text))
    _run(tally)
    assert tally.count == len(lines)
    assert [tally.place(line) for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize("down", [True, False])
def test_search_crosses_chunks_and_what_was_dropped(down: bool) -> None:
    hole = (300_000, 6_000_000)
    head = (b"x" * 99 + b"\n") * 3000
    tail_of_it = (b"y" * 99 + b"\n") * 20_000
    data = b"Needle\n" + head[7:] + bytes(hole[1] - hole[0]) + tail_of_it + b"the needle\n"
    source = Memory(data, hole)
    finder = Finder(source, Needle("needle"), 7 if down else len(data) - 11, down=down)
    _run(finder)
    assert finder.hit is not None
    assert finder.hit.line == (len(data) - 11 if down else 0)
    assert source.bytes_read < 4_000_000
    capitals = Tally(source, Needle("Needle"))
    _run(capitals)
    assert capitals.count == 1


@pytest.mark.parametrize("down", [True, False])
def test_search_misses_nothing_between_chunks(down: bool) -> None:
    for shift in range(-9, 10):
        lines = b"x" * 999 + b"\n"
        before = (lines * 200)[: _CHUNK + shift]
        data = before + b"needle" + (lines * 200)[: _CHUNK - 6 + shift]
        finder = Finder(Memory(data), Needle("needle"), 0 if down else None, down=down)
        _run(finder)
        assert finder.hit is not None, shift
        assert finder.hit.line == before.rfind(b"\n") + 1
        assert not finder.hit.wrapped


def test_a_search_can_be_left_between_slices() -> None:
    finder = Finder(Memory(b"x" * 8_000_000), Needle("y"), 0, down=True)
    assert finder.advance(0.0) is False or finder.hit is None
    assert Finder(Memory(b"x\n" * 8_000_000), Needle("y"), None, down=False).advance(0.0)


def test_counting_goes_on_with_what_is_new() -> None:
    source = Memory(b"hit\n")
    tally = Tally(source, Needle("hit"))
    _run(tally)
    source.data += b"miss\nhit\n"
    _run(tally)
    assert tally.count == 2
    source.data = b"hit"
    _run(tally)
    assert tally.count == 1
