"""Keeps the database out of workflow code: a wrapper on every connection that asks a context variable.

It follows the coroutine, not the thread: it also stops the async ORM, survives reconnects and costs one
look-up of a variable for each statement.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from aion.authoring.context import current_workflow
from aion.core.errors import ForbiddenInWorkflow


def _guard(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if current_workflow.get() is not None:
        raise ForbiddenInWorkflow(
            "Workflow code touched the database: read and write in an activity and pass what the "
            f"workflow needs as its result. The statement was: {sql[:200]}"
        )
    return execute(sql, params, many, context)


def _on_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _guard not in connection.execute_wrappers:
        connection.execute_wrappers.append(_guard)


def connect() -> None:
    """Guard every connection made from now on."""
    connection_created.connect(_on_connection, dispatch_uid="aion.database_guard")
