"""Documents that must be refused, each with how the message has to begin."""

from __future__ import annotations

from typing import NamedTuple


class Malformed(NamedTuple):
    name: str
    document: bytes
    place: str


def _field(name: str, field: str, value: str, at: str | None = None) -> Malformed:
    """One job with a command and one wrong field."""
    document = f'{{"command": "true", "{field}": {value}}}'
    return Malformed(name, document.encode(), f"jobs[0].{at or field}: ")


_DEEP = "[" * 20 + "]" * 20
_ABYSS = b"[" * 100_000 + b"]" * 100_000

MALFORMED = [
    # documents
    Malformed("nothing", b"", "the input is empty"),
    Malformed("only blanks", b" \n\r\n\t ", "the input is empty"),
    Malformed("only a byte-order mark", b"\xef\xbb\xbf", "the input is empty"),
    Malformed("an empty array", b"[ ]", "jobs: the array is empty"),
    Malformed("null", b"null", "jobs[0]: "),
    Malformed("a string", b'"echo hi"', "jobs[0]: "),
    Malformed("a number", b"42", "jobs[0]: "),
    Malformed("no JSON", b"command: echo hi", "jobs[0]: not JSON"),
    Malformed("single quotes", b"{'command': 'true'}", "jobs[0]: not JSON"),
    Malformed("a trailing comma", b'{"command": "true",}', "jobs[0]: not JSON"),
    Malformed("cut off", b'{"command": "tr', "jobs[0]: not JSON"),
    Malformed("an array that does not end", b'[{"command": "true"}', "jobs[0]: not JSON"),
    Malformed("no comma", b'[{"command": "a"} {"command": "b"}]', "jobs[0]: not JSON"),
    Malformed("a comma too many", b'[{"command": "a"},]', "jobs[1]: not JSON"),
    Malformed("text after the array", b'[{"command": "a"}] x', "jobs: text after the end"),
    Malformed("two objects on a line", b'{"command": "a"} {"command": "b"}', "jobs: text after"),
    Malformed("an element of another type", b'[{"command": "a"}, 7]', "jobs[1]: "),
    Malformed("an array in an array", b'[[{"command": "a"}]]', "jobs[0]: "),
    Malformed("a bad line", b'{"command": "a"}\n\n{"command": \n', "line 3: not JSON"),
    Malformed("a line of another type", b'{"command": "a"}\n["b"]\n', "line 2: "),
    Malformed("text after a line", b'{"command": "a"}\n{"command": "b"} x\n', "line 2: text after"),
    Malformed("a half-good batch", b'[{"command": "a"}, {"command": ""}]', "jobs[1].command: "),
    Malformed(
        "half-good lines",
        b'{"command": "a"}\n{"command": "b", "priority": 1.5}\n',
        "line 2: priority",
    ),
    Malformed("UTF-16", '{"command": "true"}'.encode("utf-16"), "the input must be UTF-8"),
    Malformed(
        "lines of UTF-16, highest byte first, without a mark",
        '{"command": "true"}\n{"command": "true"}'.encode("utf-16-be"),
        "the input must be UTF-8",
    ),
    Malformed("Latin-1", '{"command": "écho"}'.encode("latin-1"), "jobs[0].command: "),
    Malformed("UTF-8 of a surrogate", b'{"label": "\xed\xa0\x80"}', "jobs[0].label: "),
    Malformed("a raw NUL", b'{"command": "a\x00b"}', "jobs[0].command: "),
    Malformed("a raw NUL in line 2", b'{"command": "a"}\n{"command": "\x00"}', "line 2: command: "),
    Malformed("an escaped NUL", rb'{"command": "a\u0000b"}', "jobs[0].command: "),
    Malformed(
        "a NUL in a name", rb'{"command": "a", "env": {"A\u0000": "b"}}', r"jobs[0].env.A\x00: "
    ),
    Malformed("a lone surrogate", rb'[{"command": "a\ud800"}]', "jobs[0].command: "),
    Malformed("a surrogate below", rb'{"command": "a", "argv": ["\udc00"]}', "jobs[0].argv[0]: "),
    Malformed("a raw line feed", b'{"command": "a\nb"}', "line 1: not JSON"),
    Malformed("a repeated field", b'{"command": "a", "command": "b"}', "jobs[0].command: "),
    Malformed(
        "a repeated field in line 2", b'{"command": "a"}\n{"id": "a", "id": "b"}\n', "line 2: id: "
    ),
    Malformed(
        "a repeated variable", b'{"command": "a", "env": {"A": "1", "A": "2"}}', "jobs[0].env.A: "
    ),
    Malformed("an abyss", b'{"command": "a", "env": ' + _ABYSS + b"}", "jobs[0].env: nested"),
    Malformed("an abyss of arrays", _ABYSS, "jobs[0]: nested"),
    _field("deep in what is ignored", "history", _DEEP, "history" + "[0]" * 15),
    # one command
    Malformed("no command", b'{"id": "a"}', "jobs[0].command: "),
    Malformed("a null command", b'{"command": null}', "jobs[0].command: "),
    Malformed("command and argv", b'{"command": "a", "argv": ["b"]}', "jobs[0].argv: "),
    Malformed("a blank command", rb'{"command": " \t\n"}', "jobs[0].command: "),
    Malformed("a command of another type", b'{"command": ["true"]}', "jobs[0].command: "),
    Malformed("a long command", b'{"command": "%s"}' % (b"x" * 65_537), "jobs[0].command: "),
    Malformed(
        "a command long in bytes",
        '{{"command": "{}"}}'.format("é" * 32_769).encode(),
        "jobs[0].command: ",
    ),
    Malformed("an empty argv", b'{"argv": []}', "jobs[0].argv: "),
    Malformed("an argv of another type", b'{"argv": "make -j4"}', "jobs[0].argv: "),
    Malformed("a number in argv", b'{"argv": ["sleep", 2]}', "jobs[0].argv[1]: "),
    Malformed("no program", b'{"argv": ["", "x"]}', "jobs[0].argv[0]: "),
    # the other fields
    _field("an unknown field", "comand", '"x"'),
    _field("an unknown field that is null", "foo", "null"),
    _field("a field with a dash", "max-retries", "1"),
    _field("a field in capitals", "Priority", "1"),
    _field("an empty field", "", "1", '""'),
    _field("an id of another type", "id", "7"),
    _field("an empty id", "id", '""'),
    _field("an id with a blank", "id", '"a b"'),
    _field("an id with a slash", "id", '"../a"'),
    _field("an id that begins with a dash", "id", '"-a"'),
    _field("a long id", "id", f'"{"a" * 129}"'),
    _field("an id with a line feed", "id", r'"a\n"'),
    _field("an id in Arabic digits", "id", '"١"'),
    _field("true for a number", "max_retries", "true"),
    _field("a fraction that is whole", "max_retries", "1.0"),
    _field("a number in quotes", "max_retries", '"3"'),
    _field("negative retries", "max_retries", "-1"),
    _field("too many retries", "max_retries", "1001"),
    _field("a queue's bad name", "queue", '"a,b"'),
    _field("a low priority", "priority", "-1001"),
    _field("a word for a priority", "priority", '"high"'),
    _field("a priority without end", "priority", "9" * 5000),
    _field("NaN", "priority", "NaN"),
    _field("infinity", "timeout", "Infinity"),
    _field("a number that overflows", "timeout", "1e999"),
    _field("NaN in what is ignored", "attempts", "NaN"),
    _field("a negative timeout", "timeout", "-1"),
    _field("true for a timeout", "timeout", "true"),
    _field("a timeout of centuries", "timeout", '"4000d"'),
    _field("no duration", "stop_grace", '"soon"'),
    _field("units in disorder", "delay", '"30m1h"'),
    _field("no time", "run_at", '"tomorrow"'),
    _field("a time that no clock shows", "run_at", '"2026-11-24T24:30:00"'),
    _field("a day that is not", "run_at", '"2026-02-30T10:30:00Z"'),
    _field("an hour that is not", "run_at", '"25:00"'),
    _field("a time too far", "run_at", '"9999-12-31T23:59:59Z"'),
    Malformed(
        "run_at and delay", b'{"command": "a", "run_at": "10:00", "delay": 5}', "jobs[0].delay: "
    ),
    _field("a relative folder", "cwd", '"src"'),
    _field("a folder of another type", "cwd", "[]"),
    _field("env as an array", "env", '["A=1"]'),
    _field("a number in env", "env", '{"A": 1}', "env.A"),
    _field("null in env", "env", '{"A": null}', "env.A"),
    _field("an empty name in env", "env", '{"": "x"}', 'env.""'),
    _field("an equals sign in a name", "env", '{"A=B": "x"}', "env.A=B"),
    _field("a masked value", "env", '{"TOKEN": "***"}', "env.TOKEN"),
    _field("a long label", "label", f'"{"a" * 201}"'),
    _field("a label of another type", "label", "{}"),
    _field("a dependency not in an array", "depends_on", '"a"'),
    _field("a number for a dependency", "depends_on", '["a", 7]', "depends_on[1]"),
    _field("a dependency's bad id", "depends_on", '["a b"]', "depends_on[0]"),
    _field("a key of another type", "unique_key", "1"),
    _field("an empty key", "unique_key", '""'),
    _field("a backoff below 1", "backoff_base", "0.5"),
    _field("a word for a backoff", "backoff_base", '"2"'),
    # the batch
    Malformed(
        "an id twice", b'[{"id": "a", "command": "x"}, {"id": "a", "command": "y"}]', "jobs[1].id: "
    ),
    Malformed(
        "an id twice in lines",
        b'{"id": "a", "command": "x"}\n\n{"id": "a", "command": "y"}\n',
        "line 3: id: ",
    ),
    Malformed(
        "a job that waits for itself",
        b'{"id": "a", "command": "x", "depends_on": ["a"]}',
        "jobs[0].depends_on: a cycle: a → a",
    ),
    Malformed(
        "a ring of jobs",
        b'[{"command": "w"}, {"id": "a", "command": "x", "depends_on": ["b"]},'
        b' {"id": "b", "command": "y", "depends_on": ["c"]},'
        b' {"id": "c", "command": "z", "depends_on": ["a"]}]',
        "jobs[1].depends_on: a cycle: a → b → c → a",
    ),
    Malformed(
        "a ring of lines",
        b'{"id": "a", "command": "x", "depends_on": ["b"]}\n'
        b'{"id": "b", "command": "y", "depends_on": ["a"]}\n',
        "line 1: depends_on: a cycle",
    ),
    Malformed(
        "a value that acts on terminals",
        rb'{"command": "a", "queue": "\u001b]0;x\u0007\u0085\u2028\u202e"}',
        "jobs[0].queue: must be 1 to 128 letters",
    ),
    Malformed(
        "a field that acts on terminals",
        rb'{"command": "a", "\u001b[2J\n": 1}',
        r"jobs[0].\x1b[2J\n: ",
    ),
]
