"""Reset a run: a new run goes on from a copy of its history up to an event.

The old run is terminated if it is open. What the copied part of the history waits for is asked for again
under the new run: activities run again, timers keep their times, open children report to it. Signals that
came later can be sent to the new run again.
"""

from __future__ import annotations

import uuid

import msgspec

from aion.core.errors import InvalidArgument, RunNotFound
from aion.core.events import (
    Event,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    SignalReceived,
    WorkflowReopened,
)
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.pending import effective, group_ends, pending_work
from aion.operations import bell, terminate
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.policies import ResetPoint
from aion.operations.rearming import last_run, rearm
from aion.operations.target import find
from aion.store import claims, histories, lifecycle, mailbox, outgoing
from aion.store.dialects import atomic
from aion.store.rows import RunRow
from aion.store.sealing import Sealed


def reset(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None = None,
    *,
    to_seq: int,
    reason: str = "",
    reapply_signals: bool = True,
) -> uuid.UUID:
    """Go on from event `to_seq` of a run's history as a new run of the same workflow id; give its id.

    `to_seq` is the last event to keep and ends what one arrival caused; the error lists where that is. To
    keep the first event alone is to begin anew.

    Raises:
        RunNotFound: there is no such run.
        InvalidArgument: history cannot be cut there.
        WrongState: other runs have followed it, or its workflow id has another open run.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = claims.lock_run(find(workflow_id, run_id).id)
        if run is None:
            raise RunNotFound(f"Run {run_id} was deleted", workflow_id=workflow_id, run_id=run_id)
        history = effective(histories.load_one(run.id))
        kept = _cut(history, to_seq)
        lifecycle.require_last_of_chain(run.id, "reset")
        waiting: list[tuple[str, str]] = []
        spared = _open_children(kept)
        if not run.closed:
            waiting = mailbox.waiting(run.id)
            terminate.close(run, reason=reason or "reset", spared=spared)
            run = claims.lock_run(run.id) or run
        lifecycle.require_no_open_run(run.workflow_id)
        new_id = _copy(run, kept, history[len(kept) :], waiting, reason)
        lifecycle.adopt(spared, new_id)
        if reapply_signals:
            _send_again(new_id, history[len(kept) :], waiting)
        else:
            mailbox.post(outgoing.refusals(run.workflow_id, waiting), now=clock.now())
        bell.ring_loops_after_commit()
    return new_id


def _open_children(kept: list[Recorded]) -> list[uuid.UUID]:
    """Find the runs of children that the kept history waits for, and that go on under the new run."""
    found = map(last_run, pending_work(kept).children.values())
    return [run.id for run in found if run is not None and run.status.is_open]


def seq_of(run_id: uuid.UUID, to: ResetPoint) -> int:
    """Give the seq that a point of a run's history is at.

    Raises:
        RunNotFound: there is no such run.
    """
    history = histories.load_one(run_id, limit=1 if to is ResetPoint.START else None)
    if not history:
        raise RunNotFound(f"No run has run id {run_id}", run_id=run_id)
    return history[0].seq if to is ResetPoint.START else group_ends(effective(history))[-1]


def _cut(history: list[Recorded], to_seq: int) -> list[Recorded]:
    ends = group_ends(history)
    if to_seq not in ends:
        places = ", ".join(map(str, ends[-20:]))
        raise InvalidArgument(
            f"to_seq {to_seq} does not end what one arrival caused; it can be one of: {places}",
            field="to_seq",
        )
    return [recorded for recorded in history if recorded.seq <= to_seq]


def _copy(
    run: RunRow,
    kept: list[Recorded],
    dropped: list[Recorded],
    waiting: list[tuple[str, str]],
    reason: str,
) -> uuid.UUID:
    """Write the new run: its events follow the chain's, so that all of it still reads as one history."""
    new_id, now = uuid7(), histories.time_behind(run.id, clock.now())
    first = run.head_seq + 1
    renumbered = [
        Recorded(seq, recorded.recorded_at, _moved(recorded.event, seq))
        for seq, recorded in enumerate(kept, first)
    ]
    last = renumbered[-1].seq
    mark = WorkflowReopened(reason=reason or "reset", keep_until=last, seed=new_id.hex)
    lifecycle.copy_as(run.id, new_id, head_seq=first - 1, first_seq=first, now=now)
    events = [*renumbered, Recorded(last + 1, now, mark)]
    histories.append(new_id, events, expected_seq=first - 1)
    known = _known_answers(kept, dropped)
    rearm(new_id, kept, besides=known, waiting=waiting, like=run, now=now)
    mailbox.post([mailbox.message(new_id, answer) for answer in known], now=now)
    return new_id


def _known_answers(kept: list[Recorded], dropped: list[Recorded]) -> list[Event]:
    """Find the answers behind the cut to messages before it. A message is sent once."""
    asked = pending_work(kept).requests
    return [
        recorded.event
        for recorded in dropped
        if isinstance(recorded.event, ExternalRequestDelivered | ExternalRequestFailed)
        and recorded.event.request_id in asked
    ]


def _moved(event: Event, seq: int) -> Event:
    """Fit an event into its new place: what an earlier reopening undid is not copied."""
    if isinstance(event, WorkflowReopened):
        return msgspec.structs.replace(event, keep_until=seq - 1)
    return event


def _send_again(run_id: uuid.UUID, dropped: list[Recorded], waiting: list[tuple[str, str]]) -> None:
    """Send the signals behind the cut again, and what had not been folded yet. Senders were answered once."""
    signals = [
        msgspec.structs.replace(recorded.event, sender_run_id="", sender_request_id="")
        for recorded in dropped
        if isinstance(recorded.event, SignalReceived)
    ]
    unfolded = [(run_id, kind, Sealed(body)) for kind, body in waiting if kind in outgoing.ANSWERED]
    messages = [mailbox.message(run_id, signal) for signal in signals]
    mailbox.post([*messages, *unfolded], now=clock.now())
