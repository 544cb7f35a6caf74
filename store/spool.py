"""Rows on their way into a table, by column. Many rest in an unnamed file, not in memory."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import IO, Any, NamedTuple
from weakref import finalize

_ROWS_IN_BLOCK = 1_000


class Block(NamedTuple):
    """Rows that follow each other: ``alike`` has the columns in which they don't differ."""

    size: int
    alike: dict[str, Any]
    differing: dict[str, Sequence[Any]]

    def column(self, name: str) -> Iterable[Any]:
        if name in self.alike:
            return repeat(self.alike[name], self.size)
        return self.differing[name]


class Spool:
    """Rows that are added one by one, and read in blocks as often as wanted."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._columns = columns
        self._rows: list[tuple[Any, ...]] = []
        self._file: IO[bytes] | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def on_disk(self) -> bool:
        return self._file is not None

    def add(self, row: tuple[Any, ...]) -> None:
        """``row`` has a value for each column."""
        self._rows.append(row)
        self._length += 1
        if len(self._rows) == _ROWS_IN_BLOCK:
            self._write(self._block())
            self._rows = []

    def blocks(self) -> Iterator[Block]:
        """All rows, in the order in which they were added."""
        if self._file is not None:
            at = 0
            while self._file.seek(at) == at and (size := self._file.read(8)):
                data = self._file.read(int.from_bytes(size, "big"))
                at = self._file.tell()
                yield Block(*marshal.loads(data))  # noqa: S302 - our own unnamed file
        if self._rows:
            yield self._block()

    def close(self) -> None:
        """Give the room on disk back; otherwise that is done when nobody has the spool any more."""
        if self._file is not None:
            self._file.close()

    def _block(self) -> Block:
        alike: dict[str, Any] = {}
        differing: dict[str, Sequence[Any]] = {}
        size = len(self._rows)
        for name, values in zip(self._columns, zip(*self._rows, strict=True), strict=True):
            if values.count(values[0]) == size:
                alike[name] = values[0]
            else:
                differing[name] = values
        return Block(size, alike, differing)

    def _write(self, block: Block) -> None:
        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            finalize(self, self._file.close)
        data = marshal.dumps(tuple(block), 2)  # later versions look for repeats: slower
        self._file.write(len(data).to_bytes(8, "big") + data)
