"""Messages from one run to others, written in the sender's turn without locking the receivers.

A receiver may close in the same moment; so the message lies in its mailbox, and whoever takes it answers:
the receiver's turn when it folds the message, or the claim that finds the receiver closed. The sender hears
exactly one of both.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from aion.core.errors import RunNotFound
from aion.core.events import (
    CancelRequested,
    ExternalCancelRequested,
    ExternalRequestFailed,
    SignalReceived,
    SignalSent,
)
from aion.core.failures import failure_from
from aion.core.history import decode_event
from aion.store import mailbox
from aion.store.dialects import connection, dialect
from aion.store.mailbox import Posted

TERMINATE = "terminate"
"""The message kind that ends a run without running its code."""


class Outgoing(msgspec.Struct):
    """A signal or cancel request that a run sends."""

    sender_run_id: uuid.UUID
    event: SignalSent | ExternalCancelRequested
    sealed: bool = False


def address(cursor: Any, outgoing: Sequence[Outgoing]) -> list[Posted]:
    """Find the open runs that messages are for; a message without one fails back to its sender."""
    if not outgoing:
        return []
    sql = dialect()
    cursor.execute(
        f"SELECT workflow_id, id, parent_run_id FROM aion_run "
        f"WHERE {sql.among('workflow_id', 'text')} AND closed_at IS NULL",
        [sql.many({item.event.workflow_id for item in outgoing})],
    )
    open_runs = {
        workflow_id: (sql.read_uuid(run_id), parent and sql.read_uuid(parent))
        for workflow_id, run_id, parent in cursor.fetchall()
    }
    return [_posted(item, open_runs.get(item.event.workflow_id)) for item in outgoing]


def _posted(item: Outgoing, found: tuple[uuid.UUID, uuid.UUID | None] | None) -> Posted:
    """Address a message; a run that it names stands for its chain when it is the sender's child."""
    event = item.event
    receiver, parent = found or (None, None)
    meant = event.run_id in ("", str(receiver)) or parent == item.sender_run_id
    if receiver is None or not meant:
        return refusal(item.sender_run_id, event.request_id, event.workflow_id)
    if isinstance(event, SignalSent):
        arrival: SignalReceived | CancelRequested = SignalReceived(
            name=event.name,
            input=event.input,
            headers=event.headers,
            sealed=event.sealed,
            request_id=event.receiver_request_id,
            sender_run_id=str(item.sender_run_id),
            sender_request_id=event.request_id,
        )
    else:
        arrival = CancelRequested(
            reason=event.reason,
            sender_run_id=str(item.sender_run_id) if event.request_id else "",
            sender_request_id=event.request_id,
        )
    return (mailbox.notice if item.sealed else mailbox.message)(receiver, arrival)


def refusal(sender_run_id: uuid.UUID, request_id: str, workflow_id: str) -> Posted:
    """Tell a sender that there was no open run to take its message."""
    error = RunNotFound(f"Workflow id {workflow_id!r} has no open run", workflow_id=workflow_id)
    event = ExternalRequestFailed(request_id=request_id, failure=failure_from(error))
    return mailbox.notice(sender_run_id, event)


ANSWERED = ("SignalReceived", "CancelRequested")
"""The message kinds whose sender may be a run that waits for an answer."""


def refusals(workflow_id: str, messages: Iterable[tuple[str, str]]) -> list[Posted]:
    """Answer the senders of messages (kind and body) that a run will not take."""
    posted = []
    for kind, body in messages:
        if kind in ANSWERED:
            event: Any = decode_event(kind, body)
            if event.sender_run_id:
                sender = uuid.UUID(event.sender_run_id)
                posted.append(refusal(sender, event.sender_request_id, workflow_id))
    return posted


def on_the_way(receivers: Collection[str], senders: Collection[str]) -> list[tuple[str, str]]:
    """Read the messages (kind and body) of some runs that wait for runs of these workflow ids."""
    return _from(senders, "SELECT m.kind, m.body FROM aion_message m", "m.body", receivers)


def taken(receivers: Collection[str], senders: Collection[str]) -> list[tuple[str, str]]:
    """Read the messages (kind and body) of some runs that runs of these workflow ids have taken."""
    return _from(
        senders, "SELECT m.kind, m.attributes FROM aion_event m", "m.attributes", receivers
    )


def _from(
    senders: Collection[str], select: str, body: str, receivers: Collection[str]
) -> list[tuple[str, str]]:
    sql = dialect()
    likes = " OR ".join([f"{body} LIKE %s"] * len(senders))
    kinds = ", ".join(f"'{kind}'" for kind in ANSWERED)
    with connection().cursor() as cursor:
        cursor.execute(
            f"{select} JOIN aion_run r ON r.id = m.run_id WHERE {sql.among('r.workflow_id', 'text')} "
            f"AND m.kind IN ({kinds}) AND ({likes})",
            [sql.many(receivers), *(f'%"sender_run_id":"{sender}"%' for sender in senders)],
        )
        found: list[tuple[str, str]] = cursor.fetchall()
    return found


def close_children(
    cursor: Any,
    parents: Sequence[uuid.UUID],
    *,
    now: dt.datetime,
    spared: Sequence[uuid.UUID] = (),
) -> None:
    """Apply the parent close policies of the open children of runs that closed, but not to the spared."""
    if not parents:
        return
    sql = dialect()
    cursor.execute(
        "INSERT INTO aion_message (run_id, kind, body, created_at, parked, priority) "
        f"SELECT id, CASE parent_close_policy WHEN 'terminate' THEN '{TERMINATE}' "
        "ELSE 'CancelRequested' END, '{\"reason\":\"its parent closed\"}', "
        f"{'%s::timestamptz' if sql.name == 'postgresql' else '%s'}, {sql.false}, priority "
        # IS TRUE hides what is open from the planner: it would walk over all open runs for a few children.
        f"FROM aion_run WHERE {sql.among('parent_run_id', 'uuid')} AND (closed_at IS NULL) IS TRUE "
        f"AND parent_close_policy <> 'abandon' AND NOT {sql.among('id', 'uuid')}",
        [sql.time(now), sql.many(parents), sql.many(spared)],
    )
