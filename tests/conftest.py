"""What a run must say at its end: figures that tests recorded, and what was skipped in CI.

In CI a test may be skipped only if it is named here, with what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

MAY_BE_SKIPPED = {
    "tests/store/test_opening.py::test_root_is_told_whose_store_it_is": "root",
    "tests/store/test_opening.py::test_a_link_of_another_users_is_not_followed": "root",
    "tests/faults/test_store_faults.py::test_a_disk_that_fills_up_costs_no_job": "a mount",
    "tests/faults/test_store_faults.py::test_a_store_on_a_full_disk_opens_or_says_full": "a mount",
    "tests/faults/test_other_user.py": "root",
}
"""Tests, or files of them."""

_skipped: list[str] = []
_figures: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _figures.extend(f"{name}: {value}" for name, value in report.user_properties)
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    if _needless() and session.exitstatus in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for figure in _figures:
        terminalreporter.write_line(figure)
    for nodeid in _needless():
        terminalreporter.write_line(f"SKIPPED IN CI, and not allowed to be: {nodeid}", red=True)


def _needless() -> list[str]:
    if not os.environ.get("CI"):
        return []
    return [nodeid for nodeid in _skipped if not _may_be_skipped(nodeid)]


def _may_be_skipped(nodeid: str) -> bool:
    test = nodeid.partition("[")[0]
    return test in MAY_BE_SKIPPED or test.partition("::")[0] in MAY_BE_SKIPPED
