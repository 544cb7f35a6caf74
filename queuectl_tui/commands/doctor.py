"""``doctor``: look the store and its processes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from queuectl_tui import streams
from queuectl_tui.commands.options import json_option
from queuectl_tui.output import print_json, print_wrapped_table
from queuectl_tui.session import current_session

if TYPE_CHECKING:
    from store.health import Finding


@click.command()
@click.option(
    "--accept", is_flag=True, help="First go on with a store that is behind what was on disk."
)
@json_option
def command(accept: bool, as_json: bool) -> int:
    """Check the store, its files, and the processes it knows; exit 1 if something is wrong."""
    from store.health import Verdict, accept_as_it_is

    if accept:
        accept_as_it_is(current_session().url)
    findings = _examine(current_session().url)
    sound = all(finding.verdict is not Verdict.PROBLEM for finding in findings)
    if as_json:
        print_json({"ok": sound, "checks": [_to_json(finding) for finding in findings]})
    else:
        rows = [(finding.check, finding.verdict.upper(), finding.detail) for finding in findings]
        print_wrapped_table(("CHECK", "RESULT", "DETAIL"), rows)
        for finding in findings:
            if finding.advice is not None:
                streams.narrate(f"{finding.check}: {finding.advice}")
    return 0 if sound else 1


def _examine(url: str) -> list[Finding]:
    """Every finding; a store that can't be opened is one itself."""
    from store import QueueError, open_store
    from store.health import Finding, Verdict, examine_file, examine_store
    from workers.health import examine_processes

    findings = list(examine_file(url))
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        return findings
    try:
        queue = open_store(url, create=False)
        return [*findings, *examine_store(queue), *examine_processes(queue)]
    except QueueError as error:
        return [*findings, Finding("store", Verdict.PROBLEM, str(error))]


def _to_json(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "result": finding.verdict.value,
        "detail": finding.detail,
        "advice": finding.advice,
    }
