"""Answers queries by replaying a throw-away instance, in whatever process asks."""

from __future__ import annotations

import uuid

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.errors import (
    HistoryError,
    NonDeterminismError,
    QueryError,
    UnknownType,
    WorkflowCodeError,
    WorkflowInterrupted,
)
from aion.core.events import WorkflowStarted
from aion.core.headers import NO_HEADERS, Headers
from aion.core.history import Recorded
from aion.store import histories
from aion_engine.replay import guards
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from aion_engine.replay.watchdog import Watchdog


class ReplayQuerier:
    """The querier of the settings' default."""

    def query(
        self, run_id: uuid.UUID, name: str, data: bytes, headers: Headers = NO_HEADERS
    ) -> bytes:
        """Give the encoded answer of the run's code, open or closed.

        Raises:
            UnknownQuery: the workflow has no query of this name.
            QueryError: the handler failed, or the code does not fit the history.
        """
        guards.install()
        history = histories.load_one(
            run_id
        )  # not watched: an interrupted driver would be of no use
        try:
            with Watchdog(settings.YIELD_LIMIT).watch(f"query {name} of run {run_id}"):
                return _answer(run_id, history, name, data, headers)
        except WorkflowInterrupted as error:
            raise QueryError(f"Query {name!r} took too long: {error}", query=name) from error


def _answer(
    run_id: uuid.UUID, history: list[Recorded], name: str, data: bytes, headers: Headers
) -> bytes:
    instance = _instance(run_id, history, name)
    try:
        return instance.query(name, data, headers)
    finally:
        instance.close()


def _instance(run_id: uuid.UUID, history: list[Recorded], name: str) -> Instance:
    first = history[0].event if history else None
    if not isinstance(first, WorkflowStarted):
        raise QueryError(f"Run {run_id} has no history to ask", query=name)
    try:
        definition = registry.workflow(first.workflow_type)
        instance, _ = replay(definition, str(run_id), history, partial=True)
    except WorkflowInterrupted:
        raise
    except (UnknownType, NonDeterminismError, WorkflowCodeError, HistoryError) as error:
        raise QueryError(f"Query {name!r} cannot be answered: {error}", query=name) from error
    return instance
