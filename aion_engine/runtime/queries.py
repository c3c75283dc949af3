"""Answers queries by replaying a throw-away instance, in whatever process asks."""

from __future__ import annotations

import uuid

from aion.authoring.registry import registry
from aion.core.errors import (
    HistoryError,
    NonDeterminismError,
    QueryError,
    UnknownType,
    WorkflowCodeError,
)
from aion.core.events import WorkflowStarted
from aion.store import histories
from aion_engine.replay import guards
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay


class ReplayQuerier:
    """The querier of the settings' default."""

    def query(self, run_id: uuid.UUID, name: str, data: bytes) -> bytes:
        """Give the encoded answer of the run's code, open or closed.

        Raises:
            UnknownQuery: the workflow has no query of this name.
            QueryError: the handler failed, or the code does not fit the history.
        """
        guards.install()
        instance = self._instance(run_id, name)
        try:
            return instance.query(name, data)
        finally:
            instance.close()

    def _instance(self, run_id: uuid.UUID, name: str) -> Instance:
        history = histories.load_one(run_id)
        first = history[0].event if history else None
        if not isinstance(first, WorkflowStarted):
            raise QueryError(f"Run {run_id} has no history to ask", query=name)
        try:
            definition = registry.workflow(first.workflow_type)
            instance, _ = replay(definition, str(run_id), history, partial=True)
        except (UnknownType, NonDeterminismError, WorkflowCodeError, HistoryError) as error:
            raise QueryError(f"Query {name!r} cannot be answered: {error}", query=name) from error
        return instance
