"""Wait for a run's result.

The waiter listens first and looks then, so a close between the two is not missed. With a bell that really
rings (Redis, PostgreSQL) it sleeps until the ring, and looks again now and then in case one was lost;
without one it looks more and more rarely.
"""

from __future__ import annotations

import uuid
from typing import Final

from aion.core.errors import ResultTimeout, RunNotFound, WorkflowFailureError
from aion.core.failures import decode_failure, exception_from
from aion.core.ports import Waiter
from aion.core.status import RunStatus
from aion.operations.bell import the_bell, wait
from aion.operations.clock import clock
from aion.store import histories, runs
from aion.store.reconnecting import persistently
from aion.store.sealing import plain_failure, plain_payload

_FIRST_LOOK: Final = 0.002  # seconds; a trivial run takes a few milliseconds
_A_MOMENT: Final = 0.003  # in it a new run is more likely to ring than to be found closed
_LAST_LOOK: Final = 0.5
_LOST_RING: Final = 2.0


def result(
    run_id: uuid.UUID, *, timeout: float | None = None, follow: bool = True, is_new: bool = False
) -> bytes:
    """Give the encoded result of a run, waiting at most `timeout` seconds for it.

    With `follow`, a run that continued as new, is tried again or was reset is followed to the last of its
    chain. The next run of a cron chain is not: each has a result of its own. One that `is_new` has hardly
    ended yet: there is no look before somebody listens.

    Raises:
        WorkflowFailureError: it did not complete; `cause` says why.
        ResultTimeout: it did not end in time.
        RunNotFound: there is no such run.
        PayloadUnavailable: the result cannot be decoded or fetched.
    """
    limit = None if timeout is None else clock.monotonic() + timeout
    while True:
        status, outcome, failure, successor_id = _wait_closed(run_id, limit, listen_first=is_new)
        if follow and successor_id is not None and not _is_next_of_cron(successor_id, run_id):
            run_id, is_new = successor_id, False
            continue
        if status is RunStatus.COMPLETED:
            return plain_payload(outcome or "null", run_id).encode()
        raise _failure(run_id, status, failure)


def _is_next_of_cron(run_id: uuid.UUID, before: uuid.UUID) -> bool:
    """Tell whether a run is for the cron time behind another's; a copy by a reset is for the same."""
    started = histories.first_event(run_id)
    if started is None or started.initiator != "cron":
        return False
    return started.continued_from_run_id == str(before)


def _wait_closed(run_id: uuid.UUID, limit: float | None, *, listen_first: bool) -> runs.RunState:
    waiter: Waiter | None = None
    pause = _FIRST_LOOK
    try:
        if listen_first and the_bell().listens:
            waiter = the_bell().result_waiter(run_id)
            wait(waiter, _A_MOMENT, limit and limit - clock.monotonic())
        while True:
            found = persistently(lambda: runs.state(run_id))
            if found is None:
                raise RunNotFound(f"No run has run id {run_id}", run_id=run_id)
            if not found.status.is_open:
                return found
            left = None if limit is None else limit - clock.monotonic()
            if left is not None and left <= 0:
                raise ResultTimeout(f"Run {run_id} has not ended yet; it goes on", run_id=run_id)
            if waiter is None:
                waiter = the_bell().result_waiter(run_id)
                if the_bell().listens:
                    continue  # look once more: it may have closed before anybody listened
            pause = _LOST_RING if the_bell().listens else min(pause * 1.5, _LAST_LOOK)
            wait(waiter, pause, left)
    finally:
        if waiter is not None:
            waiter.close()


def _failure(run_id: uuid.UUID, status: RunStatus, failure: str | None) -> WorkflowFailureError:
    run = runs.get(run_id)
    workflow_id = run.workflow_id if run else ""
    cause = None
    if failure:
        cause = exception_from(decode_failure(plain_failure(failure, run_id).encode()))
    because = f": {cause}" if cause is not None and str(cause) else ""
    error = WorkflowFailureError(
        f"Workflow {workflow_id!r} ended {status}{because}",
        workflow_id=workflow_id,
        run_id=str(run_id),
    )
    error.__cause__ = cause
    return error
