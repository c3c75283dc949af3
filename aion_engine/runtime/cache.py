"""Live instances kept between turns: a cache, bounded by count and bytes, never the truth."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from aion.store.rows import RunRow, RunUpdate
from aion_engine.replay.instance import Instance


class Kept(NamedTuple):
    """A live instance, the row of its run as this process knows it, and the size of its history."""

    instance: Instance
    run: RunRow
    size: int


class InstanceCache:
    """The least recently used instance leaves first. An instance is valid only at the run's head."""

    def __init__(self, *, runs: int, size: int) -> None:
        self._most_runs = runs
        self._most_bytes = size
        self._bytes = 0
        self._entries: OrderedDict[uuid.UUID, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, run_id: uuid.UUID) -> Kept | None:
        """Give what is known of a run, and keep it. Its row is as old as the last turn taken here."""
        return self._entries.get(run_id)

    def take(self, run_id: uuid.UUID, head_seq: int) -> Instance | None:
        """Give the instance away if it knows the whole history; a stale one is thrown away.

        It is the caller's then, to put back: another run's `put` cannot evict it meanwhile.
        """
        entry = self._entries.pop(run_id, None)
        if entry is None:
            return None
        self._bytes -= entry.size
        if entry.instance.head_seq != head_seq:
            entry.instance.close()
            return None
        return entry.instance

    def put(self, run: RunRow, instance: Instance, size: int) -> None:
        """Keep an instance; `size` is that of its history."""
        known = self._entries.pop(run.id, None)
        if known is not None:
            self._bytes -= known.size
            if known.instance is not instance:
                known.instance.close()
        self._entries[run.id] = Kept(instance, run, size)
        self._bytes += size
        while self._entries and (
            len(self._entries) > self._most_runs or self._bytes > self._most_bytes
        ):
            self.drop(next(iter(self._entries)))

    def settle(self, updates: Iterable[RunUpdate]) -> None:
        """Bring the rows of owned runs to what a batch has written of them."""
        for update in updates:
            if update.owner_id is None:
                continue  # such a run moves by claims only, and they read its row
            entry = self._entries.get(update.id)
            if entry is not None:
                run = entry.run
                run.head_seq, run.history_bytes = update.head_seq, update.history_bytes
                run.status, run.owner_id = update.status, update.owner_id
                run.problem_count, run.held_until = 0, None

    def drop(self, run_id: uuid.UUID) -> None:
        """Throw an instance away; its coroutines end now."""
        entry = self._entries.pop(run_id, None)
        if entry is not None:
            self._bytes -= entry.size
            entry.instance.close()

    def clear(self) -> None:
        """Throw all instances away."""
        for run_id in list(self._entries):
            self.drop(run_id)
