"""Numbered, frozen steps from one schema version to the next; ``PRAGMA user_version`` counts them.

A step that has been released is never edited: a change is a new step.
"""

from __future__ import annotations

import sqlite3
from importlib import import_module

STEPS = ("m0001_initial", "m0002_job_control")
LATEST = len(STEPS)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply the steps after ``version`` inside the caller's transaction."""
    for number, name in enumerate(STEPS[version:], start=version + 1):
        for statement in import_module(f"store.migrations.{name}").STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
