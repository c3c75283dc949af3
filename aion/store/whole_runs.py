"""Whole runs: all that the tables have of some, and one that comes from elsewhere."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from django.apps import apps
from django.db import models

from aion.core.archives import UpdateLine
from aion.core.history import Recorded
from aion.models import Event, Message, Run, Timer
from aion.store import retention, runs
from aion.store.dialects import connection, dialect
from aion.store.histories import EventRow, event_rows, insert_events, load_rows
from aion.store.new_runs import COLUMNS, NewRun
from aion.store.rows import NewEvents
from aion.store.sealing import stored_failure, stored_payload

Row = dict[str, Any]

_LEFT_OUT = {model._meta.db_table for model in (Event, Message, Timer)}
"""Events are read as they are stored; a closed run has no mail and no timers."""


class WholeRun(msgspec.Struct):
    """A run's row, its events as stored, and its rows of other tables, by table."""

    run: Row
    events: list[EventRow]
    rows: list[tuple[str, Row]]


def read(run_ids: Sequence[uuid.UUID]) -> list[WholeRun]:
    """Read runs with all that belongs to them; payloads are as they are stored."""
    read_time = dialect().read_time
    events = {
        run_id: [(seq, kind, read_time(at), text) for seq, kind, at, text in found]
        for run_id, found in load_rows(run_ids).items()
    }
    rows: dict[uuid.UUID, list[tuple[str, Row]]] = defaultdict(list)
    for table in retention.tables():
        if table not in _LEFT_OUT:
            for row in _rows(_model(table), "run_id", run_ids):
                rows[row["run_id"]].append((table, row))
    found = {row["id"]: row for row in _rows(Run, "id", run_ids)}
    return [
        WholeRun(found[run_id], events[run_id], rows[run_id])
        for run_id in run_ids
        if run_id in found
    ]


def _model(table: str) -> type[models.Model]:
    [found] = [model for model in apps.get_models() if model._meta.db_table == table]
    return found


def _rows(model: type[models.Model], column: str, run_ids: Sequence[uuid.UUID]) -> list[Row]:
    names = [field.attname for field in model._meta.concrete_fields]
    chosen = model._base_manager.using(connection().alias).filter(**{f"{column}__in": run_ids})
    return list(chosen.values(*names))


# --- from elsewhere -------------------------------------------------------------------------------


class Foreign(msgspec.Struct, kw_only=True):
    """A closed run from elsewhere. What its row shows besides is made from the history afterwards."""

    new: NewRun
    history: list[Recorded]
    sealed: bool
    closed_at: dt.datetime
    parent_run_id: uuid.UUID | None
    root_run_id: uuid.UUID
    continued_from_run_id: uuid.UUID | None
    updates: list[UpdateLine]


def exists(run_id: uuid.UUID) -> bool:
    """Tell whether there is a run of this id."""
    return runs.get(run_id) is not None


def has_successor(run_id: uuid.UUID) -> bool:
    """Tell whether a run follows another."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM aion_run WHERE continued_from_run_id = %s", [dialect().uuid(run_id)]
        )
        return cursor.fetchone() is not None


def insert(foreign: Foreign, *, now: dt.datetime) -> None:
    """Write a closed run. Must run inside a transaction."""
    sql = dialect()
    events = NewEvents(foreign.new.id, foreign.new.seq - 1, foreign.history, sealed=foreign.sealed)
    rows, sizes = event_rows([events])
    values = dict(zip(COLUMNS, foreign.new.row(sizes[foreign.new.id]), strict=True)) | {
        "status": "terminated",  # until the history is asked
        "head_seq": foreign.history[-1].seq,
        "parent_run_id": foreign.parent_run_id,
        "root_run_id": foreign.root_run_id,
        "continued_from_run_id": foreign.continued_from_run_id,
        "search_attributes": "{}",
        "memo": "{}",
        "closed_at": foreign.closed_at,
        "imported_at": now,
    }
    columns = COLUMNS | {"closed_at": "timestamptz", "imported_at": "timestamptz"}
    with connection().cursor() as cursor:
        sql.insert(cursor, "aion_run", columns, [tuple(values.values())])
        insert_events(cursor, rows)
        if foreign.updates:
            _insert_updates(cursor, foreign)


def _insert_updates(cursor: Any, foreign: Foreign) -> None:
    run_id = foreign.new.id
    columns = {
        "run_id": "uuid",
        "update_id": "text",
        "name": "text",
        "state": "text",
        "result": "text",
        "failure": "text",
        "created_at": "timestamptz",
    }
    rows = [
        (
            run_id,
            update.update_id,
            update.name,
            update.state,
            update.result and _as_stored(update.result, run_id, sealed=foreign.sealed),
            update.failure
            and (update.failure if foreign.sealed else stored_failure(update.failure, run_id)),
            update.created_at,
        )
        for update in foreign.updates
    ]
    dialect().insert(cursor, "aion_update", columns, rows)


def _as_stored(text: str, run_id: uuid.UUID, *, sealed: bool) -> str:
    return text if sealed else stored_payload(text, run_id)
