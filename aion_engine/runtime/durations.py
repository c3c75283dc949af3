"""Which activities are long, as this worker's processes have seen: those are not bundled.

A page of memory that forked processes share, one byte for each of some thousand hashes of a type's name. Long
runs count it up and short ones down, so that one run on a busy machine makes no type a long one, and one that
was long for a while is soon bundled again.
Two types with one hash are taken for one, and writers do not wait for each other: a wrong answer costs a
message more, or a moment's wait.
"""

from __future__ import annotations

import mmap
import zlib
from typing import Final

LONG: Final = 0.05  # seconds
_SLOTS: Final = 4096
_STEP: Final = 8  # short runs that make up for a long one
_MOST: Final = 3 * _STEP


class Durations:
    """Learns from every run; processes that are forked later share it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS)

    def note(self, activity_type: str, seconds: float) -> None:
        """Learn how long an activity has run."""
        slot = _slot(activity_type)
        if seconds > LONG:
            self._memory[slot] = min(self._memory[slot] + _STEP, _MOST)
        elif self._memory[slot]:
            self._memory[slot] -= 1

    def is_long(self, activity_type: str) -> bool:
        """Tell whether an activity of this type is likely to be long. Unknown ones are taken for short."""
        return self._memory[_slot(activity_type)] > _STEP


def _slot(activity_type: str) -> int:
    return zlib.crc32(activity_type.encode()) % _SLOTS
