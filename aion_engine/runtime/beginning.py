"""Instances of runs that begin, and of runs that are rebuilt from their history."""

from __future__ import annotations

from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.errors import DefinitionError
from aion.core.events import Role, WorkflowStarted
from aion.core.history import Recorded
from aion.core.pending import effective
from aion.store.rows import RunRow
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import reopen, replay


def unfolded_start(stored: list[Recorded]) -> Recorded | None:
    """Give the start of a run that is to begin: it is not folded yet, or its fold left nothing behind."""
    history = effective(stored)
    begins = (
        bool(history)
        and isinstance(history[0].event, WorkflowStarted)
        and all(recorded.event.role is Role.NOTE for recorded in history[1:])
    )
    return history[0] if begins else None


def instance_of(run: RunRow, stored: list[Recorded], start: Recorded | None) -> Instance:
    """Make the instance of a run that is to begin, or rebuild that of one that has begun."""
    definition = _runnable(registry.workflow(run.workflow_type))
    if start is None:
        return replay(definition, str(run.id), stored)[0]
    instance = Instance(definition, str(run.id))
    instance.head_seq = run.head_seq
    instance.recorded_until = stored[-1].recorded_at
    instance.context.extent.show(stored)
    for mark in effective(stored):
        reopen(instance, mark)
    return instance


def _runnable(definition: WorkflowDefinition) -> WorkflowDefinition:
    if definition.problems:
        raise DefinitionError(f"Workflow {definition.name} {'; '.join(definition.problems)}")
    return definition
