"""What a turn has to tell by signals, collected while it is made and sent when it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from aion import signals
from aion.core.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivityTimedOut,
    Event,
    WorkflowCancelled,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from aion.core.failures import Failure, decode_failure
from aion.core.history import Recorded
from aion.operations.announcing import (
    facts_of,
    is_heard,
    read_facts,
    send_about_attempt,
    send_about_run,
)
from aion.signals import AttemptFacts
from aion.store.mailbox import START
from aion.store.rows import START_TIMER, Claimed, RunRow, RunUpdate
from aion.store.turns import TurnWrites
from aion_engine.replay.instance import Instance
from aion_engine.runtime.outcomes import outcome_of
from aion_engine.runtime.work import Work

_FAILURES: Final = (WorkflowFailed, WorkflowCancelled, WorkflowTerminated, WorkflowTimedOut)


def turn_made(
    work: Work,
    instance: Instance,
    gained: list[Recorded],
    update: RunUpdate,
    writes: TurnWrites,
) -> None:
    """Add what a turn of workflow code has to tell, and what its interceptors wait to do."""
    run, context, told = work.run, instance.context, work.to_tell
    about = partial(facts_of, run, context.started, context.started_at)
    if is_heard(signals.workflow_started) and _begins(work.claimed):
        told.append(partial(send_about_run, signals.workflow_started, about()))
    if is_heard(signals.activity_failed) or is_heard(signals.activity_completed):
        told.extend(_local_outcomes(run, instance, gained))
    told.extend(context.to_commit)
    context.to_commit.clear()
    if update.closed_at is not None and is_heard(signals.workflow_closed):
        facts = _close(update, gained[-1].event, instance.error, writes)
        told.append(partial(send_about_run, signals.workflow_closed, about(), **facts))


def closed_unseen(work: Work, update: RunUpdate, event: Event, writes: TurnWrites) -> None:
    """Add that a run was closed without its code."""
    if is_heard(signals.workflow_closed):
        run, facts = work.run, _close(update, event, None, writes)
        work.to_tell.append(
            lambda: send_about_run(signals.workflow_closed, read_facts(run), **facts)
        )


def held(work: Work, error: BaseException, count: int) -> None:
    """Add that a run is held."""
    if is_heard(signals.workflow_held):
        run = work.run
        work.to_tell.append(
            lambda: send_about_run(signals.workflow_held, read_facts(run), error=error, count=count)
        )


def _begins(one: Claimed) -> bool:
    return any(message.kind == START for message in one.messages) or any(
        timer.timer_id == START_TIMER for timer in one.timers
    )


def _close(
    update: RunUpdate, event: Event, error: BaseException | None, writes: TurnWrites
) -> dict[str, Any]:
    failure: Failure | None = None
    if isinstance(event, _FAILURES):
        text = outcome_of(event)[1]
        failure = decode_failure(text.encode()) if text else None
    return {
        "status": update.status,
        "closed_at": update.closed_at,
        "failure": failure,
        "error": error if isinstance(event, WorkflowFailed) else None,
        "will_retry": update.has_successor and writes.new_runs[-1].started.initiator == "retry",
    }


def _local_outcomes(
    run: RunRow, instance: Instance, gained: Iterable[Recorded]
) -> Iterable[Callable[[], object]]:
    """Yield the ends of local activities, which are recorded by turns only."""
    for recorded in gained:
        event = recorded.event
        if not isinstance(event, ActivityOutcome) or not event.local:
            continue
        facts = AttemptFacts(
            workflow_id=run.workflow_id,
            run_id=str(run.id),
            workflow_type=run.workflow_type,
            activity_id=event.activity_id,
            activity_type=event.activity_type,
            task_queue=run.task_queue,
            attempt=event.attempt,
            is_local=True,
            headers=instance.context.headers,
        )
        match event:
            case ActivityCompleted() if is_heard(signals.activity_completed):
                yield partial(send_about_attempt, signals.activity_completed, facts)
            case ActivityFailed() | ActivityTimedOut() if is_heard(signals.activity_failed):
                yield partial(
                    send_about_attempt,
                    signals.activity_failed,
                    facts,
                    failure=event.failure,
                    error=None,
                    final=True,
                )
