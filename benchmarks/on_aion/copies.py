"""Copies a run that waits, by SQL: as many rows as one wants, such as the engine wrote them."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.apps import apps
from django.db import connection

_TABLES: Final = ("aion_event", "aion_timer")


def copy_run(run_id: uuid.UUID, count: int) -> None:
    """Make so many runs that are like a run but for their ids, with all of its events and timers."""
    own_id = run_id if connection.vendor == "postgresql" else run_id.hex
    with connection.cursor() as cursor:
        _copy_runs(cursor, own_id, count)
        for table in _TABLES:
            _copy_rows(cursor, table, own_id)
        cursor.execute("ANALYZE")


def _copy_runs(cursor: Any, own_id: object, count: int) -> None:
    numbers, new_id = (
        ("generate_series(1, %s) AS numbers (n)", "gen_random_uuid()")
        if connection.vendor == "postgresql"
        else (
            "(WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up LIMIT %s) "
            "SELECT n FROM up) AS numbers",
            "lower(hex(randomblob(16)))",
        )
    )
    given = {"id": new_id, "workflow_id": "'copy-' || n"}
    columns = _columns("aion_run")
    values = [given.get(column, f"run.{column}") for column in columns]
    cursor.execute(
        f"INSERT INTO aion_run ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
        f"FROM aion_run AS run CROSS JOIN {numbers} WHERE run.id = %s",
        [count, own_id],
    )


def _copy_rows(cursor: Any, table: str, own_id: object) -> None:
    """Give each copy of the run what the run has in a table. Keys that count are counted on."""
    columns = [column for column in _columns(table) if column != "id"]
    values = ["copy.id" if column == "run_id" else f"own.{column}" for column in columns]
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
        f"FROM {table} AS own CROSS JOIN aion_run AS copy "
        "WHERE own.run_id = %s AND copy.workflow_id LIKE 'copy-%%'",
        [own_id],
    )


def _columns(table: str) -> list[str]:
    models = {model._meta.db_table: model for model in apps.get_app_config("aion").get_models()}
    return [field.column for field in models[table]._meta.concrete_fields if field.column]
