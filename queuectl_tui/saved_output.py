"""The whole of an output, saved to a file of its own or gathered for the clipboard."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from queuectl_tui.job_output import chunks, printable
from queuectl_tui.text import size

if TYPE_CHECKING:
    from store.output import OutputView

MOST_COPIED = 1024 * 1024


class SavedOutput:
    """Writes what is there now, byte for byte, to a new file that only its owner may read.

    Raises ``FileExistsError`` for one that exists.
    """

    def __init__(self, view: OutputView, path: Path) -> None:
        self.path = path
        self.total = view.size()
        self.saved = 0
        self._fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        self._parts = chunks(view, dropped=self._drop)

    def advance(self, seconds: float) -> bool:
        """Goes on for so long. False once all is written."""
        until = time.monotonic() + seconds
        for part in self._parts:
            self._write(part)
            if time.monotonic() >= until:
                return True
        os.fsync(self._fd)
        return False

    def close(self) -> None:
        os.close(self._fd)

    def abandon(self) -> None:
        """Leaves nothing behind."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _drop(self, count: int) -> None:
        self._write(_marker(count))
        self.saved += count

    def _write(self, data: bytes) -> None:
        self.saved += len(data)
        while data:
            data = data[os.write(self._fd, data) :]


def copied_output(view: OutputView) -> str | None:
    """All of it as text that can't act on a terminal; None if it is too much for a clipboard."""
    gap = view.gap() or (0, 0)
    if view.size() - (gap[1] - gap[0]) > MOST_COPIED:
        return None
    parts: list[bytes] = []
    for part in chunks(view, dropped=lambda count: parts.append(_marker(count))):
        parts.append(part)  # noqa: PERF402 - what was dropped comes between
    return b"".join(printable(parts)).decode()


def _marker(dropped: int) -> bytes:
    return f"\n… {size(dropped)} dropped (output_limit) …\n".encode()
