"""The notice board of a worker: what its parent process tells the processes of its pool.

A page of memory that forked processes share. The parent asks the database once for all of them; so a pool
process needs no second connection, and hears of a shutdown without any.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import Final

import msgspec

_SIZE: Final = 256 * 1024  # some thousand attempts
_HEADER: Final = struct.Struct("<?II")  # stopping, length, checksum


class Notice(msgspec.Struct, frozen=True):
    """What the rows said of a worker's attempts at a moment of the system's monotonic clock.

    `held` is by the row's id: the attempt's number, and why it should stop ("" when it should not). `pids`
    says which process has claimed it.
    """

    looked_at: float
    held: dict[str, tuple[int, str]]
    pids: dict[str, int] = {}


class Board:
    """One writer, many readers. A reader that meets the writer sees nothing, and looks again later."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    @property
    def stopping(self) -> bool:
        """Whether the worker is shutting down."""
        return self._memory[0] != 0

    def announce_stop(self) -> None:
        """Say that the worker is shutting down."""
        self._memory[0] = 1

    def write(self, notice: Notice) -> None:
        """Put up a notice in the place of the last."""
        data = msgspec.json.encode(notice)
        if len(data) > _SIZE - _HEADER.size:
            return
        header = _HEADER.pack(self.stopping, len(data), zlib.crc32(data))
        self._memory[: _HEADER.size + len(data)] = header + data

    def read(self) -> Notice | None:
        """Read the notice; None when there is none to be read now."""
        _, length, checksum = _HEADER.unpack_from(self._memory)
        data = self._memory[_HEADER.size : _HEADER.size + length]
        if not length or zlib.crc32(data) != checksum:
            return None
        return msgspec.json.decode(data, type=Notice)
