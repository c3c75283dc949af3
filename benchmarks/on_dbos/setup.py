"""DBOS for one measurement: its configuration, its tables, its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy
from dbos import DBOS, DBOSClient

QUEUE: Final = "benchmarks"
POLL: Final = 0.05
"""Seconds between two looks at the queue, in place of one second; shorter ones cost more than they gain."""
_TOGETHER: Final = 10  # workflows of the queue that a process runs at once
_TABLES: Final = ("operation_outputs", "notifications", "queues", "workflow_status")


def url() -> str:
    """Give the database's URL, in SQLAlchemy's words."""
    given = os.environ["BENCHMARKS_DBOS_URL"]
    for scheme in ("postgresql://", "postgres://"):
        if given.startswith(scheme):
            return "postgresql+psycopg://" + given.removeprefix(scheme)
    return given


@contextmanager
def launched(*, queue: bool = False) -> Iterator[None]:
    """Run DBOS in this process meanwhile; with `queue` it works for that too."""
    from benchmarks.on_dbos import workflows  # noqa: F401  # registers them

    DBOS(
        config={
            "name": "benchmarks",
            "system_database_url": url(),
            "log_level": "ERROR",
            "application_version": "1",
        }
    )
    DBOS.listen_queues([QUEUE] if queue else [])
    DBOS.launch()
    if queue:
        DBOS.register_queue(QUEUE, worker_concurrency=_TOGETHER, polling_interval_sec=POLL)
    try:
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


@contextmanager
def client() -> Iterator[DBOSClient]:
    """Give a client as a process has that runs no workflows."""
    made = DBOSClient(system_database_url=url(), application_name="benchmarks")
    try:
        yield made
    finally:
        made.destroy()


def migrate() -> None:
    """Make the tables, as a launch does."""
    with launched():
        pass


def empty() -> None:
    """Empty the tables of workflows."""
    engine = sqlalchemy.create_engine(url())
    with engine.begin() as connection:
        for name in _TABLES:
            connection.execute(sqlalchemy.text(f"DELETE FROM {table(name)}"))  # noqa: S608  # constants
    engine.dispose()


def table(name: str) -> str:
    """Give the full name of one of DBOS's tables."""
    return name if url().startswith("sqlite") else f"dbos.{name}"
