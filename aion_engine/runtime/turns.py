"""One batch of turns: claim, fold, write, commit, hand over.

Theory of operation
-------------------
All of it is one transaction over many runs. What may go wrong, and what then happens:

* *One run's code fails in a way that holds it* (or never yields, or its type is unknown here): its instance
  is dropped, nothing of its turn is written but its problem, its messages stay and are parked. The others
  of the batch commit.
* *The process dies before the commit*: nothing happened; the locks end with the connection.
* *The process dies after the commit*: activities not handed over are published by the sweep; local
  activities are run again by whoever gets the run when this worker's lease has ended.
* *The commit fails*: all instances of the batch have advanced beyond the database and are dropped; outcomes
  of local activities are kept by the caller and folded again.

The batch is bounded by time: runs that were claimed but not reached are left as they are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import time
import uuid
from collections.abc import Mapping, Sequence

import msgspec

from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.conf import settings
from aion.core.errors import DefinitionError, NonDeterminismError
from aion.core.events import (
    ActivityOutcome,
    Role,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTerminated,
)
from aion.core.failures import Failure, encode_failure, failure_from
from aion.core.history import Recorded
from aion.core.pending import effective
from aion.core.ports import Handover
from aion.core.status import RunStatus
from aion.operations.clock import clock
from aion.store import claims, histories, mailbox, sessions, turns
from aion.store.dialects import atomic
from aion.store.rows import Claimed
from aion.store.turns import TurnWrites
from aion.store.updates import UpdateAnswer
from aion_engine.replay.advance import advance
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from aion_engine.replay.watchdog import Watchdog
from aion_engine.runtime import effects
from aion_engine.runtime.arrivals import arrivals_of, consume, refuse_late, termination
from aion_engine.runtime.cache import InstanceCache
from aion_engine.runtime.holding import hold_for

log = logging.getLogger("aion.turns")

Outcomes = Mapping[uuid.UUID, Sequence[ActivityOutcome]]


@dataclasses.dataclass(slots=True)
class Batch:
    """What a batch did: to be handed over after the commit."""

    turns: int = 0
    events: int = 0
    left: int = 0  # runs claimed but not reached in time
    seen: set[uuid.UUID] = dataclasses.field(default_factory=set)  # runs whose outcomes are folded
    handovers: list[Handover] = dataclasses.field(default_factory=list)
    closed: list[uuid.UUID] = dataclasses.field(default_factory=list)
    answered: list[uuid.UUID] = dataclasses.field(
        default_factory=list
    )  # runs with updates to answer
    posted: bool = False  # messages went to mailboxes, maybe to these very runs
    timers: list[dt.datetime] = dataclasses.field(default_factory=list)
    locals: list[tuple[Claimed, Instance]] = dataclasses.field(default_factory=list)


class Turns:
    """Takes batches of turns for one worker."""

    def __init__(self, worker_id: uuid.UUID) -> None:
        self.worker_id = worker_id
        self.cache = InstanceCache(runs=settings.CACHE_RUNS, size=settings.CACHE_BYTES)
        self._watchdog = Watchdog(settings.YIELD_LIMIT)
        self._limit = settings.BATCH_RUNS
        self._time = settings.BATCH_TIME
        self._queues = tuple(settings.LOOP_QUEUES)

    def take(self, outcomes: Outcomes) -> Batch:
        """Take one batch; `outcomes` are those of local activities since the last."""
        batch = Batch()
        touched: list[uuid.UUID] = []
        try:
            with atomic(), sessions.pipelined():
                self._take(batch, outcomes, touched)
        except BaseException:
            for run_id in touched:
                self.cache.drop(run_id)
            raise
        for run_id in batch.closed:
            self.cache.drop(run_id)
        return batch

    def _take(self, batch: Batch, outcomes: Outcomes, touched: list[uuid.UUID]) -> None:
        now = clock.now()
        claimed = claims.claim(
            worker_id=self.worker_id,
            now=now,
            limit=self._limit,
            queues=self._queues,
            own=outcomes,
        )
        if not claimed:
            return
        cold = histories.load(
            c.run.id
            for c in claimed
            if not c.run.closed and self.cache.get(c.run.id, c.run.head_seq) is None
        )
        writes = TurnWrites()
        until = time.perf_counter() + self._time
        for number, one in enumerate(claimed):
            if number and time.perf_counter() > until:
                batch.left = len(claimed) - number
                break
            touched.append(one.run.id)
            batch.seen.add(one.run.id)
            local = outcomes.get(one.run.id, ())
            self._turn(one, cold.get(one.run.id), local, writes, batch, now)
        turns.write(writes, now=now)
        self._summarise(batch, writes)

    def _summarise(self, batch: Batch, writes: TurnWrites) -> None:
        batch.turns = len(writes.runs)
        batch.events = sum(len(new.events) for new in writes.events)
        batch.closed = writes.closed
        batch.answered = [one.run_id for one in writes.updates]
        batch.posted = bool(
            writes.messages_out
            or writes.activities_cancelled
            or writes.new_runs
            or writes.outgoing
            or writes.parents_closed
        )
        batch.timers = [timer.fire_at for timer in writes.timers]
        closed = set(writes.closed)
        batch.handovers = [
            Handover(order.id, order.attempt, order.task_queue, order.activity_type)
            for order in writes.activities
            if order.run_id not in closed
        ]

    def _turn(
        self,
        one: Claimed,
        history: list[Recorded] | None,
        local: Sequence[ActivityOutcome],
        writes: TurnWrites,
        batch: Batch,
        now: dt.datetime,
    ) -> None:
        run = one.run
        if run.closed:
            refuse_late(one, writes)
            return
        reason = termination(one)
        if reason is not None:
            self._terminate(one, reason, writes, now)
            return
        if run.status == RunStatus.PAUSED or (run.held_until and run.held_until > now):
            writes.parked.append(run.id)
            writes.messages_out.extend(mailbox.message(run.id, event) for event in local)
            self.cache.drop(run.id)
            return
        refused: list[tuple[str, Failure]] = []
        try:
            with self._watchdog.watch(f"run {run.id} of {run.workflow_type}"):
                instance, gained = self._fold(one, history, local, now, refused)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is this run's alone
            self._failed(one, error, writes, now)
            return
        owner_id = self.worker_id if instance.local_activities else None
        update = effects.add_turn(
            run,
            gained,
            owner_id=owner_id,
            writes=writes,
            started=instance.context.started,
            unread=tuple(instance.messages.unhandled),
        )
        consume(one, writes)
        writes.updates.extend(
            UpdateAnswer(run.id, update_id, "refused", None, encode_failure(failure).decode())
            for update_id, failure in refused
        )
        _add_attributes(run.id, instance, writes)
        if update.closed_at is not None and instance.updates.open:
            writes.updates_abandoned.append(run.id)
        if update.closed_at is None:
            self.cache.put(run.id, instance, run.history_bytes + 200 * len(gained))
            if instance.local_activities:
                batch.locals.append((one, instance))
        else:
            instance.close()

    def _fold(
        self,
        one: Claimed,
        history: list[Recorded] | None,
        local: Sequence[ActivityOutcome],
        now: dt.datetime,
        refused: list[tuple[str, Failure]],
    ) -> tuple[Instance, list[Recorded]]:
        arrivals, deadline = arrivals_of(one, local)
        instance = self.cache.get(one.run.id, one.run.head_seq)
        start = None
        if instance is None:
            definition = _runnable(registry.workflow(one.run.workflow_type))
            history = effective(history or [])
            if _nothing_folded(history):
                instance, start = Instance(definition, str(one.run.id)), history[0]
                instance.head_seq = one.run.head_seq
            else:
                instance, _ = replay(definition, str(one.run.id), history)
        try:
            gained = advance(instance, arrivals, at=now, start=start, refused=refused)
        except BaseException:
            self.cache.drop(one.run.id)
            instance.close()
            raise
        if deadline and instance.terminal is None:
            gained.append(effects.timed_out(one.run, gained, deadline, now))
        return instance, gained

    def _terminate(self, one: Claimed, reason: str, writes: TurnWrites, now: dt.datetime) -> None:
        self.cache.drop(one.run.id)
        gained = [effects.closing(one.run, [], WorkflowTerminated(reason=reason), now)]
        effects.add_turn(one.run, gained, owner_id=None, writes=writes)
        writes.updates_abandoned.append(one.run.id)
        consume(one, writes)

    def _failed(
        self, one: Claimed, error: BaseException, writes: TurnWrites, now: dt.datetime
    ) -> None:
        """Hold the run, or fail it where the settings say so; its neighbours go on."""
        run = one.run
        self.cache.drop(run.id)
        if isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise error
        if isinstance(error, NonDeterminismError) and settings.ON_NON_DETERMINISM == "fail":
            event = WorkflowFailed(failure=failure_from(error))
            gained = [Recorded(run.head_seq + 1, now, event)]
            effects.add_turn(run, gained, owner_id=None, writes=writes)
            consume(one, writes)
            return
        log.error(
            "Run %s (%s) is held: %s: %s",
            run.id,
            run.workflow_type,
            type(error).__name__,
            error,
            extra={"run_id": str(run.id), "workflow_id": run.workflow_id},
        )
        writes.holds.append(hold_for(run, error, now))


def _nothing_folded(history: list[Recorded]) -> bool:
    """Tell whether the run is to begin: nothing is folded yet, or the start's fold left nothing behind."""
    return (
        bool(history)
        and isinstance(history[0].event, WorkflowStarted)
        and all(recorded.event.role is Role.NOTE for recorded in history[1:])
    )


def _runnable(definition: WorkflowDefinition) -> WorkflowDefinition:
    if definition.problems:
        raise DefinitionError(f"Workflow {definition.name} {'; '.join(definition.problems)}")
    return definition


def _add_attributes(run_id: uuid.UUID, instance: Instance, writes: TurnWrites) -> None:
    """Write search attributes and memo where the code has changed them."""
    attributes = instance.context.attributes
    if attributes.changed:
        attributes.changed = False
        searched = msgspec.json.encode(attributes.search_attributes).decode()
        memo = msgspec.json.encode(attributes.memo).decode()
        writes.attributes.append((run_id, searched, memo))
