"""Of what a failed command wrote, the line that a person would quote is told."""

from __future__ import annotations

import time

import pytest

from tests.workers.rig import Rig
from workers.error_line import LONGEST, telling_line

GCC = """\
a.c: In function ‘main’:
a.c:2:3: error: ‘retrun’ undeclared (first use in this function)
    2 |   retrun 0;
      |   ^~~~~~
a.c:2:3: note: each undeclared identifier is reported only once for each function it appears in
a.c:2:9: error: expected ‘;’ before numeric constant
    2 |   retrun 0;
      |         ^~
      |         ;
"""
CLANG = """\
a.c:3:10: error: use of undeclared identifier 'x'
    3 |   return x;
      |          ^
1 error generated.
"""
LINKER = """\
/usr/bin/ld: /tmp/cc3jvhJc.o: in function `main':
b.c:(.text+0x5): undefined reference to `foo'
collect2: error: ld returned 1 exit status
"""
RUSTC = """\
error[E0425]: cannot find value `x` in this scope
 --> a.rs:2:18
  |
2 |     let y: i32 = x;
  |                  ^ not found in this scope

error: aborting due to 1 previous error

For more information about this error, try `rustc --explain E0425`.
"""
CARGO = RUSTC + 'error: could not compile `a` (bin "a") due to 1 previous error\n'
RUST_PANIC = """\

thread 'main' (29346) panicked at b.rs:2:5:
boom
stack backtrace:
   0: std::panicking::begin_panic::<&str>
             at /rustc/5980/library/std/src/panicking.rs:761:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""
PYTHON = """\
Traceback (most recent call last):
  File "x.py", line 4, in <module>
    f()
  File "x.py", line 3, in f
    raise ValueError("fatal error")
ValueError: fatal error
"""
PYTHON_CHAIN = """\
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    open("nope")
FileNotFoundError: [Errno 2] No such file or directory: 'nope'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "x.py", line 3, in <module>
    raise NotReady("not yet") from None
shop.NotReady: not yet
hint, on a second line
"""
PYTHON_SQL = """\
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    run()
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: jobs
[SQL: SELECT 1 FROM jobs]
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""
MAKE = "cp: cannot stat 'a': No such file or directory\nmake: *** [Makefile:2: all] Error 1\n"
MAKE_ALONE = "make: *** [Makefile:2: all] Error 1\n"
MAKE_NO_RULE = "make: *** No rule to make target 'nope'.  Stop.\n"
NPM_MISSING = """\
npm warn Unknown user config "nodedir". This will stop working in the next version of npm.
npm error code ENOENT
npm error syscall open
npm error path /tmp/package.json
npm error errno -2
npm error enoent Could not read package.json: Error: ENOENT: no such file, open 'x'
npm error enoent This is related to npm not being able to find a file.
npm error enoent
npm error A complete log of this run can be found in: /root/.npm/_logs/debug-0.log
"""
NPM_404 = """\
npm ERR! code E404
npm ERR! 404 Not Found - GET https://registry.npmjs.org/nope - Not found
npm ERR! 404
npm ERR! 404  'nope@*' is not in this registry.
npm ERR! 404
npm ERR! 404 Note that you can also install from a
npm ERR! 404 tarball, folder, http url, or git folder.

npm ERR! A complete log of this run can be found in:
npm ERR!     /root/.npm/_logs/debug-0.log
"""
FFMPEG = """\
ffmpeg version 7.0.2 Copyright (c) 2000-2024 the FFmpeg developers
  built with gcc 12
[libx264 @ 0x5581] width not divisible by 2 (853x480)
[vost#0:0/libx264 @ 0x5582] Error while opening encoder - maybe incorrect parameters
Conversion failed!
"""
CURL = (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    "                                 Dload  Upload   Total   Spent    Left  Speed\n"
    "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
    "curl: (6) Could not resolve host: nope.invalid\n"
)
NODE = """\
/tmp/x.js:1
throw new Error("boom")
^

Error: boom
    at Object.<anonymous> (/tmp/x.js:1:7)
    at Module._compile (node:internal/modules/cjs/loader:1554:14) {
  code: 'E_BOOM'
}

Node.js v20.20.2
"""
JAVA = """\
Exception in thread "main" java.lang.IllegalStateException: outer
\tat A.main(A.java:1)
Caused by: java.lang.RuntimeException: inner
\tat A.main(A.java:1)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)
\t... 1 more
"""
GO_PANIC = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.main()
\t/tmp/x.go:5 +0x1d
exit status 2
"""
GIT_PUSH = """\
To github.com:a/b.git
 ! [rejected]        main -> main (fetch first)
error: failed to push some refs to 'github.com:a/b.git'
hint: Updates were rejected because the remote contains work that you do not
hint: have locally. See the 'Note about fast-forwards' in 'git push --help' for details.
"""
TAR = """\
tar: nope: Cannot stat: No such file or directory
tar: Exiting with failure status due to previous errors
"""
CLAP = """\
error: the following required arguments were not provided:
  <FILE>

Usage: tool <FILE>

For more information, try '--help'.
"""
LOGGING = """\
2026-11-24 10:30:00 ERROR shop: the card was declined
2026-11-24 10:30:00 INFO shop: errors so far: 1, fatal error handler removed
2026-11-24 10:30:01 INFO shop: bye
"""
PSQL = """\
psql:a.sql:1: ERROR:  relation "jobs" does not exist
LINE 1: SELECT * FROM jobs;
                      ^
"""
EXAMPLES = {
    "gcc": (GCC, "a.c:2:9: error: expected ‘;’ before numeric constant"),
    "clang": (CLANG, "a.c:3:10: error: use of undeclared identifier 'x'"),
    "ld": (LINKER, "b.c:(.text+0x5): undefined reference to `foo'"),
    "rustc": (RUSTC, "error[E0425]: cannot find value `x` in this scope"),
    "cargo": (CARGO, "error[E0425]: cannot find value `x` in this scope"),
    "rust panic": (RUST_PANIC, "thread 'main' (29346) panicked at b.rs:2:5: boom"),
    "python": (PYTHON, "ValueError: fatal error"),
    "python, chained": (PYTHON_CHAIN, "shop.NotReady: not yet"),
    "python, sqlalchemy": (
        PYTHON_SQL,
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: jobs",
    ),
    "gcc under make": (GCC + MAKE_ALONE, "a.c:2:9: error: expected ‘;’ before numeric constant"),
    "make": (MAKE, "cp: cannot stat 'a': No such file or directory"),
    "make alone": (MAKE_ALONE, "make: *** [Makefile:2: all] Error 1"),
    "make without a rule": (MAKE_NO_RULE, "make: *** No rule to make target 'nope'.  Stop."),
    "npm": (
        NPM_MISSING,
        "npm error enoent Could not read package.json: Error: ENOENT: no such file, open 'x'",
    ),
    "npm 404": (
        NPM_404,
        "npm ERR! 404 Not Found - GET https://registry.npmjs.org/nope - Not found",
    ),
    "ffmpeg": (
        FFMPEG,
        "[vost#0:0/libx264 @ 0x5582] Error while opening encoder - maybe incorrect parameters",
    ),
    "curl": (CURL, "curl: (6) Could not resolve host: nope.invalid"),
    "bash": ("bash: line 1: foo: command not found\n", "bash: line 1: foo: command not found"),
    "dash": ("building\nsh: 1: foo: not found\n\n", "sh: 1: foo: not found"),
    "node": (NODE, "Error: boom"),
    "java": (JAVA, "Caused by: java.lang.RuntimeException: inner"),
    "go panic": (GO_PANIC, "panic: runtime error: index out of range [5] with length 3"),
    "go build": ("# x\n./x.go:4:2: undefined: foo\n", "./x.go:4:2: undefined: foo"),
    "git": (GIT_PUSH, "error: failed to push some refs to 'github.com:a/b.git'"),
    "tar": (TAR, "tar: nope: Cannot stat: No such file or directory"),
    "perl": ("boom at -e line 1.\n", "boom at -e line 1."),
    "clap": (CLAP, "error: the following required arguments were not provided: <FILE>"),
    "logging": (LOGGING, "2026-11-24 10:30:00 ERROR shop: the card was declined"),
    "psql": (PSQL, 'psql:a.sql:1: ERROR:  relation "jobs" does not exist'),
    "no errors": ("checked: 0 errors, no failures\nquota used up\n", "quota used up"),
    "a name": ("reading on-error.log, error_rate and error.txt\nstopped\n", "stopped"),
    "only a caret": ("  ^~~~\n", "^~~~"),
    "a caret under words": ("what is this\n     ^~\n", "what is this"),
    "colours": ("\x1b[1;31merror\x1b[0m: \x1b[1mno\x1b[0m\n\x1b[2mdone\x1b[0m\n", "error: no"),
    "nothing": (" \n\r\n\t\n", ""),
}


@pytest.mark.parametrize(("stderr", "line"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_line_that_a_person_would_quote_is_told(stderr: str, line: str) -> None:
    assert telling_line(stderr) == line


@pytest.mark.parametrize("text", ["error: " + "x" * 20_000, "x" * 20_000, "no " * 9_000])
def test_a_long_line_is_cut(text: str) -> None:
    assert len(telling_line(text)) == LONGEST


@pytest.mark.parametrize(
    "piece", ["a", "a:", "0 ", "no ", "|^", "- ", "npm error ", "\r", "Error "]
)
def test_no_output_takes_long_to_look_at(piece: str) -> None:
    """The worker does nothing else meanwhile; a look that backtracks would take seconds."""
    text = f"{piece * 16_000}!"[:16_000]
    began = time.process_time()

    telling_line(text)
    telling_line(text.replace(" ", "\n"))

    assert time.process_time() - began < 0.5


def test_a_failed_job_tells_the_line_with_the_error(house: Rig) -> None:
    job = house.run("printf 'a.c:2:9: error: expected x\\n    2 | y\\n      | ^~\\n' >&2; exit 1")

    assert job.last_error == "exit code 1: a.c:2:9: error: expected x"
    assert house.history(job.id)[-1].error == job.last_error
