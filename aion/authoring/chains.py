"""What a run may know of the runs before it. Offered through `aion.workflow`."""

from __future__ import annotations

from typing import Any

from aion.authoring.context import require_workflow
from aion.core.failures import exception_from
from aion.core.payloads import decode


def has_last_completion_result() -> bool:
    """Tell whether a run of this cron chain has completed before this one."""
    context = require_workflow("workflow.has_last_completion_result()")
    return context.last_completion_result() is not None


def get_last_completion_result(type: Any = Any) -> Any:
    """Give what the last run of this cron chain that completed has returned; None where there is none.

    `type` decodes it, as an activity's return annotation does.

    Raises:
        PayloadUndecodable: it does not fit the type.
    """
    context = require_workflow("workflow.get_last_completion_result()")
    raw = context.last_completion_result()
    return None if raw is None else decode(raw, type, field="the last completion result")


def get_last_failure() -> BaseException | None:
    """Give why the run directly before did not complete, as an exception; None where it did.

    An attempt behind a failed one has it, and a run of a cron chain behind one that failed or timed out.
    """
    failure = require_workflow("workflow.get_last_failure()").last_failure()
    return None if failure is None else exception_from(failure)
