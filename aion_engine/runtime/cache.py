"""Live instances kept between turns: a cache, bounded by count and bytes, never the truth."""

from __future__ import annotations

import uuid
from collections import OrderedDict

from aion_engine.replay.instance import Instance


class InstanceCache:
    """The least recently used instance leaves first. An instance is valid only at the run's head."""

    def __init__(self, *, runs: int, size: int) -> None:
        self._most_runs = runs
        self._most_bytes = size
        self._bytes = 0
        self._entries: OrderedDict[uuid.UUID, tuple[Instance, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, run_id: uuid.UUID, head_seq: int) -> Instance | None:
        """Give the instance away if it knows the whole history; a stale one is thrown away.

        It is the caller's then, to put back: another run's `put` cannot evict it meanwhile.
        """
        entry = self._entries.pop(run_id, None)
        if entry is None:
            return None
        self._bytes -= entry[1]
        if entry[0].head_seq != head_seq:
            entry[0].close()
            return None
        return entry[0]

    def put(self, run_id: uuid.UUID, instance: Instance, size: int) -> None:
        """Keep an instance; `size` is that of its history."""
        known = self._entries.pop(run_id, None)
        if known is not None:
            self._bytes -= known[1]
            if known[0] is not instance:
                known[0].close()
        self._entries[run_id] = (instance, size)
        self._bytes += size
        while self._entries and (
            len(self._entries) > self._most_runs or self._bytes > self._most_bytes
        ):
            self.drop(next(iter(self._entries)))

    def drop(self, run_id: uuid.UUID) -> None:
        """Throw an instance away; its coroutines end now."""
        entry = self._entries.pop(run_id, None)
        if entry is not None:
            self._bytes -= entry[1]
            entry[0].close()

    def clear(self) -> None:
        """Throw all instances away."""
        for run_id in list(self._entries):
            self.drop(run_id)
