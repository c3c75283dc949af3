"""Sends `aion.signals` about what has been committed; does nothing where nobody listens."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.dispatch import Signal

from aion import signals
from aion.authoring.interception import chains
from aion.authoring.registry import registry
from aion.core.events import WorkflowStarted
from aion.core.failures import Failure
from aion.core.status import RunStatus
from aion.operations import bell
from aion.signals import AttemptFacts, RunFacts
from aion.store import histories
from aion.store.attempts import Attempt
from aion.store.rows import RunRow
from aion.store.sealing import with_texts


def is_heard(signal: Signal) -> bool:
    """Tell whether anybody listens. Interceptors that do so begin with their making."""
    chains()
    return bool(signal.receivers)


def facts_of(run: RunRow, started: WorkflowStarted, at: dt.datetime) -> RunFacts:
    """Describe a run by its first event and the time of that."""
    return RunFacts(
        workflow_id=run.workflow_id,
        run_id=str(run.id),
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        attempt=started.attempt,
        started_at=at,
        continued_from_run_id=started.continued_from_run_id,
        headers=started.headers,
    )


def read_facts(run: RunRow) -> RunFacts:
    """Describe a run whose first event is not at hand."""
    found = histories.beginning(run.id)
    assert found is not None  # noqa: S101  # every history begins with a start
    started, at = found
    return facts_of(run, with_texts(started, run.id), at)


def send_about_run(signal: Signal, run: RunFacts, **facts: Any) -> None:
    """Tell the receivers something about a run."""
    definition = registry.workflows.get(run.workflow_type)
    sender = definition.target if definition is not None else None
    signal.send_robust(sender, run=run, **facts)


def send_about_attempt(signal: Signal, attempt: AttemptFacts, **facts: Any) -> None:
    """Tell the receivers something about an attempt."""
    sender = registry.activities.get(attempt.activity_type)
    signal.send_robust(sender, attempt=attempt, **facts)


def closed_after_commit(
    run: RunRow, status: RunStatus, *, at: dt.datetime, failure: Failure | None
) -> None:
    """Tell that a run was ended from outside, when that is committed."""
    if not is_heard(signals.workflow_closed):
        return
    facts = read_facts(run)
    bell.after_commit(
        lambda: send_about_run(
            signals.workflow_closed,
            facts,
            status=status,
            closed_at=at,
            failure=failure,
            error=None,
            will_retry=False,
        )
    )


def completed_after_commit(attempt: Attempt) -> None:
    """Tell that an attempt's result is recorded, when it is."""
    if is_heard(signals.activity_completed):
        facts = _facts_of(attempt)
        bell.after_commit(lambda: send_about_attempt(signals.activity_completed, facts))


def failed_after_commit(
    attempt: Attempt, failure: Failure, *, error: BaseException | None = None, final: bool
) -> None:
    """Tell that an attempt failed, when that is committed."""
    if is_heard(signals.activity_failed):
        facts = _facts_of(attempt)
        bell.after_commit(
            lambda: send_about_attempt(
                signals.activity_failed, facts, failure=failure, error=error, final=final
            )
        )


def _facts_of(attempt: Attempt) -> AttemptFacts:
    return AttemptFacts(
        workflow_id=attempt.workflow_id,
        run_id=str(attempt.run_id),
        workflow_type=attempt.workflow_type,
        activity_id=attempt.order.activity_id,
        activity_type=attempt.order.activity_type,
        task_queue=attempt.task_queue,
        attempt=attempt.number,
        headers=with_texts(attempt.order, attempt.run_id).headers,
    )
