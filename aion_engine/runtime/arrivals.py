"""What waits for a claimed run, as a turn reads it: arrivals, a deadline, an end from outside."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aion.core.events import ActivityOutcome, Event, TimerFired
from aion.core.history import decode_event
from aion.core.status import RunStatus
from aion.store import mailbox, runs, updates
from aion.store.outgoing import TERMINATE, refusal
from aion.store.rows import Claimed
from aion.store.turns import TurnWrites
from aion_engine.replay.updates import UpdateRequest


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

    A run that continued as new hands such messages to its successor.
    """
    consume(one, writes)
    for message in one.messages:
        if message.kind not in ("SignalReceived", "CancelRequested"):
            continue
        event: Any = decode_event(message.kind, message.body)
        if one.run.status == RunStatus.CONTINUED_AS_NEW:
            successor = runs.successor(one.run.id)
            if successor is not None:
                writes.messages_out.append((successor.id, message.kind, message.body))
                continue
        if event.sender_run_id:
            sender = uuid.UUID(event.sender_run_id)
            writes.messages_out.append(
                refusal(sender, event.sender_request_id, one.run.workflow_id)
            )


_read_update = msgspec.json.Decoder(UpdateRequest).decode


def arrivals_of(
    one: Claimed, local: Sequence[ActivityOutcome]
) -> tuple[list[Event | UpdateRequest], str | None]:
    """Give what is to be folded, in order, and which deadline has passed."""
    arrivals: list[Event | UpdateRequest] = [
        _read_update(message.body)
        if message.kind == updates.KIND
        else decode_event(message.kind, message.body)
        for message in one.messages
        if message.kind not in (mailbox.START, mailbox.WAKE)
    ]
    arrivals.extend(local)
    deadline = None
    for timer in one.timers:
        match timer.timer_id:
            case runs.START_TIMER:
                pass  # the claim alone makes the run begin
            case runs.RUN_DEADLINE:
                deadline = deadline or "run"
            case runs.EXECUTION_DEADLINE:
                deadline = "execution"
            case _:
                arrivals.append(TimerFired(timer_id=timer.timer_id))
    return arrivals, deadline
