"""Pausing all pending activities of a type."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from aion import client
from aion.models import ActivityTask
from aion.operations import pause_activity
from aion.store import activities
from aion.store.dialects import connection
from tests.support.clocks import START, StandingClock
from tests.support.rows import insert_activity, quiet_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def some(number: int) -> list[uuid.UUID]:
    run_id = quiet_run()
    return [insert_activity(run_id, str(each)) for each in range(number)]


def paused() -> int:
    return ActivityTask.objects.filter(paused=True, pause_reason="why", paused_by="me").count()


def test_all_of_a_type_are_paused_and_unpaused(clock: StandingClock) -> None:
    some(3)
    other = insert_activity(quiet_run(), "9")
    ActivityTask.objects.filter(id=other).update(activity_type="other")

    assert client.pause_activity_type("kit.act", reason="why", by="me") == 3
    assert client.pause_activity_type("kit.act") == 0
    assert paused() == 3
    assert activities.ready(now=clock.at, limit=9) == [(other, 1)]

    assert client.unpause_activity_type("kit.act", jitter=dt.timedelta(hours=1)) == 3
    assert paused() == 0
    moments = set(ActivityTask.objects.values_list("next_attempt_at", flat=True)) - {START}
    assert len(moments) == 3
    assert len(activities.ready(now=clock.at + dt.timedelta(hours=1), limit=9)) == 4


def test_batches_cost_statements_not_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause_activity, "_BATCH", 4)
    some(10)

    def run(action: Any) -> tuple[int, int]:
        with CaptureQueriesContext(connection()) as captured:
            count = action("kit.act")
        skipped = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
        return count, sum(not q["sql"].startswith(skipped) for q in captured)

    # Three batches and the look that finds no more, then the look for those that others held.
    assert run(client.pause_activity_type) == (10, 4 + 3 + 1)
    assert run(client.unpause_activity_type) == (10, 4 + 6 + 1)


def test_a_running_attempt_of_the_type_is_told() -> None:
    task_id = some(1)[0]
    owner = uuid.uuid4()
    attempt = activities.claim_attempt(task_id, 1, owner_id=owner, pid=1, now=START)
    assert attempt is not None

    client.pause_activity_type("kit.act")

    assert [held.reason for held in activities.held_by(owner)] == ["paused"]
    assert activities.heartbeat(attempt, "[]", now=START) == "paused"
