"""Tunes the one database session of a turn loop. Callers' sessions are left as they are.

Theory of operation
-------------------
A turn runs the same few statements again and again, so on PostgreSQL the loop's session

* sends them through a pipeline (see `pipelines`): those that need no answer travel together, in one round
  trip, and each is parsed and planned once;
* plans by index and nested loop only: every hot statement takes few rows through an index that fits, and a
  plan that was made while a table was nearly empty must still be right when it holds a million rows;
* ends its transaction when it hangs in one for longer than the lease: a worker that is stopped while it holds
  row locks must not keep its runs from the others.

All of this is state of the session. `AION["TUNE_SESSION"] = False` leaves it out, for poolers that hand a
session to another client after each transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from aion.conf import settings
from aion.store import dialects

if TYPE_CHECKING:
    from aion.store.pipelines import Pipeline

_MARK = "aion_loop"
_KEPT = "aion_kept_pipeline"


def tune(connection: BaseDatabaseWrapper) -> None:
    """Tune this thread's session, now and after each reconnect."""
    if connection.vendor != "postgresql" or not settings.TUNE_SESSION:
        return
    setattr(connection, _MARK, True)
    if connection.connection is not None:
        _apply(connection)


@contextmanager
def transaction() -> Iterator[None]:
    """Run a block in a transaction, through the pipeline where the session is tuned for it.

    A statement's error may surface at a later statement of the block, or at its end.
    """
    with dialects.atomic():
        own = dialects.connection()
        pipeline = getattr(own, dialects.PIPELINE, None)
        if pipeline is None or not pipeline.is_at_rest:
            yield
            return
        with own.wrap_database_errors, pipeline.transaction():
            yield


def at_once(sql: str, parameters: Sequence[Any], *, prepare: bool = False) -> list[tuple[Any, ...]]:
    """Run one statement that gives rows, which is its own transaction where the caller has none.

    It goes past the layers of Django and the driver. Only one that does nothing but insert may be prepared: a
    plan that was made while a table was empty would be kept when it is full, and callers' sessions are not
    told to plan by index.
    """
    own = dialects.connection()
    alone = not own.in_atomic_block and own.get_autocommit()
    if own.vendor == "postgresql" and settings.TUNE_SESSION and alone:
        with own.wrap_database_errors:
            own.close_if_health_check_failed()
            own.ensure_connection()
            return _pipeline_of(own).run(sql, parameters, prepare=prepare)
    with own.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _pipeline_of(own: Any) -> Pipeline:
    """Give the one pipeline of a session."""
    from aion.store.pipelines import Pipeline

    found: Pipeline | None = getattr(own, _KEPT, None)
    if found is None or not found.belongs_to(own.connection):
        found = Pipeline(own.connection)
        setattr(own, _KEPT, found)
    return found


def _apply(connection: Any) -> None:
    setattr(connection, dialects.PIPELINE, _pipeline_of(connection))
    milliseconds = round(settings.LEASE * 1000)
    with connection.cursor() as cursor:
        for setting in (
            "enable_seqscan = off",
            "enable_bitmapscan = off",
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_material = off",
            "enable_sort = off",
            "plan_cache_mode = force_generic_plan",
            "jit = off",
            f"idle_in_transaction_session_timeout = {milliseconds}",
        ):
            cursor.execute(f"SET {setting}")
    if _step_aside not in connection.execute_wrappers:
        connection.execute_wrappers.append(_step_aside)


def _step_aside(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Bring the pipeline to rest before a statement that does not come through it."""
    pipeline = getattr(context["connection"], dialects.PIPELINE, None)
    if pipeline is not None and pipeline.is_open:
        pipeline.rest()
    return execute(sql, params, many, context)


def _on_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if getattr(connection, _MARK, False):
        _apply(connection)


connection_created.connect(_on_connection, dispatch_uid="aion.sessions")


def unhurried(word: str = "FROM") -> str:
    """Give the clause with which an update does not wait for the disk: for claims and heartbeats.

    One that a crash of the database undoes costs a repeated attempt, which its fence allows for. In a
    transaction the clause would hold for all of it, so there it is left out. `word` joins it to the update.
    """
    if dialects.dialect().name != "postgresql" or dialects.connection().in_atomic_block:
        return ""
    return f"{word} (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried "
