"""What a tick costs does not depend on how many schedules wait."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aion import client
from aion.models import Schedule
from aion.store import schedules
from aion_engine.runtime.schedules import bring_on_due
from tests.conftest import on_postgresql
from tests.runtime.schedule_kit import MINUTE
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import greet

pytestmark = pytest.mark.django_db

WAITING = int(os.environ.get("AION_WAITING_SCHEDULES") or 3_000)
DUE = 3
FAR = START + dt.timedelta(days=30)


def make_due() -> None:
    for number in range(DUE):
        client.create_schedule(f"due-{number}", greet, "ada", spec=MINUTE, overlap="allow_all")


def make_waiting(count: int) -> None:
    """Schedules whose next time is far, all like the first one, and what the planner knows of them."""
    like = Schedule.objects.get(schedule_id="due-0")
    rows = []
    for number in range(count):
        values = {field.attname: getattr(like, field.attname) for field in Schedule._meta.fields}
        del values["id"]
        values |= {"schedule_id": f"far-{number}", "next_at": FAR, "due_at": FAR}
        rows.append(Schedule(**values))
    Schedule.objects.bulk_create(rows, batch_size=1_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE aion_schedule")


def statements(clock: StandingClock) -> int:
    """How many statements the next minute takes."""
    clock.at += MINUTE
    with CaptureQueriesContext(connection) as captured:
        assert bring_on_due(clock.at) == DUE
    return len(captured)


def test_waiting_schedules_add_no_statement(engine: Engine, clock: StandingClock) -> None:
    make_due()
    statements(clock)  # from here on each has a run
    alone = statements(clock)

    make_waiting(WAITING)

    assert statements(clock) == alone


def test_due_schedules_are_found_by_their_index(engine: Engine, clock: StandingClock) -> None:
    make_due()
    make_waiting(WAITING)

    with CaptureQueriesContext(connection) as captured:
        assert len(schedules.due(now=START + MINUTE, limit=500)) == DUE

    [query] = captured.captured_queries
    explain = "EXPLAIN" if on_postgresql() else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {query['sql']}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "aion_schedule_due" in plan, plan
    assert "Seq Scan" not in plan, plan
