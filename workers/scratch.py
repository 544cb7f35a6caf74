"""Where a running command's output goes, and how much of it stays."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress

from store import Lease, Output, Stream
from store.output import SMALL, Folders
from workers.processes import IS_LINUX

_BLOCK = 4096
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02


class Scratch:
    """The two files a worker's commands write to, used again and again.

    Making a file costs as much as starting a process, so a small output is copied out and the file
    truncated; a large one, or one that somebody may still hold, is renamed and a new file made.
    """

    def __init__(self, folders: Folders, worker: str, *, inherited: Lease | None = None) -> None:
        """``inherited``: what a worker that died used them for; it may have moved some away."""
        self._folders = folders
        self._worker = worker
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._used: list[Stream] = []
        self._moved: list[Stream] = []
        self._fds = {stream: self._open(stream, inherited) for stream in Stream}

    @property
    def files(self) -> tuple[int, int, int]:
        """A command's standard descriptors: nothing to read, and where its output goes."""
        return (self._nothing, self._fds[Stream.STDOUT], self._fds[Stream.STDERR])

    def trim(self, limit: int) -> dict[Stream, int]:
        """Keep the first and the last ``limit / 2`` bytes of each stream; the size of each.

        What lies between becomes a hole: offsets stay what they were, for writer and readers. A
        log that was truncated by its writer is trimmed like a new one.
        """
        sizes = {}
        for stream, fd in self._fds.items():
            size = sizes[stream] = os.fstat(fd).st_size
            begin = -(-limit // 2 // _BLOCK) * _BLOCK
            end = (size - limit // 2) // _BLOCK * _BLOCK
            if limit and end > begin:
                _make_hole(fd, begin, end)
        return sizes

    def collect(self, lease: Lease, *, held: bool) -> dict[Stream, Output]:
        """What the attempt printed. ``held``: a process may still write, so move the files away.

        They are still what is trimmed, until ``clean``.
        """
        sizes = self.trim(lease.output_limit)
        return {stream: self._collect(stream, size, lease, held) for stream, size in sizes.items()}

    @property
    def has_moved(self) -> bool:
        """Whether some of the attempt's output is where it stays, and no scratch any more."""
        return bool(self._moved)

    def clean(self) -> None:
        """Ready for the next attempt; call it once the outcome is stored, and nobody writes."""
        for stream in self._used:
            os.ftruncate(self._fds[stream], 0)
        for stream in self._moved:
            os.close(self._fds[stream])
            self._fds[stream] = self._open(stream)
        self._used.clear()
        self._moved.clear()

    def close(self) -> None:
        os.close(self._nothing)
        for stream, fd in self._fds.items():
            os.close(fd)
            self._folders.scratch(self._worker, stream).unlink(missing_ok=True)

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

    def _open(self, stream: Stream, inherited: Lease | None = None) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        path = self._folders.scratch(self._worker, stream)
        if inherited is None:  # there may be one of a worker that had the name before a restore
            path.unlink(missing_ok=True)
        elif not path.exists():
            kept = self._folders.kept(inherited.attempt_id, stream)
            if kept.exists():
                self._moved.append(stream)
                path = kept
        return os.open(path, flags, 0o600)


def settled_output(folders: Folders, lease: Lease) -> Mapping[Stream, Output]:
    """What was moved away while still held, now that nobody writes: small streams come back."""
    outputs = {}
    for stream in Stream:
        path = folders.kept(lease.attempt_id, stream)
        data = b""
        size = 0
        with suppress(FileNotFoundError):  # the job was deleted meanwhile
            size = path.stat().st_size
            data = path.read_bytes() if _fits(size, lease) else b""
        outputs[stream] = Output(size, data if _fits(size, lease) else None)
    return outputs


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
