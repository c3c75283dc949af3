"""Lists and counts of runs, as callers ask for them."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from aion import client, workflow
from aion.core.errors import InvalidArgument, InvalidListQuery
from aion.models import Run
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def start(name: str, **options: Any) -> client.WorkflowHandle:
    return client.start_workflow(kit.greet, "ann", id=name, **options)


def ids(query: str = "", **filters: Any) -> list[str]:
    return [run.workflow_id for run in client.list_workflows(query, **filters)]


@pytest.fixture
def three(clock: StandingClock) -> list[client.WorkflowHandle]:
    """Three runs, a minute apart; the second is closed."""
    handles = []
    for number in range(3):
        values = {"n": number, "tags": ["all", f"t{number}"]}
        handles.append(start(f"run-{number}", search_attributes=values, memo={"number": number}))
        clock.at += MINUTE
    handles[1].terminate("enough")
    return handles


def test_a_list_gives_light_summaries_the_newest_first(three: list[client.WorkflowHandle]) -> None:
    last, middle, _ = client.list_workflows()

    assert last == client.WorkflowSummary(
        workflow_id="run-2",
        run_id=three[2].run_id,
        workflow_type="kit.greet",
        task_queue="default",
        status="running",
        is_held=False,
        started_at=START + 2 * MINUTE,
        closed_at=None,
        duration=None,
        parent_run_id=None,
        root_run_id=three[2].run_id,
        history_length=1,
        history_bytes=last.history_bytes,
        search_attributes={"n": 2, "tags": ["all", "t2"]},
    )
    assert last.history_bytes > 0
    assert (middle.status, middle.duration) == ("terminated", 2 * MINUTE)
    assert (last.memo, middle.memo) == ({"number": 2}, {"number": 1})


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"query": "n >= 1"}, ["run-2", "run-1"]),
    ({"query": "n >= 1 ORDER BY StartTime"}, ["run-1", "run-2"]),
    ({"query": "tags = 'all'", "status": "running"}, ["run-2", "run-0"]),
    ({"search": "run- is:closed"}, ["run-1"]),
    ({"search": "attr.n=2"}, ["run-2"]),
    ({"workflow_type": kit.greet, "status": ["terminated", "failed"]}, ["run-1"]),
    ({"workflow_type": "unknown"}, []),
    ({"workflow_id": "run-1"}, ["run-1"]),
    ({"workflow_id_prefix": "run-"}, ["run-2", "run-1", "run-0"]),
    ({"started_after": START + MINUTE}, ["run-2", "run-1"]),
    ({"started_before": START + MINUTE}, ["run-0"]),
    ({"closed_after": START}, ["run-1"]),
    ({"closed_before": START}, []),
    ({"search_attributes": {"n": 0}}, ["run-0"]),
    ({"search_attributes": {"tags": ["all", "t2"]}}, ["run-2"]),
    ({"search_attributes": {"color": None, "n": 1}}, ["run-1"]),
    ({"held": False, "order_by": "StartTime"}, ["run-0", "run-1", "run-2"]),
    ({"held": True}, []),
    ({"order_by": "-CloseTime"}, ["run-2", "run-0", "run-1"]),
    ({"limit": 2}, ["run-2", "run-1"]),
    ({"limit": 0}, []),
    ({"limit": 2, "page_size": 1}, ["run-2", "run-1"]),
    ({"older_code": True}, []),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=lambda value: str(value)[:40])
def test_filters_narrow_a_list(
    three: list[client.WorkflowHandle], filters: dict[str, Any], expected: list[str]
) -> None:
    found = ids(**filters)

    if "CloseTime" in str(filters):
        assert sorted(found[:2]) + found[2:] == sorted(expected[:2]) + expected[2:]
    else:
        assert found == expected


def test_runs_of_older_code_and_held_runs_are_found(three: list[client.WorkflowHandle]) -> None:
    Run.objects.filter(workflow_id="run-0").update(definition_hash="another")
    Run.objects.filter(workflow_id="run-2").update(held_until=START)

    assert ids(older_code=True) == ["run-0"]
    assert ids(held=True) == ids("Held = true") == ["run-2"]
    assert next(iter(client.list_workflows(held=True))).is_held


def test_children_are_found_by_their_parent(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.start_child_workflow(kit.Scripted, "wait", id="child")
        await workflow.wait_condition(lambda: False)

    handle = engine.start("main", id="family")
    engine.turns()

    assert ids(parent="family") == ids(parent=handle.run_id) == ["child"]
    assert ids("ParentWorkflowId = 'family'") == ["child"]
    assert sorted(ids(f"RootRunId = '{handle.run_id}'")) == ["child", "family"]


def test_pages_follow_each_other_by_cursor(three: list[client.WorkflowHandle]) -> None:
    listed = client.list_workflows("n >= 0", page_size=2)
    first = listed.page()
    start("newer", search_attributes={"n": 9})
    second = client.list_workflows("n >= 0", page_size=2, cursor=first.next_cursor or "").page()

    assert [run.workflow_id for run in first.runs] == ["run-2", "run-1"]
    assert [run.workflow_id for run in second.runs] == ["run-0"]
    assert second.next_cursor is None


AT_THE_END_OF_TIME = base64.urlsafe_b64encode(
    b'["StartTime",true,"9999-12-31T23:59:59-14:00","00000000-0000-0000-0000-000000000000"]'
).decode()

BAD: list[tuple[dict[str, Any], str]] = [
    ({"query": "n > "}, "query"),
    ({"query": "unknown = 1"}, "query"),
    ({"search": "typ:x"}, "query"),
    ({"query": 7}, "query"),
    ({"workflow_type": 7}, "workflow_type"),
    ({"status": "runing"}, "status"),
    ({"status": []}, "status"),
    ({"status": 7}, "status"),
    ({"workflow_id": 7}, "workflow_id"),
    ({"workflow_id_prefix": "a\0"}, "workflow_id_prefix"),
    ({"started_after": dt.datetime(2030, 1, 1)}, "started_after"),
    ({"started_before": 5}, "started_before"),
    ({"parent": 7}, "parent"),
    ({"held": "yes"}, "held"),
    ({"older_code": "yes"}, "older_code"),
    ({"search_attributes": {"n": "x"}}, "search_attributes"),
    ({"search_attributes": {"WorkflowId": "x"}}, "search_attributes"),
    ({"search_attributes": ["n"]}, "search_attributes"),
    ({"order_by": "n"}, "order_by"),
    ({"order_by": "StartTime", "query": "ORDER BY StartTime"}, "order_by"),
    ({"limit": -1}, "limit"),
    ({"page_size": 0}, "page_size"),
    ({"page_size": 1001}, "page_size"),
    ({"cursor": "x"}, "cursor"),
    ({"cursor": "W10"}, "cursor"),
    ({"cursor": 7}, "cursor"),
    ({"cursor": AT_THE_END_OF_TIME}, "cursor"),
]


@pytest.mark.parametrize(("filters", "field"), BAD, ids=lambda value: ascii(value)[:40])
def test_what_cannot_be_used_is_refused_by_name(filters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.list_workflows(**filters)

    assert caught.value.context["field"] == field


def test_a_cursor_of_another_order_is_refused(three: list[client.WorkflowHandle]) -> None:
    cursor = client.list_workflows(page_size=1).page().next_cursor

    with pytest.raises(InvalidArgument, match="another order"):
        client.list_workflows(order_by="CloseTime", cursor=cursor or "")


def test_counts(three: list[client.WorkflowHandle]) -> None:
    assert client.count_workflows() == client.WorkflowCount(3, is_capped=False)
    assert client.count_workflows(cap=2) == client.WorkflowCount(2, is_capped=True)
    assert client.count_workflows("n = 1").count == 1
    by_status = client.count_workflows(group_by="status", cap=1)
    assert by_status.groups == {
        "running": client.WorkflowCount(1, is_capped=True),
        "terminated": client.WorkflowCount(1, is_capped=False),
    }
    assert (by_status.count, by_status.is_capped) == (2, True)
    assert client.count_workflows(group_by="type", status="running").groups == {
        "kit.greet": client.WorkflowCount(2, is_capped=False)
    }
    for bad in ({"group_by": "queue"}, {"cap": 0}):
        with pytest.raises(InvalidArgument):
            client.count_workflows(**bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidListQuery):
        client.count_workflows("n")
    with pytest.raises(TypeError):
        client.count_workflows(unknown=1)


@pytest.mark.parametrize("filters", [{}, {"status": "running"}, {"query": "WorkflowId = 'x'"}])
def test_a_page_is_one_statement_where_no_attribute_is_named(
    three: list[client.WorkflowHandle], filters: dict[str, Any], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        client.list_workflows(**filters).page()


@pytest.mark.django_db(transaction=True)
def test_the_twins_do_the_same(clock: StandingClock) -> None:
    for number in range(3):
        start(f"run-{number}", search_attributes={"n": number})
        clock.at += MINUTE

    async def look() -> Any:
        listed = await client.alist_workflows("n >= 1", page_size=1)
        names = [run.workflow_id async for run in listed]
        page = await listed.apage()
        counted = await client.acount_workflows("n >= 1")
        return names, len(page.runs), counted.count

    assert async_to_sync(look)() == (["run-2", "run-1"], 1, 2)


def test_a_run_id_is_found_by_a_search(three: list[client.WorkflowHandle]) -> None:
    run_id = three[1].run_id
    assert isinstance(run_id, uuid.UUID)

    assert ids(search=str(run_id)) == ["run-1"]
