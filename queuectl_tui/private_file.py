"""Files that only their owner may read, and that nothing is lost for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file that isn't there yet, whole or not at all. Raises ``FileExistsError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_over(path: Path, chunks: Iterable[bytes]) -> None:
    """Puts a new file in the place of ``path``; until it is whole, the old one stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    write_new(beside, chunks)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
