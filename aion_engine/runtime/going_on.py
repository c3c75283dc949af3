"""Batches of runs that only go on with outcomes of this worker's local activities: without a claim.

Theory of operation
-------------------
A run whose local activities are in flight is owned by this worker: nobody else takes its turns, its live
instance is in the cache, and beside it lies its row as the last turn has left it. So its next turn needs
nothing from the database but the certainty that all this is still true. The questions are sent first (see
`aion.store.going_on`), the code runs while they are answered, and then everything is written together with
COMMIT: the loop waits once where a claim makes it wait twice, and PostgreSQL reads next to nothing.

What such a batch leaves to the next one, which claims as always:

* a run that is not as it was known: paused, closed, reset or taken over meanwhile, or locked by a sender;
* a run that would close while it has mail: the mail must be folded first;
* a run whose turn fails in any way: it is folded again from its history, and held or failed there.

Their instances are dropped, their outcomes are kept, and nothing of their turns is written. Mail for a run
that goes on stays where it is for the next batch: an outcome may well be folded before a signal that came at
the same time. As long as there is mail or a due timer for anyone, no two batches in a row are of this kind.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice

from aion.core.errors import PayloadUnavailable
from aion.core.history import Recorded
from aion.operations.clock import clock
from aion.store import sealed_turns
from aion.store.going_on import Standing
from aion.store.rows import Claimed, RunRow
from aion.store.turns import TurnWrites
from aion_engine.runtime import limits
from aion_engine.runtime.aside import Aside
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.holding import stops_the_process
from aion_engine.runtime.turns import Outcomes, Turns
from aion_engine.runtime.work import Work


class GoingOn:
    """Takes batches without a claim, for the runs that `turns` has in its cache."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def take(self, outcomes: Outcomes) -> Batch | None:
        """Take one batch of the runs of these outcomes; None where a claim is needed for any of them."""
        runs = list(self._known(outcomes))
        if not runs or None in runs:
            return None
        batch = Batch()
        works = deque(Work(Claimed(run, [], []), outcomes[run.id]) for run in runs if run)
        touched: list[Work] = []
        with self._turns.committed(batch, touched):
            self._take(batch, works, touched)
            batch.left = len(outcomes) - len(batch.seen)
        return batch

    def _known(self, outcomes: Outcomes) -> Iterator[RunRow | None]:
        """Give the rows of the runs, None for one that cannot go on with what this process knows."""
        for run_id in islice(outcomes, self._turns.reach.runs):
            kept = self._turns.cache.find(run_id)
            known = kept is not None and kept.run.owner_id == self._turns.worker_id
            yield kept.run if kept and known and limits.beyond(kept.run) is None else None

    def _take(self, batch: Batch, works: deque[Work], touched: list[Work]) -> None:
        now = clock.now()
        question = self._turns.ask([work.run for work in works], now)
        self._turns.folding.begin()
        limits.count_pending(works)
        folded = []
        until = time.perf_counter() + self._turns.time
        while works and (not touched or time.perf_counter() <= until):
            work = works.popleft()
            touched.append(work)
            gained = self._fold(work, now)
            if gained is not None:
                folded.append((work, gained))
        self._turns.reach.learn(len(touched), left=len(works))
        standing = question.answer()
        writes = TurnWrites()
        for work, gained in folded:
            if self._add(work, gained, standing, batch, writes):
                batch.seen.add(work.run.id)
                batch.committed += work.to_tell
            else:
                work.drop_instance()
        batch.others_wait = standing.others_wait or len(batch.seen) < len(touched)
        self._turns.write(writes, batch, now, [work.run for work in touched])

    def _fold(self, work: Work, now: dt.datetime) -> list[Recorded] | None:
        """Fold the outcomes of one run; None where that is left to a claim."""
        run = work.run
        work.instance = self._turns.cache.take(run.id, run.head_seq)
        if work.instance is None:
            return None
        try:
            gained = self._turns.folding.fold(work, work.moment(now), Aside())
            limits.check_pending(work, gained or ())
        except BaseException as error:  # whatever it is, it is met again behind a claim
            work.drop_instance()
            if stops_the_process(error):
                raise
            return None
        return gained

    def _add(
        self,
        work: Work,
        gained: list[Recorded],
        standing: Standing,
        batch: Batch,
        writes: TurnWrites,
    ) -> bool:
        """Add what a run's turn writes, if it may be written."""
        run_id, instance = work.run.id, work.instance
        assert instance is not None  # noqa: S101  # it has just taken its turn
        if run_id not in standing.locked:
            return False
        if instance.terminal is not None and run_id in standing.with_mail:
            return False
        part = work.part_of(writes)
        update = self._turns.add(work, gained, [], part)
        if part is not writes:
            try:
                sealed_turns.seal(part, work.sealer)
            except PayloadUnavailable:
                return False
            writes.add(part)
        self._turns.keep(work, update, batch)
        return True
