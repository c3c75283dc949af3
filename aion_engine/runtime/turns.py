"""One batch of turns: claim, fold, write, commit, hand over.

Theory of operation
-------------------
All of it is one transaction over many runs. What may go wrong, and what then happens:

* *One run's code fails in a way that holds it* (or never yields, or its type is unknown here, or its payloads
  cannot be decoded, fetched or encoded): its instance is dropped, nothing of its turn is written but its
  problem, its messages stay and are parked. The others of the batch commit.
* *The process dies before the commit*: nothing happened; the locks end with the connection.
* *The process dies after the commit*: activities not handed over are published by the sweep; local
  activities are run again by whoever gets the run when this worker's lease has ended.
* *The commit fails*: all instances of the batch have advanced beyond the database and are dropped; outcomes
  of local activities are kept by the caller and folded again.

The batch is bounded by time: runs that were claimed but not reached are left as they are, and the next batch
claims about as many as were reached.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from aion.conf import settings
from aion.core.errors import PayloadUnavailable
from aion.core.events import (
    ActivityOutcome,
    Event,
    WorkflowFailed,
    WorkflowTerminated,
)
from aion.core.failures import failure_from, message_of
from aion.core.history import Recorded
from aion.core.ports import Handover
from aion.core.requests import UpdateRequest
from aion.core.status import RunStatus
from aion.operations.clock import clock
from aion.store import claims, histories, mailbox, sealed_turns, sealing, sessions, turns
from aion.store.rows import Claimed, RunRow, RunUpdate
from aion.store.shown import ShownWrite
from aion.store.turns import TurnWrites
from aion_engine.replay.instance import Instance
from aion_engine.runtime import announcing, effects, limits
from aion_engine.runtime.arrivals import (
    consume,
    deadline_of,
    refuse_late,
    termination,
)
from aion_engine.runtime.aside import Aside
from aion_engine.runtime.batches import Batch, Reach, in_turn
from aion_engine.runtime.cache import InstanceCache
from aion_engine.runtime.folding import Folding
from aion_engine.runtime.holding import fails_run, hold_for, stops_the_process
from aion_engine.runtime.reviving import revive
from aion_engine.runtime.unseen import await_start, close_unseen, unread
from aion_engine.runtime.work import Work

log = logging.getLogger("aion.turns")
log_held = logging.getLogger("aion.turns.held")

Outcomes = Mapping[uuid.UUID, Sequence[ActivityOutcome]]


_HANDFUL = 4  # runs
_MANY = 16  # pending activities of one run, of which the next will hardly be the one that counts
_BYTES_PER_EVENT = 200  # a guess that the cache's limit needs until the row says it


class Turns:
    """Takes batches of turns for one worker."""

    def __init__(self, worker_id: uuid.UUID) -> None:
        self.worker_id = worker_id
        self.cache = InstanceCache(runs=settings.CACHE_RUNS, size=settings.CACHE_BYTES)
        self.folding = Folding()
        self.reach = Reach(settings.BATCH_RUNS)
        self.time = settings.BATCH_TIME
        self.queues = tuple(settings.LOOP_QUEUES)
        self.unsure: set[uuid.UUID] = set()
        """Runs of batches that failed, whose turns may be there all the same, until somebody looks."""

    def take(
        self,
        outcomes: Outcomes,
        *,
        expecting: bool = False,
        only: Collection[uuid.UUID] | None = None,
        before_commit: Callable[[Batch], None] = lambda batch: None,
    ) -> Batch:
        """Take one batch, of `only` these runs if given.

        `outcomes` are those of local activities since the last. `expecting` says that there is probably
        work, because somebody rang or the last batch had some. `before_commit` is in its transaction.
        """
        batch = Batch()
        touched: list[Work] = []
        with self.committed(batch, touched):
            self._take(batch, self.claim(outcomes, expecting, only), outcomes, touched)
            before_commit(batch)
        return batch

    @contextmanager
    def committed(self, batch: Batch, touched: list[Work]) -> Iterator[None]:
        """Commit what a block writes, and let instances go: of what it closes, or of all when it fails."""
        try:
            with sessions.transaction():
                yield
        except BaseException:
            for work in touched:
                self.unsure.add(work.run.id)
                self.cache.drop(work.run.id)
                work.drop_instance()
            raise
        for run_id in batch.closed:
            self.cache.drop(run_id)
        for action in batch.committed:
            _do(action)

    def claim(
        self, outcomes: Outcomes, expecting: bool, only: Collection[uuid.UUID] | None = None
    ) -> list[Claimed]:
        """Lock the runs of the next batch, until the transaction ends."""
        own = list(itertools.islice(outcomes, self.reach.runs)) if only is None else list(only)
        return claims.claim(
            worker_id=self.worker_id,
            now=clock.now(),
            limit=self.reach.runs if only is None else 0,
            queues=self.queues,
            own=own,
            expecting=expecting or bool(own),
        )

    def _take(
        self, batch: Batch, claimed: list[Claimed], outcomes: Outcomes, touched: list[Work]
    ) -> None:
        now = clock.now()
        batch.others_wait = any(one.messages or one.timers for one in claimed)
        if not claimed:
            return
        touched += (Work(one, outcomes.get(one.run.id, ())) for one in in_turn(claimed))
        works = self._prepare(touched)
        writes = TurnWrites()
        self.folding.begin()
        until = time.perf_counter() + self.time
        try:
            while works and (not batch.seen or time.perf_counter() <= until):
                work = works.popleft()
                batch.seen.add(work.run.id)
                self._turn(work, writes, batch, now)
                batch.committed += work.to_tell
        finally:
            batch.left = len(works) + max(len(outcomes) - self.reach.runs, 0)
            self.reach.learn(len(batch.seen), left=len(works))
            for work in works:
                if work.instance is not None:
                    self.cache.put(work.run, work.instance, work.run.history_bytes)
        self.write(writes, batch, now, [one.run for one in claimed])
        batch.patient = not batch.left and len(writes.runs) == len(touched) <= _HANDFUL
        batch.patient &= all(map(_waits_for_many, touched, writes.runs))

    def write(
        self, writes: TurnWrites, batch: Batch, now: dt.datetime, runs: Iterable[RunRow]
    ) -> None:
        """Write what the turns of these runs have decided."""
        first_seqs = {run.id: run.first_seq for run in runs}
        turns.write(writes, now=now)
        limits.warn(writes.runs, first_seqs)
        self.cache.settle(writes.runs)
        self._summarise(batch, writes)

    def _prepare(self, works: Sequence[Work]) -> deque[Work]:
        """Join each claimed run with its live instance, or else with its history."""
        for work in works:
            if not work.run.closed:
                work.instance = self.cache.take(work.run.id, work.run.head_seq)
        cold = [work for work in works if work.instance is None and not work.run.closed]
        unread = [work.run.id for work in cold if work.claimed.first is None]
        rows = histories.load_rows(unread)
        for work in cold:
            first = work.claimed.first
            work.rows = rows.get(work.run.id, []) if first is None else [first]
        limits.count_pending(works)
        return deque(works)

    def _summarise(self, batch: Batch, writes: TurnWrites) -> None:
        batch.turns = len(writes.runs)
        batch.closed = writes.closed
        batch.answered = [one.run_id for one in writes.updates]
        # This loop takes another batch at once; others need a ring only for runs that may be theirs.
        batch.posted = bool(writes.messages_out or writes.outgoing or writes.new_runs)
        closed = set(writes.closed)
        batch.handovers = [
            Handover(*order.where, priority=order.priority)
            for order in writes.activities
            if order.run_id not in closed
        ]

    def _turn(self, work: Work, writes: TurnWrites, batch: Batch, now: dt.datetime) -> None:
        """Take one run's turn. With codecs its writes join the batch when all of them are sealed."""
        now = work.moment(now)
        part = work.part_of(writes)
        try:
            update = self._decide(work, part, now)
            if part is not writes:
                sealed_turns.seal(part, work.sealer)
        except PayloadUnavailable as error:
            work.to_tell.clear()  # nothing of it has happened
            self._failed(work, error, writes, now)
            return
        if part is not writes:
            writes.add(part)
        if update is not None:
            self.keep(work, update, batch)

    def _decide(self, work: Work, writes: TurnWrites, now: dt.datetime) -> RunUpdate | None:
        """Say what a run's turn writes; give its new projection where its code has taken the turn."""
        run, one = work.run, work.claimed
        if run.closed:
            refuse_late(one, writes)
            return None
        reason = termination(one)
        if reason is not None:
            event: Event = WorkflowTerminated(reason=reason)
            close_unseen(work, effects.closing(run, [], event, now), writes)
            return None
        if run.status == RunStatus.PAUSED or (run.held_until and run.held_until > now):
            self._leave(work, writes, now)
            return None
        failure = limits.beyond(run)
        if failure is not None:
            event = WorkflowFailed(failure=failure, by_engine=True)
            revive(work, self.folding.watchdog)
            close_unseen(work, effects.closing(run, [], event, now), writes)
            return None
        aside = Aside()
        try:
            gained = self.folding.fold(work, now, aside)
            limits.check_pending(work, gained or ())
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is this run's alone
            self._failed(work, error, writes, now)
            return None
        if gained is None:
            await_start(work, writes, now)
            return None
        aside.answer(run.id, writes)
        return self.add(work, gained, aside.passed_on, writes)

    def add(
        self,
        work: Work,
        gained: list[Recorded],
        passed_on: list[Event | UpdateRequest],
        writes: TurnWrites,
    ) -> RunUpdate:
        """Add what a turn that succeeded writes."""
        run, instance = work.run, work.instance
        assert instance is not None  # noqa: S101  # it has just taken its turn
        update = effects.add_turn(
            run,
            gained,
            owner_id=self.worker_id if instance.local_activities else None,
            writes=writes,
            started=instance.context.started,
            cancelled=instance.context.cancelled_with is not None,
            for_successor=[*unread(instance), *passed_on],
        )
        announcing.turn_made(work, instance, gained, update, writes)
        consume(work.claimed, writes)
        _add_attributes(run.id, instance, writes)
        self.folding.note(instance)
        if run.held_until is not None:
            writes.unparked.append(run.id)  # a message brought it back before its time
        if update.closed_at is not None and instance.updates.open:
            writes.updates_abandoned.append(run.id)
        return update

    def keep(self, work: Work, update: RunUpdate, batch: Batch) -> None:
        """Keep the instance of a turn that is in the batch, or close it with its run."""
        run, instance = work.run, work.instance
        assert instance is not None  # noqa: S101  # it has just taken its turn
        if update.closed_at is not None:
            instance.close()
            return
        size = run.history_bytes + _BYTES_PER_EVENT * update.gained_events
        self.cache.put(run, instance, size)
        if instance.local_activities:
            batch.locals.append((work.claimed, instance))

    def _leave(self, work: Work, writes: TurnWrites, now: dt.datetime) -> None:
        """Leave a paused or held run's mail where it is, out of the queue. Its deadlines pass as always."""
        self._post_outcomes(work, writes)
        deadline = deadline_of(work.claimed)
        if deadline is None:
            work.drop_instance()
            writes.parked.append(work.run.id)
            return
        revive(work, self.folding.watchdog)
        close_unseen(work, effects.timed_out(work.run, [], deadline, now), writes)

    def _failed(
        self, work: Work, error: BaseException, writes: TurnWrites, now: dt.datetime
    ) -> None:
        """Hold the run, or fail it where the settings say so; its neighbours go on."""
        run = work.run
        if stops_the_process(error):
            work.drop_instance()
            raise error
        if isinstance(error, MemoryError):
            self.cache.clear()  # others may go on with what that gives back
        if fails_run(error, run.workflow_type):
            event = WorkflowFailed(failure=failure_from(error))
            close_unseen(work, effects.closing(run, [], event, now), writes)
            return
        work.drop_instance()
        log_held.error(
            "Run %s (%s) is held: %s: %s",
            run.id,
            run.workflow_type,
            type(error).__name__,
            message_of(error),
            extra={"run_id": str(run.id), "workflow_id": run.workflow_id},
        )
        self._post_outcomes(work, writes)
        hold = hold_for(run, error, now)
        writes.holds.append(hold)
        announcing.held(work, error, hold.count)

    def _post_outcomes(self, work: Work, writes: TurnWrites) -> None:
        """Put outcomes of local activities into the mailbox of a run that does not take them now."""
        messages = [mailbox.message(work.run.id, one) for one in work.outcomes]
        try:
            writes.messages_out.extend(sealing.stored_bodies(messages, work.sealer))
        except PayloadUnavailable as error:
            # The code will still wait for them, and they run again.
            log.warning("Local outcomes of run %s are lost: %s", work.run.id, error)


def _waits_for_many(work: Work, update: RunUpdate) -> bool:
    """Tell whether a run's turn has recorded outcomes of remote activities only, of many that are pending."""
    one, instance = work.claimed, work.instance
    return (
        instance is not None
        and update.closed_at is None
        and not one.timers
        and all(message.kind.startswith("Activity") for message in one.messages)
        and update.gained_events <= len(one.messages)
        and len(instance.activities.pending) >= _MANY
    )


def _do(action: Callable[[], object]) -> None:
    """Do what was asked for; its errors are nobody else's."""
    try:
        action()
    except Exception:
        log.exception("What was to be done after the commit failed")


def _add_attributes(run_id: uuid.UUID, instance: Instance, writes: TurnWrites) -> None:
    """Write search attributes and memo where the code has changed them."""
    attributes = instance.context.attributes
    if attributes.changed:
        writes.attributes.append(ShownWrite(run_id, attributes.shown, attributes.searched))
        attributes.changed = attributes.searched = False
