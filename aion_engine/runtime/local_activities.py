"""Local activities: a small thread pool inside the worker that owns the run.

Theory of operation
-------------------
The loop submits local activities after the commit that asked for them. Threads take them from one queue and
put outcomes into another; the loop folds all outcomes that are there at once, many runs in one commit (group
commit). Nothing is written between: if the process dies, the run's next owner finds the activity pending in
replay and runs it again, so local activities run at least once, like all others.

A *transactional* local activity writes its outcome into the mailbox inside its own transaction, fenced by
the ownership of the run: exactly once. Its outcome reaches the run as a message.

Retries wait in memory. An attempt that passes its start-to-close timeout is given up, though its thread
cannot be stopped; a late outcome of it is ignored.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import itertools
import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from django.db import close_old_connections, connections

from aion.authoring.activity_definition import Activity
from aion.authoring.context import ActivityInfo
from aion.authoring.registry import registry
from aion.core.errors import CancelledError, StaleAttempt
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivityTimedOut,
)
from aion.core.failures import Failure, failure_from
from aion.core.retry import RetryPolicy, next_delay
from aion.operations.clock import clock
from aion.store import mailbox, owners
from aion.store.dialects import atomic
from aion.store.rows import RunRow
from aion_engine.replay.activities import LocalActivity
from aion_engine.runtime.attempts import AttemptContext, call

log = logging.getLogger("aion.activities")

Key = tuple[uuid.UUID, str]


@dataclasses.dataclass(slots=True, eq=False)
class Job:
    """One local activity on its way."""

    run: RunRow
    activity: LocalActivity
    scheduled_at: dt.datetime
    attempt: int = 1
    started: float = 0.0  # monotonic; 0 while it waits
    context: AttemptContext | None = None

    @property
    def key(self) -> Key:
        """Which activity of which run this is."""
        return self.run.id, self.activity.activity_id


class LocalActivities:
    """Runs local activities for one loop; `wake` is called whenever an outcome is there."""

    def __init__(self, worker_id: uuid.UUID, *, threads: int, wake: Callable[[], None]) -> None:
        self._worker_id = worker_id
        self._wake = wake
        self._size = threads
        self._threads: list[threading.Thread] = []
        self._jobs: dict[Key, Job] = {}
        self._outcomes: deque[tuple[Job, ActivityOutcome]] = deque()
        self._retries: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()
        self._queue: deque[Job] = deque()
        self._lock = threading.Condition()
        self._idle_threads = 0
        self._busy = 0  # queued or running, guarded by the lock
        self._settled = threading.Event()
        self._stopping = False

    # --- the loop's side ---

    def submit(self, run: RunRow, wanted: Iterable[LocalActivity]) -> None:
        """Run those of a run's pending local activities that are not on their way already."""
        new = [
            Job(run, activity, clock.now())
            for activity in wanted
            if (run.id, activity.activity_id) not in self._jobs
        ]
        for job in new:
            self._jobs[job.key] = job
        self._put(new)

    def _put(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        with self._lock:
            self._queue.extend(jobs)
            self._busy += len(jobs)
            self._settled.clear()
            wanted = min(len(self._queue), self._size) - self._idle_threads
            for _ in range(min(wanted, self._size - len(self._threads))):
                thread = threading.Thread(target=self._work, name="aion-local", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._lock.notify(len(jobs))

    def take_outcomes(self) -> dict[uuid.UUID, list[ActivityOutcome]]:
        """Give the outcomes that are there, by run, in the order of their arrival."""
        self._expire()
        found: dict[uuid.UUID, list[ActivityOutcome]] = defaultdict(list)
        while self._outcomes:
            job, outcome = self._outcomes.popleft()
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]
                found[job.run.id].append(outcome)
        return found

    def forget(self, run_id: uuid.UUID) -> None:
        """Stop caring for a run's local activities: it closed, or another worker has it."""
        for key in [key for key in self._jobs if key[0] == run_id]:
            job = self._jobs.pop(key)
            if job.context is not None:
                job.context.stop("cancelled")

    def keep_only(self, run_id: uuid.UUID, wanted: Iterable[str]) -> None:
        """Tell those that the workflow no longer waits for to stop."""
        ids = set(wanted)
        for key in [key for key in self._jobs if key[0] == run_id and key[1] not in ids]:
            job = self._jobs.pop(key)
            if job.context is not None:
                job.context.stop("cancelled")

    @property
    def busy(self) -> bool:
        """Whether anything is queued or running."""
        return self._busy > 0

    def wait_settled(self, timeout: float) -> bool:
        """Wait until nothing is queued or running any more."""
        return self._settled.wait(timeout)

    @property
    def outcome_count(self) -> int:
        """How many outcomes wait to be folded."""
        return len(self._outcomes)

    def release_due(self) -> float | None:
        """Run retries that are due; give the seconds until the next thing to look at."""
        now = time.monotonic()
        due = []
        while self._retries and self._retries[0][0] <= now:
            due.append(heapq.heappop(self._retries)[2])
        self._put([job for job in due if self._jobs.get(job.key) is job])
        waits = [self._retries[0][0] - now] if self._retries else []
        limits = (self._time_left(job, now) for job in list(self._jobs.values()))
        waits.extend(limit for limit in limits if limit is not None)
        return max(min(waits), 0.0) if waits else None

    def stop(self, timeout: float) -> None:
        """Take no more work, tell what runs to stop, and wait for it a while."""
        with self._lock:
            self._stopping = True
            self._queue.clear()
            self._lock.notify_all()
        for job in list(self._jobs.values()):
            if job.context is not None:
                job.context.stop("shutdown")
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    # --- timeouts ---

    def _time_left(self, job: Job, now: float) -> float | None:
        limit = job.activity.options.start_to_close_timeout
        if limit is None or not job.started:
            return None
        return job.started + limit.total_seconds() - now

    def _expire(self) -> None:
        now = time.monotonic()
        for job in list(self._jobs.values()):
            left = self._time_left(job, now)
            if left is not None and left <= 0:
                job.started = 0.0
                if job.context is not None:
                    job.context.stop("timed out")
                fresh = dataclasses.replace(job, context=None)
                self._jobs[job.key] = fresh
                error = AionTimeoutError(
                    f"Local activity {job.activity.activity_type} passed its start_to_close timeout",
                    kind="start_to_close",
                )
                self._failed(fresh, failure_from(error), timed_out=True)

    # --- the threads' side ---

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    self._idle_threads += 1
                    while not self._queue and not self._stopping:
                        self._lock.wait()
                    self._idle_threads -= 1
                    if self._stopping:
                        return
                    job = self._queue.popleft()
                try:
                    self._run(job)
                except Exception:
                    log.exception("Local activity %s: the engine failed", job.activity.activity_type)
                finally:
                    with self._lock:
                        self._busy -= 1
                        if not self._busy:
                            self._settled.set()
        finally:
            connections.close_all()

    def _run(self, job: Job) -> None:
        activity = None
        try:
            activity = registry.activity(job.activity.activity_type)
            job.context = AttemptContext(_info(job))
            job.started = time.monotonic()
            if activity.transactional:
                self._run_transactional(activity, job)
                return
            outcome = self._completed(activity, job)
        except StaleAttempt as stale:
            log.warning("%s", stale)
            return
        except CancelledError as error:
            self._put_outcome(job, ActivityCancelled(reason=str(error), **_ids(job)))
            return
        except Exception as error:
            self._failed(job, failure_from(error))
            return
        finally:
            if activity is not None:
                close_old_connections()
        self._put_outcome(job, outcome)

    def _completed(self, activity: Activity[Any, Any], job: Job) -> ActivityCompleted:
        what = f"activity {job.activity.activity_type}"
        assert job.context is not None  # noqa: S101  # set by _run
        result = call(activity, msgspec.Raw(job.activity.input), job.context, what=what)
        data = activity.signature.encode_result(result, what=what)
        return ActivityCompleted(result=msgspec.Raw(data), **_ids(job))

    def _run_transactional(self, activity: Activity[Any, Any], job: Job) -> None:
        """The function's own writes, the fence and the outcome: one commit."""
        with atomic():
            outcome = self._completed(activity, job)
            owners.check(job.run.id, self._worker_id)
            mailbox.post([mailbox.message(job.run.id, outcome)], now=clock.now())
        self._jobs.pop(job.key, None)
        self._wake()

    def _put_outcome(self, job: Job, outcome: ActivityOutcome) -> None:
        job.started = 0.0
        self._outcomes.append((job, outcome))
        self._wake()

    def _failed(self, job: Job, failure: Failure, *, timed_out: bool = False) -> None:
        policy = job.activity.options.retry or RetryPolicy()
        seed = f"{job.run.id}:{job.activity.activity_id}"
        delay = next_delay(policy, attempt=job.attempt, failure=failure, seed=seed)
        if delay is not None and self._fits(job, delay):
            job.attempt += 1
            job.started = 0.0
            due = time.monotonic() + delay.total_seconds()
            heapq.heappush(self._retries, (due, next(self._numbers), job))
            self._wake()
            return
        kind = ActivityTimedOut if timed_out else ActivityFailed
        self._put_outcome(job, kind(failure=failure, **_ids(job)))

    def _fits(self, job: Job, delay: dt.timedelta) -> bool:
        limit = job.activity.options.schedule_to_close_timeout
        return limit is None or clock.now() + delay < job.scheduled_at + limit


def _ids(job: Job) -> dict[str, Any]:
    return {
        "activity_id": job.activity.activity_id,
        "activity_type": job.activity.activity_type,
        "attempt": job.attempt,
        "local": True,
    }


def _info(job: Job) -> ActivityInfo:
    options = job.activity.options
    return ActivityInfo(
        activity_id=job.activity.activity_id,
        activity_type=job.activity.activity_type,
        attempt=job.attempt,
        workflow_id=job.run.workflow_id,
        run_id=str(job.run.id),
        workflow_type=job.run.workflow_type,
        task_queue=job.run.task_queue,
        is_local=True,
        scheduled_at=job.scheduled_at,
        started_at=clock.now(),
        start_to_close_timeout=options.start_to_close_timeout,
        retry=options.retry,
    )

