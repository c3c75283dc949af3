"""What a run leaves behind when its code ends: handlers that are still running, errors that nobody awaited.

Told once, by the live fold that writes the end, and never on replay. Runs that are terminated or run out of
time do not come here: their code did not choose to end.
"""

from __future__ import annotations

import logging
from collections import Counter

from aion.authoring.handler_definition import HandlerUnfinishedPolicy
from aion.core.events import WorkflowStarted
from aion_engine.replay.instance import Instance

log = logging.getLogger("aion.workflow")


def report(instance: Instance) -> None:
    """Log what the end of a run cuts off."""
    instance.task_errors.note_held()
    running = [
        str(each)
        for each in instance.messages.running.values()
        if each.policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON
    ]
    if not running or instance.terminal is None:
        return
    names = [
        name if count == 1 else f"{name}, {count} times" for name, count in Counter(running).items()
    ]
    started: WorkflowStarted = instance.context.started
    log.warning(
        "Run %s of workflow %r (%s) closed (%s) while handlers were running, and dropped them: %s. Let the "
        "run method wait for them before it ends: await workflow.wait_condition("
        "workflow.all_handlers_finished). Mark those that may be dropped with "
        "unfinished_policy=HandlerUnfinishedPolicy.ABANDON",
        instance.run_id,
        started.workflow_id,
        started.workflow_type,
        type(instance.terminal.event).__name__,
        "; ".join(names),
        extra={"run_id": instance.run_id, "workflow_id": started.workflow_id},
    )
