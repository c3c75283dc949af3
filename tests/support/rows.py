"""Rows made and read directly, for tests below the engine."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec
from django.apps import apps

from aion.core.events import ActivityScheduled, Event, SignalReceived, WorkflowStarted
from aion.core.history import Recorded, encode_event
from aion.core.ids import uuid7
from aion.models import Message
from aion.store import activity_rows, new_runs
from aion.store.dialects import atomic, connection
from aion.store.rows import ActivityOrder
from aion.store.workers import WorkerIdentity
from tests.support.clocks import START

TABLES = tuple(apps.get_app_config("aion").get_models())


def counts() -> dict[str, int]:
    """How many rows each of Aion's tables has. One statement: hundreds of tests ask twice."""
    asked = [
        f"SELECT '{model.__name__}', count(*) FROM {connection().ops.quote_name(model._meta.db_table)}"
        for model in TABLES
    ]
    with connection().cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        return dict(cursor.fetchall())


def new_run(workflow_id: str = "", *, at: dt.datetime = START, **started: Any) -> new_runs.NewRun:
    run_id = uuid7()
    event = WorkflowStarted(
        workflow_id=workflow_id or str(run_id),
        **{"workflow_type": "kit.None", "seed": run_id.hex, **started},
    )
    return new_runs.NewRun(run_id, event, at)


def insert_run(workflow_id: str = "", **started: Any) -> uuid.UUID:
    """An open run with its first event and its first message."""
    new = new_run(workflow_id, **started)
    with atomic():
        assert new_runs.try_insert(new)
    return new.id


def quiet_run(workflow_id: str = "", **started: Any) -> uuid.UUID:
    """An open run that waits for nothing."""
    run_id = insert_run(workflow_id, **started)
    Message.objects.filter(run_id=run_id).delete()
    return run_id


def signals(first_seq: int, count: int, *, at: dt.datetime = START) -> list[Recorded]:
    """Events for a history, told apart by their names."""
    return [
        Recorded(seq, at, SignalReceived(name=f"s{seq}"))
        for seq in range(first_seq, first_seq + count)
    ]


def order_of(run_id: uuid.UUID, activity_id: str = "1", **order: Any) -> ActivityOrder:
    order = {"input": msgspec.Raw(b"{}"), **order}
    event = ActivityScheduled(activity_id=activity_id, activity_type="kit.act", **order)
    return ActivityOrder(
        id=uuid7(),
        run_id=run_id,
        activity_id=activity_id,
        activity_type="kit.act",
        task_queue=event.task_queue or "default",
        order=encode_event(event).decode(),
    )


def insert_activity(
    run_id: uuid.UUID, activity_id: str = "1", *, now: dt.datetime = START, **order: Any
) -> uuid.UUID:
    made = order_of(run_id, activity_id, **order)
    with connection().cursor() as cursor:
        activity_rows.insert(cursor, [made], now)
    return made.id


def worker(name: str = "w") -> WorkerIdentity:
    return WorkerIdentity(id=uuid7(), name=name, host="here", pid=1, queues=("default",))


def mailbox_of(run_id: uuid.UUID) -> list[str]:
    return list(Message.objects.filter(run_id=run_id).order_by("id").values_list("kind", flat=True))


def events_of(run_id: uuid.UUID) -> list[Event]:
    from aion.store import histories

    return [recorded.event for recorded in histories.load_one(run_id)]


def kinds_of(run_id: uuid.UUID) -> list[str]:
    return [type(event).__name__ for event in events_of(run_id)]
