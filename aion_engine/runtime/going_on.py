"""Batches of runs that only go on with outcomes of this worker's local activities: without a claim.

Theory of operation
-------------------
A run whose local activities are in flight is owned by this worker: nobody else takes its turns, its live
instance is in the cache, and beside it lies its row as the last turn has left it. So its next turn needs
nothing from the database but the certainty that all this is still true. The questions are sent first (see
`aion.store.going_on`), the code runs while they are answered, and then everything is written together with
COMMIT: the loop waits once where a claim makes it wait twice, and PostgreSQL reads next to nothing. Where a
few runs go on and none of them closes, there is not even a question: one lock, which fails unless all of them
are as they were known, travels with the rest.

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
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from django.db import DatabaseError

from aion.core.errors import PayloadUnavailable
from aion.core.history import Recorded
from aion.operations.clock import clock
from aion.store import sealed_turns
from aion.store.going_on import Look, Question, RunChanged, lock_all, says_changed
from aion.store.rows import Claimed, RunRow
from aion.store.turns import TurnWrites
from aion_engine.runtime import limits
from aion_engine.runtime.aside import Aside
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.holding import stops_the_process
from aion_engine.runtime.turns import Outcomes, Turns
from aion_engine.runtime.work import Work

_FEW: Final = 4  # runs whose turns are computed before an answer could be there
_LOOK: Final = 0.002  # seconds between two looks for other work


class GoingOn:
    """Takes batches without a claim, for the runs that `turns` has in its cache."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._next_look = 0.0

    def take(self, outcomes: Outcomes) -> Batch | None:
        """Take one batch of the runs of these outcomes; None where a claim is needed for any of them."""
        runs = list(self._known(outcomes))
        if not runs or None in runs:
            return None
        batch = Batch()
        works = deque(Work(Claimed(run, [], []), outcomes[run.id]) for run in runs if run)
        touched: list[Work] = []
        try:
            with self._turns.committed(batch, touched):
                look = self._take(batch, works, touched)
        except (RunChanged, DatabaseError) as error:
            if not says_changed(error):
                raise
            return Batch(left=len(outcomes))
        batch.left = len(outcomes) - len(batch.seen)
        if look is not None:
            batch.others_wait = look.found()
        return batch

    def _known(self, outcomes: Outcomes) -> Iterator[RunRow | None]:
        """Give the rows of the runs, None for one that cannot go on with what this process knows."""
        for run_id in islice(outcomes, self._turns.reach.runs):
            kept = self._turns.cache.find(run_id)
            known = kept is not None and kept.run.owner_id == self._turns.worker_id
            yield kept.run if kept and known and limits.beyond(kept.run) is None else None

    def _take(self, batch: Batch, works: deque[Work], touched: list[Work]) -> Look | None:
        now = clock.now()
        few = len(works) <= _FEW
        question = None if few else self._ask(works, now)
        folded = self._fold_all(works, touched, now)
        writes = TurnWrites()
        if few and len(folded) == len(touched) and not any(map(_closes, folded)):
            return self._write_at_once(folded, batch, now)
        standing = (question or self._ask(touched, now)).answer()
        for work, gained in folded:
            closes_over_mail = _closes((work, gained)) and work.run.id in standing.with_mail
            if work.run.id in standing.locked and not closes_over_mail:
                self._add(work, gained, batch, writes)
            else:
                work.drop_instance()
        batch.others_wait = standing.others_wait or len(batch.seen) < len(touched)
        self._turns.write(writes, batch, now, [work.run for work in touched])
        return None

    def _ask(self, works: Iterable[Work], now: dt.datetime) -> Question:
        runs, turns = [work.run for work in works], self._turns
        return Question(runs, worker_id=turns.worker_id, now=now, queues=turns.queues)

    def _fold_all(self, works: deque[Work], touched: list[Work], now: dt.datetime) -> list[Folded]:
        """Fold what there is time for; gives the runs where that went well, with what they gained."""
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
        return folded

    def _write_at_once(self, folded: list[Folded], batch: Batch, now: dt.datetime) -> Look | None:
        """Write the turns of a few runs, if each is as it was known; look for other work now and then."""
        runs = [work.run for work, _ in folded]
        lock_all(runs, worker_id=self._turns.worker_id)
        writes, look = TurnWrites(), None
        if time.monotonic() >= self._next_look:
            look = Look(self._turns.worker_id, now, self._turns.queues)
            self._next_look = time.monotonic() + _LOOK
        for work, gained in folded:
            self._add(work, gained, batch, writes)
        batch.others_wait = len(batch.seen) < len(folded)
        self._turns.write(writes, batch, now, runs)
        return look

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

    def _add(self, work: Work, gained: list[Recorded], batch: Batch, writes: TurnWrites) -> None:
        """Add what a run's turn writes, unless its payloads cannot be sealed."""
        part = work.part_of(writes)
        update = self._turns.add(work, gained, [], part)
        if part is not writes:
            try:
                sealed_turns.seal(part, work.sealer)
            except PayloadUnavailable:
                work.drop_instance()
                return
            writes.add(part)
        self._turns.keep(work, update, batch)
        batch.seen.add(work.run.id)
        batch.committed += work.to_tell


Folded = tuple[Work, list[Recorded]]


def _closes(folded: Folded) -> bool:
    instance = folded[0].instance
    return instance is not None and instance.terminal is not None
