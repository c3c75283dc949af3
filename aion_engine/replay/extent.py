"""How long a run's history is, as its code may observe it: the same live and on every replay.

What counts is everything up to the arrival that the code handles, also notes and what reopening undid, by
the bytes that are stored. Bytes are added up only when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from aion.core.history import Recorded


class Extent:
    """The length of one run's history up to `seq`."""

    def __init__(self) -> None:
        self.first_seq = 0
        self.seq = 0
        self._bytes = 0
        self._uncounted: deque[Recorded] = deque()

    def show(self, recorded: Iterable[Recorded]) -> None:
        """Take events that lie ahead, in their order."""
        self._uncounted.extend(recorded)
        if not self.first_seq and self._uncounted:
            self.first_seq = self._uncounted[0].seq

    def reach(self, seq: int) -> None:
        """Go on to an event."""
        self.seq = seq

    def settle(self, size: int) -> None:
        """Take the bytes of everything shown so far as somebody else has counted them."""
        self._bytes = size
        self._uncounted.clear()

    def count(self) -> None:
        """Add up everything that was reached, so that the events can be forgotten."""
        uncounted = self._uncounted
        while uncounted and uncounted[0].seq <= self.seq:
            self._bytes += uncounted.popleft().stored_size

    @property
    def length(self) -> int:
        """Events of the run."""
        return self.seq - self.first_seq + 1 if self.first_seq else 0

    @property
    def bytes(self) -> int:
        """Bytes of the attributes of these events."""
        self.count()
        return self._bytes
