"""Taking turns with care for some time after a worker has died, so that a run that kills workers is found.

Theory of operation
-------------------
Without a crash a loop knows nothing of this but one look every third of the lease. After one, each batch is
two transactions. The first chooses the runs, writes them down (`aion.store.crashes`) and parks those that
were in too many crashes. The second takes the turns of just those, and wipes the note out.

* Runs that nobody suspects go together, as always: after a crash all of their batch are suspects. Those that
  the next crash would not convict still go together: most workers die for reasons of their own.
* One that the next crash would convict goes alone, and no second one until the first has no local activity in
  flight any more: so that crash is its own. In a moment all but the one that kills are acquitted.
* Both kinds take turns, so that neither waits for the other.

A worker that hangs instead of dying (in C code, holding the interpreter's lock) is the same: it is given up.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence

from aion.conf import settings
from aion.core.errors import CrashLoop
from aion.core.events import ActivityOutcome
from aion.operations.clock import clock
from aion.store import crashes, owners, turns
from aion.store.dialects import atomic
from aion.store.holds import PARKED
from aion.store.rows import Claimed
from aion.store.turns import TurnWrites
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.crash_notes import how_long
from aion_engine.runtime.going_on import GoingOn
from aion_engine.runtime.holding import hold_for
from aion_engine.runtime.turns import Turns

log_held = logging.getLogger("aion.turns.held")
log = logging.getLogger("aion.loop")


class Caution:
    """Takes the batches of one loop; with care where a worker has died not long ago."""

    def __init__(self, worker_id: uuid.UUID, turns: Turns) -> None:
        self._worker_id = worker_id
        self._turns = turns
        self._going_on = GoingOn(turns)
        self._others_wait = True
        self._careful = False
        self._next_look = 0.0
        self._suspect: uuid.UUID | None = None  # taken, and maybe still in flight
        self._suspected: set[uuid.UUID] = set()  # of the runs that are taken now
        self._suspects_turn = True

    def take(
        self, outcomes: Mapping[uuid.UUID, Sequence[ActivityOutcome]], *, expecting: bool = False
    ) -> Batch:
        """Take one batch, like `Turns.take`."""
        now = time.monotonic()
        if now >= self._next_look:
            self._look()
            self._next_look = now + settings.LEASE / 3
        if not self._careful:
            return self._take(outcomes, expecting)
        chosen = self._choose(outcomes)
        if not chosen:
            return Batch()
        return self._turns.take(outcomes, only=chosen, before_commit=self._passed)

    def _take(
        self, outcomes: Mapping[uuid.UUID, Sequence[ActivityOutcome]], expecting: bool
    ) -> Batch:
        """Take a batch without a claim where nothing but these outcomes is known to wait."""
        batch = None
        if outcomes and not self._others_wait:
            batch = self._going_on.take(outcomes)
        if batch is None:
            batch = self._turns.take(outcomes, expecting=expecting)
        self._others_wait = batch.others_wait
        return batch

    def _look(self) -> None:
        crashes.watch(self._worker_id)
        last, now = crashes.last(), clock.now()
        careful = last is not None and now - last < how_long()
        if careful != self._careful:
            log.warning("A worker has died: turns are taken with care") if careful else log.info(
                "Turns are taken as always again"
            )
            crashes.forget(before=now - how_long())
        self._careful = careful
        self._others_wait = True

    # --- the first transaction ---

    def _choose(self, outcomes: Mapping[uuid.UUID, Sequence[ActivityOutcome]]) -> list[uuid.UUID]:
        """Choose the runs of the next batch, and write them down."""
        with atomic():
            claimed = self._turns.claim(outcomes, expecting=False)
            if not claimed:
                return []
            counts = crashes.counts(one.run.id for one in claimed)
            self._suspected = set(counts)
            convicted = [
                one for one in claimed if counts.get(one.run.id, 0) >= settings.CRASH_LIMIT
            ]
            if convicted:
                self._park(convicted, counts)
            chosen = self._chosen([one for one in claimed if one not in convicted], counts)
            if chosen:
                crashes.note(self._worker_id, chosen)
        return chosen

    def _chosen(self, claimed: list[Claimed], counts: dict[uuid.UUID, int]) -> list[uuid.UUID]:
        ids = [one.run.id for one in claimed]
        alone_from = max(settings.CRASH_LIMIT - 1, 1)
        suspects = [run_id for run_id in ids if counts.get(run_id, 0) >= alone_from]
        others = [run_id for run_id in ids if counts.get(run_id, 0) < alone_from]
        self._suspects_turn = not self._suspects_turn
        if suspects and (self._suspects_turn or not others):
            suspect = self._next_suspect(suspects)
            if suspect is not None:
                self._suspect = suspect
                return [suspect]
        return others

    def _next_suspect(self, suspects: list[uuid.UUID]) -> uuid.UUID | None:
        """Give the one that is in flight, else the one that has waited longest."""
        if self._suspect is None or owners.lost([self._suspect], self._worker_id):
            return suspects[0]
        return self._suspect if self._suspect in suspects else None

    def _park(self, convicted: list[Claimed], counts: dict[uuid.UUID, int]) -> None:
        now = clock.now()
        writes = TurnWrites()
        for one in convicted:
            error = CrashLoop(
                f"{counts[one.run.id]} workers in a row died while they took a turn of this run or ran its "
                "local activities. It is parked until somebody releases it"
            )
            hold = hold_for(one.run, error, now)
            hold.until = PARKED
            writes.holds.append(hold)
            log_held.error(
                "Run %s (%s) is parked: %s",
                one.run.id,
                one.run.workflow_type,
                error.message,
                extra={"run_id": str(one.run.id), "workflow_id": one.run.workflow_id},
            )
        turns.write(writes, now=now)
        crashes.acquit(one.run.id for one in convicted)

    # --- the second ---

    def _passed(self, batch: Batch) -> None:
        """Wipe the note out, and acquit the suspects that got through."""
        crashes.wipe(self._worker_id)
        in_flight = {one.run.id for one, _ in batch.locals}
        passed = batch.seen - in_flight
        if self._suspected & passed:
            crashes.acquit(self._suspected & passed)
        if self._suspect in passed:  # also if its crashes are forgotten meanwhile
            self._suspect = None
