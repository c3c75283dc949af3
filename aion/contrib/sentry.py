"""Reports failures to Sentry: `sentry_sdk.init(..., integrations=[AionIntegration()])`.

What is reported, each once and only when it is committed:

* an activity whose last attempt has failed (with `every_attempt=True` each failed attempt);
* a run that has failed or timed out, unless it is tried again;
* a run that is held, at the first of its failed turns.

`ApplicationError(benign=True)` is not reported, nor is what fails because of one.
"""

from __future__ import annotations

from typing import Any, Final

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.utils import event_from_exception

from aion import signals
from aion.core.failures import Failure, exception_from
from aion.core.status import RunStatus
from aion.signals import AttemptFacts, RunFacts

_REPORTED: Final = (RunStatus.FAILED, RunStatus.TIMED_OUT)
_THROUGH: Final = ("activity", "child_workflow")
"""Kinds of failures that only pass on what was wrong elsewhere."""


class AionIntegration(Integration):
    """Sends failures of activities and workflows, with the ids of their runs as tags."""

    identifier = "aion"

    def __init__(self, *, every_attempt: bool = False) -> None:
        self.every_attempt = every_attempt

    @staticmethod
    def setup_once() -> None:
        """Listen. Sentry calls it once for a process."""
        for signal, receiver in (
            (signals.activity_failed, _activity_failed),
            (signals.workflow_closed, _workflow_closed),
            (signals.workflow_held, _workflow_held),
        ):
            signal.connect(receiver, dispatch_uid="aion.contrib.sentry")
        ignore_logger("aion.turns.held")  # would be reported a second time, at every try


def _integration() -> AionIntegration | None:
    return sentry_sdk.get_client().get_integration(AionIntegration)


def _activity_failed(
    *,
    attempt: AttemptFacts,
    failure: Failure,
    error: BaseException | None,
    final: bool,
    **_: Any,
) -> None:
    integration = _integration()
    if integration is None or _is_benign(failure) or not (final or integration.every_attempt):
        return
    tags = {
        **_ids(attempt),
        "aion.activity_type": attempt.activity_type,
        "aion.activity_id": attempt.activity_id,
        "aion.attempt": str(attempt.attempt),
    }
    _report(error, failure, attempt.activity_type, tags)


def _workflow_closed(
    *,
    run: RunFacts,
    status: RunStatus,
    failure: Failure | None,
    error: BaseException | None,
    will_retry: bool,
    **_: Any,
) -> None:
    if _integration() is None or status not in _REPORTED or will_retry or failure is None:
        return
    if not _is_benign(failure):
        _report(error, failure, run.workflow_type, _ids(run))


def _workflow_held(*, run: RunFacts, error: BaseException, count: int, **_: Any) -> None:
    if _integration() is not None and count == 1:
        _report(error, None, run.workflow_type, {**_ids(run), "aion.held": "true"})


def _ids(facts: RunFacts | AttemptFacts) -> dict[str, str]:
    return {
        "aion.workflow_id": facts.workflow_id,
        "aion.run_id": facts.run_id,
        "aion.workflow_type": facts.workflow_type,
    }


def _is_benign(failure: Failure) -> bool:
    found: Failure | None = failure
    while found is not None and found.kind in _THROUGH:
        found = found.cause
    return found is not None and found.benign


def _report(
    error: BaseException | None, failure: Failure | None, name: str, tags: dict[str, str]
) -> None:
    """Send an event; an error of another process is made again from what is stored of it."""
    if error is None:
        assert failure is not None  # noqa: S101  # one of both is there
        error = exception_from(failure)
    event, hint = event_from_exception(
        error,
        client_options=sentry_sdk.get_client().options,
        mechanism={"type": "aion", "handled": False},
    )
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(name)
        scope.set_tags(tags)
        if failure is not None and failure.traceback:
            scope.set_context("aion", {"traceback": failure.traceback})
        scope.capture_event(event, hint=hint)
