"""The turn loop: wait for a reason, take a batch, hand over, again.

Theory of operation
-------------------
One loop is one thread with one database connection. It is hosted by a Celery worker (see `bootstep`) or by
`aion_worker`. It wakes for a ring, for an outcome of a local activity, for the earliest due row, and at
least once every poll interval: so a lost ring or a dead neighbour costs at most that interval.

When local activities are in flight it waits a moment for more of them to end, as long as more do, so that
their outcomes share a commit.

A database error (a restart, a terminated backend) drops the batch: nothing of it was written. The loop
closes the connection, waits a little and goes on; outcomes of local activities are kept for the next batch.
When it was the commit that failed, the batch may be there all the same, and nobody has begun the local
activities that it asked for. So the loop wakes runs that it owns and does nothing for, or that were in such a
batch: after each error, and now and then.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections

from aion.authoring.interception import chains
from aion.conf import settings
from aion.core.events import ActivityOutcome
from aion.core.ports import Dispatcher
from aion.operations.bell import the_bell
from aion.operations.clock import clock
from aion.store import claims, mailbox, owners, sessions
from aion_engine.replay import guards
from aion_engine.runtime import garbage
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.caution import Caution
from aion_engine.runtime.local_activities import LocalActivities
from aion_engine.runtime.tick import publish_waiting
from aion_engine.runtime.turns import Turns

log = logging.getLogger("aion.loop")

_NOT_OURS: Final = 0.02
_SECOND: Final = dt.timedelta(seconds=1)
_GRACE: Final = 0.0005  # seconds: the pause in which further local outcomes may join a commit
_MOST_GRACE: Final = 0.01
_PATIENCE: Final = 0.03  # seconds in which further outcomes of many may come
_BREATH: Final = 0.002
_FEW: Final = 16  # runs of a small batch
_LOOK: Final = 0.1
_VISIT: Final = 0.5  # seconds between two looks at the runs whose local activities are under way
_FIRST_PAUSE: Final = 0.1
_LAST_PAUSE: Final = 5.0


class TurnLoop:
    """Takes turns until it is stopped. `worker_id` names its leases."""

    def __init__(self, worker_id: uuid.UUID) -> None:
        guards.install()
        chains()  # a worker with interceptors that cannot be made must not begin
        self.worker_id = worker_id
        self.turns = Turns(worker_id)
        self._caution = Caution(worker_id, self.turns)
        self._bell = the_bell()
        self._waiter = self._bell.loop_waiter()
        self._dispatcher: Dispatcher = settings.port("DISPATCHER")
        self.local = LocalActivities(
            worker_id, threads=settings.LOCAL_THREADS, wake=self._ring_self
        )
        self._outcomes: dict[uuid.UUID, list[ActivityOutcome]] = defaultdict(list)
        self._stopping = threading.Event()
        self._pause = _FIRST_PAUSE
        self._next_look = 0.0
        self._next_visit = 0.0
        self._next_count = 0.0
        self._expecting = True  # whether the next batch is likely to have work

    def _ring_self(self) -> None:
        self._waiter.ring()

    # --- life ---

    def run(self) -> None:
        """Take turns until `stop` is called; then give the leases back."""
        sessions.tune(connections[settings.DATABASE])
        garbage.settle()
        try:
            while not self._stopping.is_set():
                self._guarded_step()
        finally:
            self._finish()

    def stop(self) -> None:
        """Ask the loop to end after the batch it is in. Safe from any thread and from signal handlers."""
        self._stopping.set()
        self._ring_self()

    def _guarded_step(self) -> None:
        try:
            if not self.step():
                self._wait()
            self._pause = _FIRST_PAUSE
        except DatabaseError as error:
            log.warning("The turn loop lost its batch: %s; going on in %.1f s", error, self._pause)
            self._recover()
        except Exception:
            log.exception("The turn loop failed; going on in %.1f s", self._pause)
            self._recover()

    def _recover(self) -> None:
        self.turns.cache.clear()
        self._next_count = 0.0
        connections[settings.DATABASE].close()
        self._stopping.wait(self._pause)
        self._pause = min(self._pause * 2, _LAST_PAUSE)

    def _finish(self) -> None:
        self.local.stop(timeout=2.0)
        try:
            self._collect()
            if self._outcomes:
                self.step()
        except Exception:
            log.warning("The last batch was not written; another worker repeats it", exc_info=True)
        self.turns.cache.clear()
        self._waiter.close()
        connections[settings.DATABASE].close()

    # --- one step ---

    def step(self) -> bool:
        """Take one batch; tell whether there was anything to do."""
        self._look_at_clock()
        self._gather()
        self._collect()
        self._wake_forgotten()
        begin = time.monotonic()
        batch = self._caution.take(self._outcomes, expecting=self._expecting)
        for run_id in batch.seen:
            self._outcomes.pop(run_id, None)
        self._hand_over(batch)
        if self._outcomes and not batch.left:
            self._forget_lost(self._outcomes)
        self._expecting = bool(batch.turns or batch.left or batch.seen)
        self._let_gather(batch, time.monotonic() - begin)
        return self._expecting

    def _let_gather(self, batch: Batch, took: float) -> None:
        """Where several runs go from one activity to the next, let more of them come before the next batch.

        A batch costs much the same for one run and for ten. Whoever takes steps one by one does not wait, nor
        does what this batch has posted. Where a batch has most likely taken all there was, the next one waits
        for a ring first: who was rung by this one has work for the processors now. A run that waits for many
        activities is brought on by a few of their outcomes now and then, as long as nothing urgent comes.
        """
        if batch.patient and batch.seen and not self.local.busy:
            self._waiter.wait_for_urgent(_PATIENCE)
            return
        if len(batch.seen) >= _FEW or batch.left or batch.posted or self.local.busy:
            return
        if len(batch.handovers) > 1:
            time.sleep(min(2 * took, _MOST_GRACE))
        elif batch.seen and self._bell.listens:
            self._waiter.wait(_BREATH)

    def _look_at_clock(self) -> None:
        """Let retries and timeouts of local activities come to their right in a busy loop too."""
        if not self.local.busy:
            return
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK
            self.local.release_due()
        if now >= self._next_visit:
            self._next_visit = now + _VISIT
            self._forget_lost(self.local.runs())

    def _gather(self) -> None:
        """Wait while more local outcomes keep coming, a moment at a time."""
        until = time.monotonic() + _MOST_GRACE
        count = -1
        while self.local.busy and self.local.outcome_count > count:
            count = self.local.outcome_count
            if self.local.wait_settled(_GRACE) or time.monotonic() > until:
                return

    def _collect(self) -> None:
        for run_id, outcomes in self.local.take_outcomes().items():
            self._outcomes[run_id].extend(outcomes)

    def _wake_forgotten(self) -> None:
        """Bring on the runs that this worker owns without having under way what they wait for."""
        now = time.monotonic()
        if now < self._next_count:
            return
        # In this order: of what is over before the look, the look sees the outcome if it waits.
        under_way = self.local.under_way()
        idle = [one for one in owners.idle(self.worker_id) if one not in self._outcomes]
        forgotten = [one for one in idle if one not in under_way]
        if forgotten:
            log.warning("%d runs wait for local activities that nobody has begun", len(forgotten))
        for run_id in forgotten:
            self.local.forget(run_id)  # activities that are over, of which nobody has told
        unsure = [one for one in idle if one in under_way and one in self.turns.unsure]
        mailbox.post([(one, mailbox.WAKE, "{}") for one in (*forgotten, *unsure)], now=clock.now())
        self.turns.unsure.clear()
        self._next_count = now + settings.LEASE / 3

    def _forget_lost(self, run_ids: Iterable[uuid.UUID]) -> None:
        """Stop the local activities of runs that were closed from outside, or that others have taken over."""
        for run_id in owners.lost(run_ids, self.worker_id):
            self._outcomes.pop(run_id, None)
            self.local.forget(run_id)

    def _hand_over(self, batch: Batch) -> None:
        """Do what follows the commit. None of it is needed for correctness."""
        if batch.locals:
            self.local.submit((one.run, item.local_activities) for one, item in batch.locals)
        for run_id in batch.seen - {one.run.id for one, _ in batch.locals}:
            self.local.forget(run_id)
        if batch.handovers:
            self._dispatcher.publish(batch.handovers)
        if batch.closed or batch.answered:
            self._bell.ring_closed([*batch.closed, *batch.answered])
        if batch.posted:
            self._bell.ring_loops()

    # --- waiting ---

    def _wait(self) -> None:
        seconds = self._seconds_to_wait()
        if seconds > 0:
            self._expecting = self._waiter.wait(seconds)

    def _seconds_to_wait(self) -> float:
        longest = settings.BELL_POLL_INTERVAL if self._bell.listens else settings.POLL_INTERVAL
        timer, attempt = claims.next_due()
        now = clock.now()
        if attempt is not None and attempt <= now:
            publish_waiting(now)
            attempt = None
        waits: list[float] = [longest]
        if attempt is not None:
            waits.append((attempt - now) / _SECOND)
        if timer is not None:
            # A timer that is due and was not claimed is another worker's: do not spin for it.
            waits.append(max((timer - now) / _SECOND, _NOT_OURS))
        if self.local.busy:
            waits.append(_VISIT)
        retry = self.local.release_due()
        if retry is not None:
            waits.append(retry)
        if self._outcomes:
            waits.append(0.01)  # a sender held the run's row; it will let go at once
        return max(min(waits), 0.0)
