"""Runs one claimed attempt of a remote activity and settles it.

Theory of operation
-------------------
The attempt was claimed, so the row names this worker and attempt. The function runs outside of any
transaction. Then exactly one of these happens, each in one transaction and each fenced by the row:

* it returned: the result is posted and the row deleted;
* it raised: the policy gives the next attempt, or the failure is posted;
* it asked to be completed from elsewhere: the row stays, without an owner;
* it stopped because it was told to: the cancellation is posted. When it was told because it had *lost* the
  row, there is nothing to post; when the worker shuts down, or an operator has paused or reset the activity,
  the row goes back to be begun again, and the attempt does not count.

A *transactional* activity runs inside one transaction together with its outcome. When the fence fails there,
the error rolls the function's own writes back: they happen exactly once, with the outcome that counts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from aion.authoring.activity import CompleteAsync
from aion.authoring.activity_definition import Activity
from aion.authoring.context import ActivityInfo
from aion.authoring.registry import registry
from aion.core.errors import CancelledError, PayloadStorageError, PayloadUnavailable, StaleAttempt
from aion.core.failures import Failure, failure_from, message_of
from aion.operations import activity_outcome
from aion.operations.clock import clock
from aion.operations.complete_activity import make_token
from aion.store import activities, activity_limits, fencing
from aion.store.attempts import Attempt, opened
from aion.store.dialects import atomic, connection
from aion.store.finishing import Successor
from aion.store.reconnecting import CONNECTION_ERRORS
from aion.store.workers import WorkerIdentity
from aion_engine.runtime.attempts import AttemptContext, call

log = logging.getLogger("aion.activities")

T = TypeVar("T")


@dataclasses.dataclass(slots=True)
class Running:
    """An attempt that runs in this process."""

    attempt: Attempt
    context: AttemptContext
    begun: float = dataclasses.field(default_factory=time.monotonic)  # after its claim
    worked: float = 0.0  # seconds that the function took, when it has returned


def begin(
    task_id: uuid.UUID, number: int, worker: WorkerIdentity, row: Attempt | None = None
) -> Running | None:
    """Claim an attempt; None when there is nothing to be begun. A `row` read a moment ago saves a look.

    An attempt whose payloads cannot be decoded or fetched has failed: the policy says what then.
    """
    return _begun(persistently(_Claim(task_id, number, worker, clock.now(), row)), worker)


def begin_all(rows: Sequence[Attempt], worker: WorkerIdentity) -> list[Running]:
    """Claim attempts whose rows were read a moment ago, all at once where their queues have no limits."""
    free: list[Attempt] = []
    limited: list[Attempt] = []
    for row in rows:
        (limited if activity_limits.apply_to(row.task_queue) else free).append(row)
    claimed = persistently(_ClaimOfAll(free, worker, clock.now())) if free else []
    found = [_begun(attempt, worker) for attempt in claimed]
    found += [begin(row.id, row.attempt, worker) for row in limited]
    return [running for running in found if running is not None]


def _begun(attempt: Attempt | None, worker: WorkerIdentity) -> Running | None:
    if attempt is None:
        return None
    try:
        attempt = opened(attempt)
    except PayloadUnavailable as error:
        blank = msgspec.structs.replace(attempt, heartbeat_details="[]")
        _failed(Running(blank, AttemptContext(info_of(blank))), error, worker)
        return None
    return Running(attempt, AttemptContext(info_of(attempt), beat_of(attempt)))


@dataclasses.dataclass(slots=True)
class _Claim:
    """A claim that may be made again: if its answer was lost, nobody else would begin the attempt."""

    task_id: uuid.UUID
    number: int
    worker: WorkerIdentity
    now: dt.datetime
    row: Attempt | None = None
    again: bool = False

    def __call__(self) -> Attempt | None:
        again, self.again = self.again, True
        return activities.claim_attempt(
            self.task_id,
            self.number,
            owner_id=self.worker.id,
            pid=os.getpid(),
            now=self.now,
            again=again,
            row=self.row,
        )


@dataclasses.dataclass(slots=True)
class _ClaimOfAll:
    """The same for several."""

    rows: Sequence[Attempt]
    worker: WorkerIdentity
    now: dt.datetime
    again: bool = False

    def __call__(self) -> list[Attempt]:
        again, self.again = self.again, True
        return activities.begin_all(
            self.rows, owner_id=self.worker.id, pid=os.getpid(), now=self.now, again=again
        )


def beat_of(attempt: Attempt) -> Callable[[str], str | None]:
    """Give the function that records heartbeats of an attempt. A lost connection costs one of them."""

    def beat(details: str) -> str | None:
        try:
            return activities.heartbeat(attempt, details, now=clock.now())
        except CONNECTION_ERRORS as error:
            if connection().in_atomic_block:
                raise  # the activity's own transaction is lost with it
            log.warning("A heartbeat of activity %s was lost: %s", attempt.id, error)
            connection().close()
            return None

    return beat


def info_of(attempt: Attempt) -> ActivityInfo:
    """Describe an attempt to its own code."""
    order = attempt.order
    return ActivityInfo(
        activity_id=order.activity_id,
        activity_type=order.activity_type,
        attempt=attempt.number,
        workflow_id=attempt.workflow_id,
        run_id=str(attempt.run_id),
        workflow_type=attempt.workflow_type,
        task_queue=attempt.task_queue,
        scheduled_at=attempt.scheduled_at,
        started_at=attempt.started_at,
        start_to_close_timeout=order.start_to_close_timeout,
        schedule_to_close_timeout=order.schedule_to_close_timeout,
        heartbeat_timeout=order.heartbeat_timeout,
        retry=order.retry,
        heartbeat_details=tuple(msgspec.json.decode(attempt.heartbeat_details)),
        task_token=make_token(attempt.id, attempt.attempt),
        headers=dict(order.headers),
    )


def run(
    running: Running,
    worker: WorkerIdentity,
    body: Callable[[], Any] | None = None,
    next_up: Callable[[], Attempt | None] = lambda: None,
) -> Running | None:
    """Run a claimed attempt to its outcome. Never raises for what the activity's code does.

    `body` gives the result in place of the registered function, with the arguments already bound. `next_up`
    is asked, when there is a result, for the row of an attempt that may begin in the same breath; it is
    given if it has.
    """
    following = _Following(next_up, worker)
    _run(running, worker, body, following)
    return following.begun()


class _Following:
    """The attempt behind another: chosen when that has its result, and begun along with it if possible."""

    def __init__(self, next_up: Callable[[], Attempt | None], worker: WorkerIdentity) -> None:
        self._next_up = next_up
        self._worker = worker
        self._successor: Successor | None = None
        self._asked = False

    def once(self) -> Successor | None:
        """Choose it. A second try to settle does not begin it again: the first may have."""
        if self._asked:
            return None
        self._asked = True
        row = self._next_up()
        if row is not None:
            self._successor = Successor(row, self._worker.id, os.getpid(), clock.now())
        return self._successor

    def begun(self) -> Running | None:
        """Give what was chosen, claimed on its own where it did not begin, or nobody knows."""
        found = self._successor
        if found is None:
            return None
        if found.begun:
            return _begun(found.row, self._worker)
        claim = _Claim(found.row.id, found.row.attempt, self._worker, found.at, again=True)
        return _begun(persistently(claim), self._worker)


def _run(
    running: Running,
    worker: WorkerIdentity,
    body: Callable[[], Any] | None,
    following: _Following,
) -> None:
    attempt = running.attempt
    try:
        activity = registry.activity(attempt.order.activity_type)
        if activity.transactional:
            with atomic():
                fencing.belong_to_for_now(worker.id)
                _run_and_complete(activity, running, worker, body, following)
        else:
            _run_and_complete(activity, running, worker, body, following)
    except StaleAttempt as error:
        log.warning("%s", error)
    except CompleteAsync:
        _settle(running, partial(activities.open_for_completion, attempt))
    except CancelledError as error:
        _stopped(running, error, worker)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the activity raises is its failure
        _failed(running, error, worker)
    except BaseException as error:  # noqa: BLE001  # sys.exit() ends an attempt, not its worker
        text = f"the activity raised {type(error).__name__} {message_of(error)}".rstrip()
        _failed(running, RuntimeError(text), worker)


def _run_and_complete(
    activity: Activity[Any, Any],
    running: Running,
    worker: WorkerIdentity,
    body: Callable[[], Any] | None,
    following: _Following,
) -> None:
    what = f"activity {activity.name}"
    if body is None:
        result = call(activity, running.attempt.order.input, running.context, what=what)
    else:
        result = body()
    running.worked = time.monotonic() - running.begun
    data = activity.signature.encode_result(result, what=what)
    settle = partial(activity_outcome.complete, running.attempt, data, worker=worker.name)
    if activity.transactional:
        settle()
    else:
        persistently(lambda: settle(successor=following.once()))


HANDED_BACK: Final = ("shutdown", "paused", "reset")


def _stopped(running: Running, error: BaseException, worker: WorkerIdentity) -> None:
    reason = running.context.cancel_reason
    if reason == "cancelled":
        _settle(
            running, lambda: activity_outcome.confirm_cancel(running.attempt, worker=worker.name)
        )
    elif reason in HANDED_BACK:
        _settle(running, lambda: activities.hand_back(running.attempt, now=clock.now()))
    elif reason in ("lost", "timed out"):
        log.info("Activity %s stopped: its lease was lost", running.context.info.activity_id)
    else:
        _failed(
            running,
            RuntimeError(reason or message_of(error) or "the activity cancelled itself"),
            worker,
        )


def _failed(running: Running, error: BaseException, worker: WorkerIdentity) -> None:
    def settle(failure: Failure) -> None:
        _flush(running)
        again = activity_outcome.fail(running.attempt, failure, worker=worker.name, error=error)
        log.log(
            logging.INFO if getattr(error, "benign", False) else logging.WARNING,
            "Activity %s failed at attempt %d (%s): %s: %s",
            running.context.info.activity_type,
            running.attempt.number,
            "will be tried again" if again else "no further attempt",
            type(error).__name__,
            message_of(error),
            extra={"run_id": running.context.info.run_id},
        )

    failure = failure_from(error)
    try:
        _settle(running, partial(settle, failure))
    except PayloadUnavailable as unavailable:
        log.exception("What activity %s raised cannot be written", running.attempt.id)
        # What cannot be encoded is left out, and the type says so: nobody may take it for the error itself.
        bare = Failure(type=unavailable.code, message="", non_retryable=failure.non_retryable)
        _settle(running, partial(settle, bare))


def _flush(running: Running) -> None:
    """Write the last heartbeat details; an attempt that has failed does not fail again for them."""
    try:
        running.context.flush()
    except PayloadUnavailable as error:
        log.warning("The last heartbeat of activity %s is lost: %s", running.attempt.id, error)


def _settle(running: Running, settle: Callable[[], Any]) -> None:
    try:
        persistently(settle)
    except StaleAttempt as stale:
        log.warning("%s", stale)


def persistently(action: Callable[[], T]) -> T:
    """Do something on the database, again if the connection breaks: work that is done must be recorded.

    Doing it twice is safe: the fence of the first success makes the second a `StaleAttempt`, or a claim
    the same again.

    Raises:
        DatabaseError: it still fails after half a minute; the attempt is given up then, and may run again.
        PayloadStorageError: so does the storage of large payloads; the attempt has failed then.
        StaleAttempt: the attempt is no longer the current one.
    """
    for pause in _PAUSES:
        try:
            return action()
        except PayloadStorageError as error:
            log.warning("An outcome could not be stored, once more in %.1f s: %s", pause, error)
            time.sleep(pause)
        except CONNECTION_ERRORS as error:
            log.warning("An outcome could not be written, once more in %.1f s: %s", pause, error)
            connection().close()
            time.sleep(pause)
    return action()


_PAUSES: Final = (0.1, 0.3, 1.0, 2.0, *[4.0] * 6)  # seconds: a restart of the database takes some
