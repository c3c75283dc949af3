"""Reset a run: a new run goes on from a copy of its history up to an event.

The old run is terminated if it is open. What the copied part of the history waits for is asked for again
under the new run: activities run again, timers keep their times. Signals that came later can be sent to the
new run again.
"""

from __future__ import annotations

import uuid

import msgspec

from aion.core.errors import InvalidArgument, RunNotFound
from aion.core.events import SignalReceived
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.pending import effective, group_ends, pending_work
from aion.operations import bell, terminate
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.target import find
from aion.store import claims, histories, lifecycle, mailbox
from aion.store.dialects import atomic
from aion.store.rows import RunRow


def reset(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None = None,
    *,
    to_seq: int,
    reason: str = "",
    reapply_signals: bool = True,
) -> uuid.UUID:
    """Go on from event `to_seq` of a run's history as a new run of the same workflow id; give its id.

    `to_seq` is the last event to keep and ends what one arrival caused; the error lists where that is.

    Raises:
        RunNotFound: there is no such run.
        InvalidArgument: history cannot be cut there.
        WrongState: the workflow id has another open run.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = claims.lock_run(find(workflow_id, run_id).id)
        if run is None:
            raise RunNotFound(f"Run {run_id} was deleted", workflow_id=workflow_id, run_id=run_id)
        history = effective(histories.load_one(run.id))
        kept = _cut(history, to_seq)
        if not run.closed:
            terminate.terminate(run.workflow_id, run.id, reason=reason or "reset")
            run = claims.lock_run(run.id) or run
        lifecycle.require_no_open_run(run.workflow_id)
        new_id = _copy(run, kept)
        if reapply_signals:
            _send_again(new_id, history[len(kept) :])
        bell.ring_loops_after_commit()
    return new_id


def _cut(history: list[Recorded], to_seq: int) -> list[Recorded]:
    ends = [*group_ends(history)]
    if to_seq not in ends:
        places = ", ".join(map(str, ends[-20:])) or "none"
        raise InvalidArgument(
            f"to_seq {to_seq} does not end what one arrival caused; it can be one of: {places}",
            field="to_seq",
        )
    return [recorded for recorded in history if recorded.seq <= to_seq]


def _copy(run: RunRow, kept: list[Recorded]) -> uuid.UUID:
    """Write the new run: its events follow the chain's, so that all of it still reads as one history."""
    new_id, now = uuid7(), clock.now()
    first = run.head_seq + 1
    renumbered = [
        Recorded(first + offset, recorded.recorded_at, recorded.event)
        for offset, recorded in enumerate(kept)
    ]
    lifecycle.copy_as(run.id, new_id, head_seq=first - 1, first_seq=first, now=now)
    histories.append(new_id, renumbered, expected_seq=first - 1)
    lifecycle.arm(new_id, pending_work(kept), task_queue=run.task_queue, now=now)
    mailbox.post([(new_id, mailbox.WAKE, "{}")], now=now)
    return new_id


def _send_again(run_id: uuid.UUID, dropped: list[Recorded]) -> None:
    signals = [
        msgspec.structs.replace(recorded.event, sender_run_id="", sender_request_id="")
        for recorded in dropped
        if isinstance(recorded.event, SignalReceived)
    ]
    mailbox.post([mailbox.message(run_id, signal) for signal in signals], now=clock.now())
