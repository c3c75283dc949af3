"""absurd for one measurement: its schema, its queue."""

from __future__ import annotations

import os
from typing import Any, Final

import psycopg
from absurd_sdk import Absurd, AsyncAbsurd

QUEUE: Final = "benchmarks"


def url() -> str:
    return os.environ["BENCHMARKS_ABSURD_URL"]


def client() -> Absurd:
    return Absurd(url(), queue_name=QUEUE)


def async_client() -> AsyncAbsurd:
    return AsyncAbsurd(url(), queue_name=QUEUE)


def spawn(absurd: Absurd, task: str, params: dict[str, Any]) -> str:
    """Spawn a task that only workers know; give its id."""
    return str(absurd.spawn(task, params, queue=QUEUE)["task_id"])


def migrate() -> None:
    """Make the schema, as `absurdctl init` does with psql."""
    from absurdctl import BUNDLED_SCHEMA_SQL

    with psycopg.connect(url(), autocommit=True) as connection:
        (found,) = connection.execute("SELECT to_regnamespace('absurd')").fetchone() or (None,)
        if found is None:
            connection.execute(BUNDLED_SCHEMA_SQL)


def empty() -> None:
    """Make the queue's tables anew."""
    absurd = client()
    absurd.drop_queue(QUEUE)
    absurd.create_queue(QUEUE)
    absurd.close()


def ended() -> int:
    """Count the tasks that have completed."""
    return _count(f"SELECT count(*) FROM absurd.t_{QUEUE} WHERE state = 'completed'")  # noqa: S608


def steps() -> int:
    """Count the steps that are recorded."""
    return _count(f"SELECT count(*) FROM absurd.c_{QUEUE}")  # noqa: S608


def _count(sql: str) -> int:
    with psycopg.connect(url(), autocommit=True) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return int(row[0])
