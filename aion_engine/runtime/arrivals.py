"""What waits for a claimed run, as a turn reads it: arrivals, a deadline, an end from outside."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aion.core.events import ActivityOutcome, Event, SignalReceived, TimerFired
from aion.core.history import decode_event
from aion.core.requests import UpdateRequest
from aion.core.sealing import Sealer
from aion.store import mailbox, requests, rows, runs, updates
from aion.store.outgoing import ANSWERED, TERMINATE, refusals
from aion.store.rows import Claimed
from aion.store.sealing import Sealed, plain_body
from aion.store.turns import TurnWrites


def consume(one: Claimed, writes: TurnWrites) -> None:
    """Take what waited for a run out of the queues, in the commit that folds it."""
    writes.messages_done.extend(message.id for message in one.messages)
    writes.timers_done.extend(timer.id for timer in one.timers)


def termination(one: Claimed) -> str | None:
    """Give the reason of a message that ends the run without running its code."""
    for message in one.messages:
        if message.kind == TERMINATE:
            return str(msgspec.json.decode(message.body).get("reason", ""))
    return None


def refuse_late(one: Claimed, writes: TurnWrites) -> None:
    """Drop what reached a run after its close, and tell other runs that their message was not taken.

    A run that goes on in a successor (as new, tried again, reset) hands such messages to it. A copy that a
    reset has made waits for what the run has waited for, so it gets the answers of other runs, too.
    """
    successor = None
    if any(m.kind in _FORWARDED or m.kind in _ANSWERS for m in one.messages):
        successor = runs.successor(one.run.id)
    if successor is None:
        drop_unfolded(one, writes)
        return
    copied = any(m.kind in _ANSWERS for m in one.messages) and bool(runs.copied_from(successor.id))
    kinds = (*_FORWARDED, *_ANSWERS) if copied else _FORWARDED
    writes.messages_out.extend(
        (successor.id, m.kind, Sealed(m.body)) for m in one.messages if m.kind in kinds
    )
    consume(one, writes)


_FORWARDED = (*ANSWERED, TERMINATE)
_ANSWERS = (
    "ChildWorkflowCancelled",
    "ChildWorkflowCompleted",
    "ChildWorkflowFailed",
    "ChildWorkflowTerminated",
    "ChildWorkflowTimedOut",
    "ExternalRequestDelivered",
    "ExternalRequestFailed",
)


def drop_unfolded(one: Claimed, writes: TurnWrites) -> None:
    """Take what waits for a run that will not fold it, and tell other runs that it was not taken."""
    consume(one, writes)
    waiting = [(message.kind, message.body) for message in one.messages]
    writes.messages_out.extend(refusals(one.run.workflow_id, waiting))


def _arrival(kind: str, body: str) -> Event | UpdateRequest:
    return _read_update(body) if kind == updates.KIND else decode_event(kind, body)


_read_update = msgspec.json.Decoder(UpdateRequest).decode


def arrivals_of(
    one: Claimed, local: Sequence[ActivityOutcome], by: Sealer
) -> list[Event | UpdateRequest]:
    """Give what is to be folded, in order: messages, outcomes of local activities, fired timers.

    Raises:
        PayloadUnavailable: a payload of a message cannot be brought back.
    """
    written = [
        _arrival(message.kind, plain_body(message.kind, message.body, one.run.id, by))
        for message in one.messages
        if message.kind not in (mailbox.START, mailbox.WAKE)
    ]
    fired = [
        TimerFired(timer_id=timer.timer_id)
        for timer in one.timers
        if timer.timer_id not in _OWN_TIMERS
    ]
    return [*written, *local, *fired]


def without_repeats(
    one: Claimed, arrivals: list[Event | UpdateRequest], repeated: list[SignalReceived]
) -> list[Event | UpdateRequest]:
    """Leave out signals of other runs whose request id this chain has taken: they go to `repeated`.

    What callers send is looked at when they send it. These were posted without the lock of their receiver.
    """
    kept: list[Event | UpdateRequest] = []
    seen: set[str] = set()
    for arrival in arrivals:
        if isinstance(arrival, SignalReceived) and arrival.sender_run_id and arrival.request_id:
            key = arrival.request_id
            if key in seen or requests.is_taken(one.run.id, one.run.workflow_id, key):
                repeated.append(arrival)
                continue
            seen.add(key)
        kept.append(arrival)
    return kept


_DEADLINES = {rows.RUN_DEADLINE: "run", rows.EXECUTION_DEADLINE: "execution"}
_OWN_TIMERS = (rows.START_TIMER, *_DEADLINES)


def deadline_of(one: Claimed) -> str | None:
    """Give the kind of a deadline that has passed, the run's before the execution's."""
    passed = [_DEADLINES[t.timer_id] for t in one.timers if t.timer_id in _DEADLINES]
    return max(passed, default=None)  # "run" sorts behind "execution"
