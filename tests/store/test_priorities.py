"""Who goes first: by priority, the oldest first within one, and at no cost where all are of one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import connection as default_connection

from aion.core.events import SignalReceived
from aion.core.ids import uuid7
from aion.core.priority import LEAD
from aion.models import ActivityTask, Message, Run, Timer
from aion.store import activities, claims, mailbox, publishing
from aion.store.dialects import atomic, connection
from tests.support.clocks import START
from tests.support.rows import insert_activity, insert_run, quiet_run

pytestmark = pytest.mark.django_db

ME = uuid7()
BACKLOG = 2_000  # runs that wait, where a plan is looked at
LIMIT = 20


def claimed(limit: int = 10, **given: Any) -> list[uuid.UUID]:
    with atomic():
        found = claims.claim(worker_id=ME, now=START, limit=limit, **given)
    return [one.run.id for one in found]


def timer(run_id: uuid.UUID, seconds: float, priority: int) -> None:
    at = START + dt.timedelta(seconds=seconds)
    Timer.objects.create(run_id=run_id, timer_id="1", fire_at=at, priority=priority)


def test_urgent_runs_come_first_and_the_oldest_of_one_priority() -> None:
    runs = {name: insert_run(priority=number) for name, number in _COMING}

    order = [name for name, _ in sorted(_COMING, key=lambda one: one[1])]
    assert claimed() == [runs[name] for name in order]
    assert claimed(limit=2) == [runs[name] for name in order[:2]], "those that wait are chosen so"


_COMING = [("a", 3), ("b", 5), ("c", 1), ("d", 3), ("e", 4), ("f", 1), ("g", 2)]


def test_a_message_overtakes_no_more_than_its_lead() -> None:
    late, early = quiet_run(priority=2), quiet_run()
    Message.objects.create(id=5, run_id=early, kind="wake", created_at=START, priority=3)
    Message.objects.create(id=LEAD + 4, run_id=late, kind="wake", created_at=START, priority=2)
    assert claimed(limit=1) == [late]

    Message.objects.filter(run_id=late).update(id=LEAD + 6)
    assert claimed(limit=1) == [early]
    assert claimed() == [early, late], "and within a batch"


def test_a_message_goes_by_the_priority_of_its_run_whoever_sends_it() -> None:
    run_id, other = quiet_run(priority=1), quiet_run()

    mailbox.post(
        [mailbox.message(to, SignalReceived(name="s")) for to in (run_id, other)], now=START
    )

    assert dict(Message.objects.values_list("run_id", "priority")) == {run_id: 1, other: 3}


def test_due_timers_of_urgent_runs_come_before_older_ones() -> None:
    old, older, urgent, most_urgent, idle = (quiet_run(priority=p) for p in (3, 4, 2, 1, 1))
    timer(old, -10, 3)
    timer(older, -20, 4)
    timer(urgent, -1, 2)
    timer(most_urgent, 0, 1)
    timer(idle, 1, 1)

    assert claimed() == [most_urgent, urgent, old, older]
    assert set(claimed(limit=1)) == {most_urgent, older}, "one of the urgent, one of all"


def test_waiting_attempts_are_begun_and_published_by_priority() -> None:
    run_id = quiet_run()
    order = {"late": 3, "low": 5, "first": 1, "early": 3}
    ids = {insert_activity(run_id, name): name for name in order}
    for task_id, name in ids.items():
        minutes = {"early": 2}.get(name, 1)
        ActivityTask.objects.filter(id=task_id).update(
            priority=order[name],
            next_attempt_at=START - dt.timedelta(minutes=minutes),
            published_at=None,
        )
    not_due = insert_activity(run_id, "not due")
    ActivityTask.objects.filter(id=not_due).update(
        priority=1, next_attempt_at=START + dt.timedelta(seconds=1), published_at=None
    )

    wanted = ["first", "early", "late", "low"]
    assert [ids[task_id] for task_id, _ in activities.ready(now=START, limit=9)] == wanted
    assert [ids[task_id] for task_id, _ in activities.ready(now=START, limit=2)] == wanted[:2]
    assert claims.next_due() == (None, START - dt.timedelta(minutes=2))
    taken = publishing.take_unclaimed(now=START, stale_after=dt.timedelta(seconds=9), limit=9)
    assert [ids[one.id] for one in taken] == wanted
    assert [one.priority for one in taken] == [1, 3, 3, 5]


@pytest.mark.parametrize("priority", [3, 2])
def test_the_row_of_an_activity_and_of_a_run_show_it(priority: int) -> None:
    run_id = insert_run(priority=priority)

    assert Run.objects.get(id=run_id).priority == priority
    assert Message.objects.get().priority == priority
    assert claims.lock_run(run_id).priority == priority  # type: ignore[union-attr]


# --- plans ----------------------------------------------------------------------------------------


def backlog(priority: str) -> None:
    """Runs that wait for their first turn, without histories, and an activity and a due timer of each."""
    with default_connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_run (id, workflow_id, workflow_type, definition_hash, behaviour_version, "
            "task_queue, status, head_seq, first_seq, history_bytes, started_at, request_id, "
            "parent_close_policy, chain_position, search_attributes, memo, problem_count, priority) "
            "SELECT gen_random_uuid(), 'w' || n, 'kit.None', '', 1, 'default', 'running', 1, 1, 9, %s, "
            f"'', '', 0, '{{}}', '{{}}', 0, {priority} FROM generate_series(1, %s) AS n",
            [START, BACKLOG],
        )
        cursor.execute(
            "INSERT INTO aion_message (run_id, kind, body, created_at, parked, priority) "
            "SELECT id, 'wake', '{}', started_at, false, priority FROM aion_run"
        )
        cursor.execute(
            "INSERT INTO aion_timer (run_id, timer_id, fire_at, parked, priority) "
            "SELECT id, '1', started_at, false, priority FROM aion_run"
        )
        cursor.execute(
            'INSERT INTO aion_activitytask (id, run_id, activity_id, activity_type, task_queue, "order", '
            "state, attempt, scheduled_at, next_attempt_at, timeout_kind, heartbeat_details, "
            "cancel_requested, paused, priority) SELECT id, id, '1', 'kit.act', 'default', '{}', "
            "'scheduled', 1, started_at, started_at, '', '[]', false, false, priority FROM aion_run"
        )
        for table in ("run", "message", "timer", "activitytask"):
            cursor.execute(f"ANALYZE aion_{table}")


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(one for part in plan.get("Plans", []) for one in nodes(part))]


def explained(sql: str, parameters: list[Any]) -> list[dict[str, Any]]:
    with connection().cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
        found = cursor.fetchone()[0]
    return nodes(found[0]["Plan"])


@pytest.mark.postgres
@pytest.mark.parametrize("priority", ["3", "1 + n %% 5"])
def test_a_claim_reads_only_what_it_takes_however_many_wait(priority: str) -> None:
    backlog(priority)

    found = explained(*claims._claim_sql(ME, START, LIMIT, (), [], noted=True))

    scans = [node for node in found if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert {node.get("Index Name") for node in scans} == {
        "aion_message_ready",
        "aion_timer_due",
        "aion_timer_urgent",
        "aion_run_pkey",
    }
    for node in scans:
        assert node["Actual Rows"] * node["Actual Loops"] <= LIMIT, node
        assert not node.get("Rows Removed by Filter"), node
    assert not [node for node in found if "Sort" in node["Node Type"]]


@pytest.mark.postgres
@pytest.mark.parametrize("priority", ["3", "1 + n %% 5"])
def test_waiting_attempts_are_read_as_far_as_they_are_taken(
    priority: str, django_assert_num_queries: Any
) -> None:
    backlog(priority)
    with django_assert_num_queries(1) as seen:
        activities.ready(now=START, limit=LIMIT)

    found = explained(seen.captured_queries[0]["sql"], [])

    [scan] = [node for node in found if "Relation Name" in node]
    assert scan["Index Name"] == "aion_activity_ready"
    assert scan["Actual Rows"] == LIMIT
    assert not [node for node in found if "Sort" in node["Node Type"]]
