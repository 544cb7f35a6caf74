"""What may come in as a job, and what is said about the rest."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import InvalidInput, NewJob, documents, jobspec, kinds
from store.fielderrors import FieldError
from store.jobspec import looks_like_json, read_jobs
from tests.store.malformed import MALFORMED, Malformed

NOW = 1_764_000_000_000
HERE = "/srv/work"


def read(document: bytes | str, **options: object) -> list[NewJob]:
    data = document.encode() if isinstance(document, str) else document
    return list(read_jobs(io.BytesIO(data), now=NOW, cwd=HERE, **options))  # type: ignore[arg-type]


def refusal(document: bytes | str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(document)
    return str(caught.value)


# -- Layouts


def test_an_object_an_array_and_lines_are_the_same() -> None:
    jobs = [{"id": "a", "command": "x"}, {"id": "b", "command": "y"}]
    lines = "\n".join(map(json.dumps, jobs))

    assert read(json.dumps(jobs[0])) == read(json.dumps(jobs[:1])) == read(json.dumps(jobs))[:1]
    assert read(json.dumps(jobs)) == read(lines) == read(json.dumps(jobs, indent=2))


@pytest.mark.parametrize(
    "document",
    [
        b'{"command": "x"}',
        b'{"command": "x"}\n',
        b'\xef\xbb\xbf{"command": "x"}\n',
        b'\r\n\r\n {"command": "x"} \r\n\r\n',
        b'{\n  "command": "x"\n}\n',
        b'{"command":\n"x"}',
        b'\n\n[\n{"command": "x"}\n]\n',
        b'[{"command": "x"}]',
    ],
)
def test_one_job_in_every_layout(document: bytes) -> None:
    assert [job.command for job in read(document)] == ["x"]


def test_lines_may_be_blank_and_end_in_crlf() -> None:
    jobs = read('\ufeff\n{"command": "a"}\r\n\r\n   \n{"command": "b"}\n\n{"command": "c"}')

    assert [job.command for job in jobs] == ["a", "b", "c"]


def test_line_separators_of_unicode_do_not_end_a_line() -> None:
    assert [job.command for job in read('{"command": "a\u2028b\u0085c"}\n{"command": "d"}')] == [
        "a\u2028b\u0085c",
        "d",
    ]


def test_lines_are_yielded_before_the_rest_is_read() -> None:
    def lines() -> Iterator[bytes]:
        yield from (b'{"command": "%d"}\n' % number for number in range(3))
        raise AssertionError("read on")

    jobs = read_jobs(_LineByLine(lines()), now=NOW, cwd=HERE)  # type: ignore[arg-type]

    assert [next(jobs).command for _ in range(2)] == ["0", "1"]


class _LineByLine(io.RawIOBase):
    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines

    def readline(self, size: int | None = -1, /) -> bytes:
        return next(self._lines)


def test_a_long_file_costs_little_memory(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(b'{"command": "echo a rather long command line"}\n' * 100_000)
    tracemalloc.start()
    try:
        with path.open("rb") as stream:
            assert sum(1 for _ in read_jobs(stream, now=NOW, cwd=HERE)) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_size_is_limited_by_line_and_by_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 100)
    short, long = b'{"command": "x"}\n', b'{"command": "%s"}\n' % (b"x" * 100)

    assert len(read(short * 20)) == 20
    assert refusal(short + short + long).startswith("line 3: longer than")
    assert refusal(long).startswith("line 1: longer than")
    assert refusal(b"[\n" + b",\n".join([short] * 20) + b"]").startswith("jobs: longer than")


# -- Refusals


@pytest.mark.parametrize("case", MALFORMED, ids=[case.name for case in MALFORMED])
def test_malformed(case: Malformed) -> None:
    message = refusal(case.document)

    assert message.startswith(case.place)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert len(message) < 300


def test_there_are_many_malformed_inputs() -> None:
    assert len({case.document for case in MALFORMED}) == len(MALFORMED) >= 60


def test_messages_say_what_to_do() -> None:
    assert refusal('[{"command":"a"},{"command":"b"},{"command":"c","priority":"high"}]') == (
        'jobs[2].priority: must be an integer from -1000 to 1000, not "high"'
    )
    assert refusal('{"comand": "x"}').endswith("unknown field; did you mean command?")
    assert refusal('{"command": "x", "max-retries": 1}').endswith("did you mean max_retries?")
    assert refusal('{"command": "x", "zzz": 1}').endswith("unknown field")
    assert refusal('{\n"command": "x"\n"id": "a"}') == (
        "jobs[0]: not JSON: expecting ',' delimiter at line 3 column 1"
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_on_one_line(data: bytes) -> None:
    message = ""
    try:
        read(data)
    except InvalidInput as error:
        message = str(error)
    assert message.isprintable()


_TEXT = st.text('a1 -=:.é\0\n\x1b\x85\u202e\ud800"', max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_FIELDS = sorted({*NewJob._fields, *jobspec.PRINTED_FIELDS})


@given(st.lists(st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=5), max_size=3))
def test_any_values_are_read_or_refused_on_one_line(objects: list[dict[str, object]]) -> None:
    message = "jobs"
    try:
        read(json.dumps(objects))
    except InvalidInput as error:
        message = str(error)
    assert message.startswith("jobs")
    assert message.isprintable()


# -- Values


def test_every_field() -> None:
    [job] = read(
        json.dumps(
            {
                "command": "make",
                "id": "a.b_c:d-1",
                "max_retries": 0,
                "queue": "mail",
                "priority": -1000,
                "delay": "1h30m",
                "timeout": 1.5,
                "stop_grace": "0",
                "cwd": "/tmp",
                "env": {"A": "", "ÄÖ": "日本語"},
                "label": "x" * 200,
                "depends_on": ["b", "c", "b"],
                "unique_key": "k",
                "backoff_base": 1,
            }
        )
    )

    assert job == NewJob(
        command="make",
        id="a.b_c:d-1",
        max_retries=0,
        queue="mail",
        priority=-1000,
        delay=5400.0,
        timeout=1.5,
        stop_grace=0.0,
        cwd="/tmp",
        env={"A": "", "ÄÖ": "日本語"},
        label="x" * 200,
        depends_on=("b", "c"),
        unique_key="k",
        backoff_base=1.0,
    )


def test_absent_and_null_are_the_same() -> None:
    nulls = dict.fromkeys(NewJob._fields) | {"command": "x"}

    assert read(json.dumps(nulls)) == read('{"command": "x"}') == [NewJob(command="x", cwd=HERE)]


def test_argv_and_text_beyond_the_basic_plane() -> None:
    [job] = read(rb'{"argv": ["echo", "\ud83d\ude00 \u65e5", ""]}')

    assert job.argv == ("echo", "😀 日", "")


def test_limits_are_inclusive() -> None:
    [job] = read(json.dumps({"command": "é" * 32_768, "id": "a" * 128, "max_retries": 1000}))

    assert job.command is not None
    assert len(job.command.encode()) == kinds.MAX_COMMAND_BYTES


def test_what_the_program_prints_is_ignored() -> None:
    printed = {name: {"any": ["thing", 1.5]} for name in jobspec.PRINTED_FIELDS - {"state"}}

    assert read(json.dumps({"command": "x", "state": "dead", **printed})) == [
        NewJob(command="x", cwd=HERE)
    ]


def test_finished_objects_are_left_out_and_counted() -> None:
    states = ["completed", "dead", "cancelled", "completed", "pending"]
    document = json.dumps(
        [{"id": f"j{at}", "command": "x", "state": state} for at, state in enumerate(states)]
    )
    skipped: Counter[str] = Counter()

    assert [job.id for job in read(document, skipped=skipped)] == ["j1", "j4"]
    assert skipped == {"completed": 2, "cancelled": 1}
    assert len(read(document, all_states=True)) == 5


def test_an_exported_job_does_not_wait_for_what_was_left_out_as_done() -> None:
    document = json.dumps(
        [
            {"id": "c", "command": "x", "state": "blocked", "depends_on": ["b", "a", "elsewhere"]},
            {"id": "b", "command": "x", "state": "pending", "depends_on": []},
            {"id": "a", "command": "x", "state": "completed", "depends_on": []},
        ]
    )

    assert [(job.id, job.depends_on) for job in read(document)] == [
        ("c", ("b", "elsewhere")),
        ("b", ()),
    ]


def test_overrides_replace_fields_and_add_to_env() -> None:
    overrides = {"priority": 5, "delay": "10s", "env": {"B": "2"}}

    [job] = read(
        '{"command": "x", "priority": 1, "run_at": "10:00", "env": {"A": "1", "B": "1"}}',
        overrides=overrides,
    )

    assert (job.priority, job.delay, job.run_at) == (5, 10.0, None)
    assert job.env == {"A": "1", "B": "2"}


def test_a_long_chain_of_dependencies_is_no_cycle() -> None:
    length = 20_000
    lines = (
        json.dumps({"id": f"j{at}", "command": "x", "depends_on": [f"j{at + 1}"]})
        for at in range(length)
    )

    assert len(read("\n".join(lines))) == length


def test_a_diamond_is_no_cycle() -> None:
    needs = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e"]}
    document = [{"id": job, "command": "x", "depends_on": needs[job]} for job in needs]

    assert len(read(json.dumps(document))) == 4


def test_fields_given_one_by_one_name_the_field() -> None:
    with pytest.raises(FieldError) as caught:
        jobspec.new_job({"command": "x", "priority": 5000}, now=NOW, cwd=HERE)

    assert caught.value.field == "priority"
    assert jobspec.new_job({"argv": ["x"]}, now=NOW, cwd=HERE) == NewJob(argv=("x",), cwd=HERE)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ('{"command": "x"}', True),
        (' \n{ "command": "x"}', True),
        ("{}", True),
        ("{'command': 'x'}", True),
        ('[{"command": "x"}]', True),
        ('[ {"command": "x"}]', True),
        ("[]", True),
        ("make && ./run", False),
        ("{ echo a; echo b; }", False),
        ("[ -f x ] && rm x", False),
        ('[ "$x" = y ] && rm x', False),
        ("[[ -f x ]]", False),
    ],
)
def test_which_words_are_json(word: str, expected: bool) -> None:
    assert looks_like_json(word) is expected
