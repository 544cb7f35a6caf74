"""Where a running command's output goes, and how much of it stays."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress

from store import Lease, Output, Stream
from store.output import SMALL, Folders, remove
from workers.processes import IS_LINUX

_BLOCK = 4096
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02


class Scratch:
    """The two files a worker's commands write to, used again and again.

    Making a file costs as much as starting a process, so a small output is copied out and the file
    truncated; a large one, or one that somebody may still hold, is renamed and a new file made.
    """

    def __init__(self, folders: Folders, worker: str, *, inherited: Lease | None = None) -> None:
        """``inherited``: what a worker that died used them for; it may have moved some away.

        Those that can't be opened any more are lost. New ones must be: raises ``OSError``.
        """
        self._folders = folders
        self._worker = worker
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._used: list[Stream] = []
        self._moved: list[Stream] = []
        self._lost: dict[Stream, str] = {}
        self._fds: dict[Stream, int] = {}
        for stream in Stream:
            if inherited is None:
                self._fds[stream] = self._open(stream)
            else:
                self._inherit(stream, inherited)

    @property
    def files(self) -> tuple[int, int, int]:
        """A command's standard descriptors: nothing to read, and where its output goes."""
        return (self._nothing, self._fds[Stream.STDOUT], self._fds[Stream.STDERR])

    @property
    def written(self) -> list[int]:
        """Where output goes, as far as that is known."""
        return [*self._fds.values()]

    def trim(self, limit: int) -> dict[Stream, int]:
        """Keep the first and the last ``limit / 2`` bytes of each stream; the size of each.

        What lies between becomes a hole: offsets stay what they were, for writer and readers. A
        log that was truncated by its writer is trimmed like a new one. A stream that can't be
        looked at is left out.
        """
        sizes = {}
        for stream, fd in self._fds.items():
            try:
                size = sizes[stream] = os.fstat(fd).st_size
                begin = -(-limit // 2 // _BLOCK) * _BLOCK
                end = (size - limit // 2) // _BLOCK * _BLOCK
                if limit and end > begin:
                    _make_hole(fd, begin, end)
            except OSError as error:
                self._lost[stream] = _reason(error)
        return sizes

    def collect(self, lease: Lease, *, held: bool) -> dict[Stream, Output]:
        """What the attempt printed. ``held``: a process may still write, so move the files away.

        They are still what is trimmed, until ``clean``. What can't be kept is no error: the output
        tells.
        """
        self._lost = {stream: why for stream, why in self._lost.items() if stream not in self._fds}
        sizes = self.trim(lease.output_limit)
        return {
            stream: self._collected(stream, sizes.get(stream), lease, held) for stream in Stream
        }

    @property
    def has_moved(self) -> bool:
        """Whether some of the attempt's output is where it stays, and no scratch any more."""
        return bool(self._moved)

    def clean(self) -> None:
        """Ready for the next attempt; call it once the outcome is stored, and nobody writes.

        Raises ``OSError`` when it is not: call it again before the next attempt.
        """
        while self._used:
            os.ftruncate(self._fds[self._used[-1]], 0)
            self._used.pop()
        while self._moved:
            stream = self._moved[-1]
            fresh = self._open(stream)
            os.close(self._fds[stream])
            self._fds[stream] = fresh
            self._moved.pop()

    def close(self) -> None:
        for fd in (self._nothing, *self._fds.values()):
            os.close(fd)
        remove(self._folders.scratch(self._worker, stream) for stream in Stream)

    def _collected(self, stream: Stream, size: int | None, lease: Lease, held: bool) -> Output:
        if size is None:
            return Output(0, b"", f"its {stream.value} is lost: {self._lost[stream]}")
        try:
            return self._collect(stream, size, lease, held)
        except OSError as error:
            return self._salvaged(stream, size, _reason(error), held=held)

    def _collect(self, stream: Stream, size: int, lease: Lease, held: bool) -> Output:
        fd = self._fds[stream]
        if not held and _fits(size, lease):
            if size:
                self._used.append(stream)
            return Output(size, os.pread(fd, size, 0) if size else b"")
        if stream not in self._moved:
            path = self._folders.scratch(self._worker, stream)
            path.rename(self._folders.kept(lease.attempt_id, stream))
            self._moved.append(stream)
        return Output(size)

    def _salvaged(self, stream: Stream, size: int, why: str, *, held: bool) -> Output:
        """What there was no place for: as much of its end as goes into the store.

        While somebody may still write there, the next attempt is to have another file.
        """
        (self._moved if held else self._used).append(stream)
        try:
            data = os.pread(self._fds[stream], SMALL, max(0, size - SMALL))
        except OSError:
            return Output(size, b"", f"its {stream.value} is lost: {why}")
        cut = f"only the end of its {stream.value} could be kept: {why}"
        return Output(size, data, cut if len(data) < size else None)

    def _open(self, stream: Stream) -> int:
        path = self._folders.scratch(self._worker, stream)
        path.unlink(missing_ok=True)  # of a worker that had the name before a restore
        return os.open(path, _FLAGS | os.O_CREAT, 0o600)

    def _inherit(self, stream: Stream, lease: Lease) -> None:
        scratch = self._folders.scratch(self._worker, stream)
        kept = self._folders.kept(lease.attempt_id, stream)
        try:
            if scratch.exists() or not kept.exists():
                self._fds[stream] = os.open(scratch, _FLAGS)
            else:
                self._fds[stream] = os.open(kept, _FLAGS)
                self._moved.append(stream)
        except OSError as error:
            self._lost[stream] = _reason(error)


def settled_output(folders: Folders, lease: Lease) -> Mapping[Stream, Output]:
    """What was moved away while still held, now that nobody writes: small streams come back.

    What can't be read there stays as it was recorded: the job was deleted meanwhile, perhaps.
    """
    outputs = {}
    for stream in Stream:
        path = folders.kept(lease.attempt_id, stream)
        with suppress(OSError):
            size = path.stat().st_size
            outputs[stream] = Output(size, path.read_bytes() if _fits(size, lease) else None)
    return outputs


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _fits(size: int, lease: Lease) -> bool:
    return size <= SMALL and (not lease.output_limit or size <= lease.output_limit)


def _make_hole(fd: int, begin: int, end: int) -> None:
    if IS_LINUX and _punch(fd, begin, end - begin):
        return
    # Elsewhere all but the head goes, and the file grows back as a hole: what is written from now
    # on is the tail.
    size = os.fstat(fd).st_size
    os.ftruncate(fd, begin)
    os.ftruncate(fd, size)


def _punch(fd: int, offset: int, length: int) -> bool:
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    arguments = (ctypes.c_int64(offset), ctypes.c_int64(length))
    return bool(fallocate(fd, _KEEP_SIZE_PUNCH_HOLE, *arguments) == 0)
