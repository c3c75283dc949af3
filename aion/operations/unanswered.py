"""What became of the messages to other runs that a history waits to hear of.

An answer goes to the run that sent the message, and is dropped when that run is closed. When the history goes
on, in the same run or in a copy, the answer is found again: the receiver's history says that a message was
taken; its mailbox says that it will be, and then the answer is still to come. Otherwise it was refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aion.core.events import ExternalCancelRequested, ExternalRequestDelivered, SignalSent
from aion.core.history import decode_event
from aion.store import mailbox, outgoing, runs
from aion.store.mailbox import Posted

Request = SignalSent | ExternalCancelRequested


def answers(
    run_id: uuid.UUID,
    requests: Mapping[str, Request],
    *,
    waiting: Sequence[tuple[str, str]] = (),
) -> list[Posted]:
    """Make the answers to the requests of a run, but for those that are still on their way.

    `waiting` are messages (kind and body) that have been taken out of a mailbox and will be put into another.
    """
    if not requests:
        return []
    senders = {str(run_id), *map(str, runs.copied_from(run_id))}
    receivers = {request.workflow_id for request in requests.values()}
    # Mailboxes first: a message that leaves one meanwhile is found where it went to.
    moving = {
        *_sent_by(senders, [m for m in waiting if m[0] in outgoing.ANSWERED]),
        *_sent_by(senders, outgoing.on_the_way(receivers, senders)),
    }
    taken = _sent_by(senders, outgoing.taken(receivers, senders))
    return [
        mailbox.message(run_id, ExternalRequestDelivered(request_id=request_id))
        if request_id in taken
        else outgoing.refusal(run_id, request_id, request.workflow_id)
        for request_id, request in requests.items()
        if request_id not in moving
    ]


def _sent_by(senders: Collection[str], messages: Sequence[tuple[str, str]]) -> set[str]:
    found: list[Any] = [decode_event(kind, body) for kind, body in messages]
    return {event.sender_request_id for event in found if event.sender_run_id in senders}
