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
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from django.db import connections

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
from aion.core.failures import Failure, failure_from, message_of
from aion.core.retry import RetryPolicy, next_delay
from aion.operations.clock import clock
from aion.store import fencing, mailbox, owners
from aion.store.dialects import atomic
from aion.store.rows import RunRow
from aion_engine.replay.activities import LocalActivity
from aion_engine.runtime.attempts import AttemptContext, call
from aion_engine.runtime.hygiene import tidy_connections

log = logging.getLogger("aion.activities")


@dataclasses.dataclass(slots=True, eq=False)
class Job:
    """One local activity on its way."""

    run: RunRow
    activity: LocalActivity
    scheduled_at: dt.datetime
    attempt: int = 1
    started: float = 0.0  # monotonic; 0 while it waits
    context: AttemptContext | None = None
    committing: bool = False  # its transaction ends now: too late for a timeout
    doubtful: bool = False  # a commit of it raised, and may have succeeded all the same
    over: bool = (
        False  # nothing more comes of it here: its outcome is in the database, or its thread failed
    )


class LocalActivities:
    """Runs local activities for one loop; `wake` is called whenever an outcome is there."""

    def __init__(self, worker_id: uuid.UUID, *, threads: int, wake: Callable[[], None]) -> None:
        self._worker_id = worker_id
        self._wake = wake
        self._size = threads
        self._threads: list[threading.Thread] = []
        self._jobs: dict[uuid.UUID, dict[str, Job]] = {}  # by run, then by activity id
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

    def submit(self, wanted: Iterable[tuple[RunRow, dict[str, LocalActivity]]]) -> None:
        """Make it so that exactly the wanted local activities of these runs are on their way."""
        now = clock.now()
        new: list[Job] = []
        for run, activities in wanted:
            jobs = self._jobs.setdefault(run.id, {})
            for activity_id, activity in activities.items():
                if activity_id not in jobs:
                    job = jobs[activity_id] = Job(run, activity, now)
                    new.append(job)
            if len(jobs) > len(activities):
                for activity_id in [one for one in jobs if one not in activities]:
                    _stop(jobs.pop(activity_id), "cancelled")
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
        found: dict[uuid.UUID, list[ActivityOutcome]] = {}
        outcomes = self._outcomes
        while outcomes:
            job, outcome = outcomes.popleft()
            run_id, activity_id = job.run.id, job.activity.activity_id
            jobs = self._jobs.get(run_id)
            if jobs is not None and jobs.get(activity_id) is job:
                del jobs[activity_id]
                found.setdefault(run_id, []).append(outcome)
        return found

    def _is_current(self, job: Job) -> bool:
        return self._jobs.get(job.run.id, {}).get(job.activity.activity_id) is job

    def forget(self, run_id: uuid.UUID) -> None:
        """Stop caring for a run's local activities: it closed, or another worker has it."""
        for job in self._jobs.pop(run_id, {}).values():
            _stop(job, "cancelled")

    def _all_jobs(self) -> list[Job]:
        return [job for jobs in list(self._jobs.values()) for job in list(jobs.values())]

    def runs(self) -> list[uuid.UUID]:
        """Give the runs of which local activities are known: on their way, or not yet known to be folded."""
        return [run_id for run_id, jobs in self._jobs.items() if jobs]

    def under_way(self) -> set[uuid.UUID]:
        """Give the runs that a local activity will bring on."""
        return {job.run.id for job in self._all_jobs() if not job.over}

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
        """Run retries that are due and give up attempts that are over time.

        Gives the seconds until the next such moment. Looks at every job, so call it when idle.
        """
        self._expire()
        now = clock.monotonic()
        due = []
        while self._retries and self._retries[0][0] <= now:
            due.append(heapq.heappop(self._retries)[2])
        self._put([job for job in due if self._is_current(job)])
        waits = [self._retries[0][0] - now] if self._retries else []
        limits = (self._time_left(job, now) for job in self._all_jobs())
        waits.extend(limit for limit in limits if limit is not None)
        return max(min(waits), 0.0) if waits else None

    def stop(self, timeout: float) -> None:
        """Take no more work, tell what runs to stop, and wait for it a while."""
        with self._lock:
            self._stopping = True
            self._queue.clear()
            self._lock.notify_all()
        for job in self._all_jobs():
            _stop(job, "shutdown")
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))

    # --- timeouts ---

    def _time_left(self, job: Job, now: float) -> float | None:
        limit = job.activity.options.start_to_close_timeout
        if limit is None or not job.started or job.over:
            return None
        return job.started + limit.total_seconds() - now

    def _expire(self) -> None:
        now = clock.monotonic()
        for job in self._all_jobs():
            left = self._time_left(job, now)
            if left is not None and left <= 0:
                fresh = dataclasses.replace(job, context=None, started=0.0)
                if not self._replace(job, fresh):
                    continue
                _stop(job, "timed out")
                error = AionTimeoutError(
                    f"Local activity {job.activity.activity_type} passed its start_to_close timeout",
                    kind="start_to_close",
                )
                self._failed(fresh, failure_from(error), timed_out=True)

    def _replace(self, job: Job, fresh: Job) -> bool:
        """Put another try in a job's place, unless the job's transaction is about to commit."""
        with self._lock:
            if job.committing or not self._is_current(job):
                return False
            self._jobs[job.run.id][job.activity.activity_id] = fresh
            return True

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
                except BaseException:
                    job.over = True
                    log.exception(
                        "Local activity %s: the engine failed", job.activity.activity_type
                    )
                finally:
                    with self._lock:
                        self._busy -= 1
                        if not self._busy:
                            self._settled.set()
        finally:
            connections.close_all()

    def _run(self, job: Job) -> None:
        try:
            outcome = self._attempt(job)
        except StaleAttempt as stale:
            log.warning("%s", stale)
            self._let_go(job)
        except BaseException as error:  # noqa: BLE001  # whatever the activity raises is its failure
            self._raised(job, error)
        else:
            if outcome is not None:
                self._put_outcome(job, outcome)

    def _attempt(self, job: Job) -> ActivityOutcome | None:
        """Call the function; give its outcome, None where that is in the database."""
        activity = registry.activity(job.activity.activity_type)
        job.context = AttemptContext(_info(job))
        job.started = clock.monotonic()
        try:
            if activity.transactional:
                self._run_transactional(activity, job)
                return None
            return self._completed(activity, job)
        finally:
            self._tidy()

    def _tidy(self) -> None:
        tidy_connections()

    def _raised(self, job: Job, error: BaseException) -> None:
        reason = job.context.cancel_reason if job.context is not None else None
        if reason == "shutdown":
            self._let_go(job)  # the next worker runs it again
        elif reason is not None and isinstance(error, CancelledError):
            self._put_outcome(job, ActivityCancelled(reason=reason, **_ids(job)))
        elif isinstance(error, Exception):
            self._failed(job, failure_from(error))
        else:
            text = f"the activity raised {type(error).__name__} {message_of(error)}".rstrip()
            self._failed(job, failure_from(RuntimeError(text)))

    def _let_go(self, job: Job) -> None:
        """Forget a job without an outcome, so that whoever has the run next can submit it again."""
        with self._lock:
            if self._is_current(job):
                del self._jobs[job.run.id][job.activity.activity_id]

    def _completed(self, activity: Activity[Any, Any], job: Job) -> ActivityCompleted:
        what = f"activity {job.activity.activity_type}"
        assert job.context is not None  # noqa: S101  # set by _run
        result = call(activity, msgspec.Raw(job.activity.input), job.context, what=what)
        data = activity.signature.encode_result(result, what=what)
        return ActivityCompleted(result=msgspec.Raw(data), **_ids(job))

    def _run_transactional(self, activity: Activity[Any, Any], job: Job) -> None:
        """The function's own writes, the fence and the outcome: one commit.

        The job stays known until a turn has folded the message, or it could be submitted a second time.
        """
        if job.doubtful and self._is_recorded(job):
            job.over = True
            self._wake()
            return
        with atomic():
            fencing.belong_to_for_now(
                self._worker_id
            )  # if this worker hangs here, the tick ends it
            outcome = self._completed(activity, job)
            owners.check(job.run.id, self._worker_id)
            with self._lock:
                if not self._is_current(job):
                    raise StaleAttempt(f"Local activity {activity.name} was given up meanwhile")
                job.committing = True
            mailbox.post([mailbox.message(job.run.id, outcome)], now=clock.now())
        job.over = True
        self._wake()

    def _is_recorded(self, job: Job) -> bool:
        """Tell whether the commit that broke off has written the outcome. It may still be on its way."""
        with atomic():
            job.committing = owners.is_recorded(job.run.id, job.activity.activity_id)
        return job.committing

    def _put_outcome(self, job: Job, outcome: ActivityOutcome) -> None:
        job.started = 0.0
        self._outcomes.append((job, outcome))
        self._wake()

    def _failed(self, job: Job, failure: Failure, *, timed_out: bool = False) -> None:
        job.doubtful = job.doubtful or job.committing
        job.committing = False  # a commit that failed is a failed try
        policy = job.activity.options.retry or RetryPolicy()
        seed = f"{job.run.id}:{job.activity.activity_id}"
        delay = next_delay(policy, attempt=job.attempt, failure=failure, seed=seed)
        if delay is not None and self._fits(job, delay):
            job.attempt += 1
            job.started = 0.0
            due = clock.monotonic() + delay.total_seconds()
            heapq.heappush(self._retries, (due, next(self._numbers), job))
            self._wake()
            return
        kind = ActivityTimedOut if timed_out else ActivityFailed
        self._put_outcome(job, kind(failure=failure, **_ids(job)))

    def _fits(self, job: Job, delay: dt.timedelta) -> bool:
        limit = job.activity.options.schedule_to_close_timeout
        return limit is None or clock.now() + delay < job.scheduled_at + limit


def _stop(job: Job, reason: str) -> None:
    if job.context is not None:
        job.context.stop(reason)


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
        schedule_to_close_timeout=options.schedule_to_close_timeout,
        retry=options.retry,
        headers=dict(job.activity.headers),
    )
