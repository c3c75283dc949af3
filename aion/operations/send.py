"""Posts an event to an open run: what signal and cancel share."""

from __future__ import annotations

import uuid

from aion.core.errors import RunClosed
from aion.core.events import Event
from aion.operations import bell
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.target import can_be_found, lock_open, parse_run_id
from aion.store import mailbox, requests
from aion.store.dialects import atomic, in_transaction


def send(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    event: Event,
    *,
    request_id: str = "",
) -> uuid.UUID:
    """Put an event into a run's mailbox and give the run's id.

    The run's lock is held while the message is posted, so the message either comes before the close,
    and is folded, or the caller hears that the run is closed. A request id that the run has taken before, or
    one that it goes on for, changes nothing.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        InvalidArgument: the request id cannot be stored.
    """
    check_text("request_id", request_id)
    sent = None if request_id else _send_at_once(workflow_id, run_id, event)
    if sent is not None:
        return sent
    with atomic():
        try:
            run = lock_open(workflow_id, run_id)
        except RunClosed as closed:
            if request_id and requests.is_taken(closed.run_id, closed.workflow_id, request_id):
                return closed.run_id  # it took this very message before it closed
            raise
        if request_id and not requests.take(run, request_id):
            return run.id
        mailbox.post([mailbox.message(run.id, event)], now=clock.now())
        bell.ring_loops_after_commit()
    return run.id


def _send_at_once(
    workflow_id: str | None, run_id: uuid.UUID | str | None, event: Event
) -> uuid.UUID | None:
    """Send by the one statement that it is where nothing stands around it; None where it takes more."""
    if in_transaction() or not can_be_found(workflow_id, run_id):
        return None
    found = mailbox.try_send(
        event,
        workflow_id=workflow_id,
        run_id=None if run_id is None else parse_run_id(run_id),
        now=clock.now(),
    )
    if found is not None:
        bell.ring_loops_after_commit()
    return found
