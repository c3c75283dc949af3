"""Keeps the database out of workflow code: guards that ask a context variable.

They follow the coroutine, not the thread, and survive reconnects. One wraps the few methods through which
every use of a connection begins, because Django would otherwise refuse first, with advice that is wrong here
(to use a thread). The other wraps statements, for cursors that were opened elsewhere. Each costs one look-up
of a variable.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from aion.authoring.context import current_workflow, user_site
from aion.core.errors import ForbiddenInWorkflow

_ENTRANCES: Final = ("ensure_connection", "connect", "cursor", "chunked_cursor")
_MARK: Final = "_aion_guarded"


def _refuse(detail: str) -> None:
    if current_workflow.get() is None:
        return
    site = user_site(3, also=("django.",))
    where = f" at {site}" if site is not None else ""
    raise ForbiddenInWorkflow(
        f"Workflow code touched the database{where}: read and write in an activity, and give what the "
        f"workflow needs as its result{detail}"
    )


def _execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    _refuse(f". The statement was: {sql[:200]}")
    return execute(sql, params, many, context)


def _guard_class(kind: type) -> None:
    """Wrap the entrances that a class of connections defines itself."""
    for name in _ENTRANCES:
        method = vars(kind).get(name)
        if method is not None and not hasattr(method, _MARK):
            setattr(kind, name, _guarded(method))


def _guarded(method: Any) -> Any:
    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if current_workflow.get() is not None:
            _refuse("")
        return method(*args, **kwargs)

    setattr(guarded, _MARK, True)
    return guarded


def _on_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    for kind in type(connection).__mro__[:-1]:
        _guard_class(kind)
    if _execute not in connection.execute_wrappers:
        connection.execute_wrappers.append(_execute)


def connect() -> None:
    """Guard every connection made from now on, and the making of one."""
    _guard_class(BaseDatabaseWrapper)
    connection_created.connect(_on_connection, dispatch_uid="aion.database_guard")
