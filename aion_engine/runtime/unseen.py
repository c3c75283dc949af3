"""Runs that end, or wait, without their code: terminated, timed out while held, beyond a limit, not begun."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

import msgspec

from aion.core.errors import HistoryError, InvalidArgument, PayloadUnavailable
from aion.core.events import (
    CancelRequested,
    Event,
    ExternalRequestDelivered,
    SignalReceived,
    WorkflowCancelled,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from aion.core.history import Recorded, decode_event
from aion.core.pending import effective
from aion.store import histories, lifecycle, mailbox
from aion.store.outgoing import ANSWERED, refusals
from aion.store.rows import START_TIMER, Claimed
from aion.store.sealing import Sealed
from aion.store.turns import TurnWrites
from aion_engine.replay.instance import Instance
from aion_engine.runtime import announcing, effects, lineage
from aion_engine.runtime.arrivals import consume, deadline_of, drop_unfolded
from aion_engine.runtime.work import Work

log = logging.getLogger("aion.turns")


def close_unseen(work: Work, event: Recorded, writes: TurnWrites) -> None:
    """Close a run without its code, and answer whoever waits for it.

    Where a successor goes on, what waits goes there, with the signals that nobody has read.
    """
    one = work.claimed
    started, cancelled = _known(work, event)
    if started is not None and not _can_go_on(started, event):
        started = None
    update = effects.add_turn(
        work.run,
        [event],
        owner_id=None,
        writes=writes,
        started=started,
        cancelled=cancelled,
        for_successor=unread(work.instance) if work.instance is not None else [],
    )
    announcing.closed_unseen(work, update, event.event, writes)
    if isinstance(event.event, (WorkflowTerminated, WorkflowTimedOut)) and update.failure:
        update.failure = Sealed(update.failure)  # the engine's own words: nothing can fail for them
    work.drop_instance()
    writes.updates_abandoned.append(one.run.id)
    if update.has_successor:
        successor = writes.new_runs[-1].id
        writes.messages_out.extend(
            (successor, m.kind, Sealed(m.body)) for m in one.messages if m.kind in ANSWERED
        )
        consume(one, writes)
    else:
        drop_unfolded(one, writes)


def _sent(one: Claimed) -> list[Event]:
    """Read the signals and cancel requests that wait for a run. Their payloads are as stored."""
    return [decode_event(m.kind, m.body) for m in one.messages if m.kind in ANSWERED]


def _known(work: Work, event: Recorded) -> tuple[WorkflowStarted | None, bool]:
    """Give the first event, where it may have a successor, and whether a cancel was asked for."""
    if isinstance(event.event, (WorkflowTerminated, WorkflowCancelled)):
        return None, True
    if work.instance is not None:
        context = work.instance.context
        return context.started, context.cancelled_with is not None
    try:
        history = effective(histories.decode_rows(work.rows, work.run.id))
    except PayloadUnavailable as error:
        log.error("Workflow id %s has no next run: %s", work.run.workflow_id, error)  # noqa: TRY400
        return None, True
    except HistoryError:
        return None, True
    if history and isinstance(history[0].event, WorkflowStarted):
        asked = any(isinstance(r.event, CancelRequested) for r in history)
        return history[0].event, asked
    return None, True


def _can_go_on(started: WorkflowStarted, end: Recorded) -> bool:
    """Tell whether the next cron time can be found; without the code there is no turn to hold for it."""
    try:
        lineage.has_next_time(started, end.recorded_at)
    except InvalidArgument as error:
        log.error("Workflow id %s has no next run: %s", started.workflow_id, error)  # noqa: TRY400
        return False
    return True


def unread(instance: Instance) -> list[SignalReceived]:
    """Give the signals that nobody took. Their senders have been answered."""
    return [
        msgspec.structs.replace(signal, sender_run_id="", sender_request_id="")
        for signal in instance.messages.unhandled
    ]


def is_to_wait(started: Event, one: Claimed) -> bool:
    """Tell whether a run that has not begun must wait, though messages came: its time is part of a chain.

    A start that only its caller delayed is hastened by a message.
    """
    if not isinstance(started, WorkflowStarted) or started.start_delay is None:
        return False
    if not started.cron and started.initiator != "retry":
        return False
    if any(timer.timer_id == START_TIMER for timer in one.timers):
        return False
    # The row decides, not the clock: where the start was folded and left nothing, it is gone.
    return lifecycle.start_due(one.run.id) is not None


def await_start(work: Work, writes: TurnWrites, now: dt.datetime) -> None:
    """Leave the mail of a run that has not begun until it does; a cancel or a deadline ends the chain."""
    one = work.claimed
    deadline = deadline_of(one)
    if deadline is not None:
        close_unseen(work, effects.timed_out(one.run, [], deadline, now), writes)
        return
    cancels = [event for event in _sent(one) if isinstance(event, CancelRequested)]
    if not cancels:
        writes.mail_parked.append(one.run.id)
        return
    event = WorkflowCancelled(reason=cancels[0].reason, by_engine=True)
    closing = effects.closing(one.run, [], event, now)
    update = effects.add_turn(one.run, [closing], owner_id=None, writes=writes)
    announcing.closed_unseen(work, update, event, writes)
    writes.updates_abandoned.append(one.run.id)
    writes.messages_out.extend(
        mailbox.message(
            uuid.UUID(cancel.sender_run_id),
            ExternalRequestDelivered(request_id=cancel.sender_request_id),
        )
        for cancel in cancels
        if cancel.sender_run_id
    )
    others = [(m.kind, m.body) for m in one.messages if m.kind != CancelRequested.__name__]
    writes.messages_out.extend(refusals(one.run.workflow_id, others))
    consume(one, writes)
