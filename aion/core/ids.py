"""Identifiers that sort by the time they were made: UUID version 7 (RFC 9562, section 5.7).

Theory of operation
-------------------
A UUIDv7 is 48 bits of Unix milliseconds and 74 free bits. Within one process the free bits are a
counter: a new millisecond seeds it from the operating system's randomness with its top bit clear,
and every further id of that millisecond adds a random step (RFC 9562, section 6.2, method 2). Ids
are thus strictly increasing in a process, also when the clock stands still or goes back, and still
hard to guess. A counter that overflows borrows the next millisecond.

A forked child would inherit the lock and the random bytes read ahead; both are made anew there.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_RANDOM_BITS = 74
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_TIMESTAMP_LIMIT = 1 << 48
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62

_SEED_BYTES = 10
_STEP_BYTES = 4
# One system call feeds a thousand ids: asking the kernel each time costs more than the id.
_READ_AHEAD = 4096


def uuid7_from(timestamp_ms: int, random_bits: int) -> UUID:
    """Build the UUIDv7 of a moment and 74 bits chosen by the caller.

    Pure: the same arguments give the same id in every process, which is what deterministic code
    needs. Bits of `random_bits` above the 74th are ignored, so any digest will do.

    Units:  timestamp_ms: milliseconds since the Unix epoch.
    Raises: ValueError if the timestamp is negative or does not fit in 48 bits.
    """
    if not 0 <= timestamp_ms < _TIMESTAMP_LIMIT:
        raise ValueError(f"timestamp_ms must fit in 48 bits, not {timestamp_ms}")
    bits = random_bits & _RANDOM_MASK
    high = bits >> _LOW_BITS
    return UUID(int=timestamp_ms << 80 | _VERSION | high << 64 | _VARIANT | bits & _LOW_MASK)


class _Generator:
    """The state behind `uuid7`: the last millisecond, its counter, and randomness read ahead."""

    def __init__(self) -> None:
        self._last_ms = -1
        self._counter = 0
        self.reseed()

    def reseed(self) -> None:
        """Forget what a parent process shares: its lock and its random bytes."""
        self._lock = threading.Lock()
        self._random = b""
        self._offset = 0
        # The next id starts a counter of its own even within the parent's last millisecond.
        self._fresh = True

    def next(self) -> UUID:
        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                self._counter = self._seed()
            elif self._fresh:
                self._last_ms += 1
                self._counter = self._seed()
            else:
                self._counter += self._take(_STEP_BYTES) + 1
                if self._counter > _RANDOM_MASK:
                    self._last_ms += 1
                    self._counter = self._seed()
            self._fresh = False
            timestamp_ms, counter = self._last_ms, self._counter
        return uuid7_from(timestamp_ms, counter)

    def _seed(self) -> int:
        # The top bit stays clear, so that a millisecond has room for more ids than can be made.
        return self._take(_SEED_BYTES) & (_RANDOM_MASK >> 1)

    def _take(self, count: int) -> int:
        end = self._offset + count
        if end > len(self._random):
            self._random = os.urandom(_READ_AHEAD)
            self._offset, end = 0, count
        taken = self._random[self._offset : end]
        self._offset = end
        return int.from_bytes(taken, "big")


_generator = _Generator()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generator.reseed)


def uuid7() -> UUID:
    """Make a new UUIDv7, greater than every one this process made before.

    Safe to call from threads and after a fork.
    """
    return _generator.next()
