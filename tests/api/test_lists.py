"""Lists, counts and batches over HTTP, and what they are limited to."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aion import workflow
from aion.access import PermissionAccess, Verb
from aion.client import RunDescription
from tests.api.conftest import api_of
from tests.language.worlds import status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

IDS = ("ann-1", "ann-2", "bob-1", "bob-2", "bob-3")


@pytest.fixture(autouse=True)
def five(engine: Engine, clock: StandingClock, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)

    for workflow_id in IDS:
        engine.start("main", id=workflow_id)
        clock.move(1)
    engine.go()


def ids(api: APIClient, **asked: Any) -> list[str]:
    answer = api.get("/aion/workflows/", asked)
    assert answer.status_code == 200, answer.content
    return [run["workflow_id"] for run in answer.json()["runs"]]


def batch(api: APIClient, **body: Any) -> Any:
    return api.post("/aion/workflow-batches/", body, format="json")


class AnnOnly(PermissionAccess):
    """Shows the runs of ann, by a scope alone."""

    def scope(self, user: Any) -> str:
        return "WorkflowId STARTS_WITH 'ann-'"


class AnnOnlyByRun(PermissionAccess):
    """Lets users touch the runs of ann, and limits no list."""

    def may(self, user: Any, verb: Verb, run: RunDescription | None = None) -> bool:
        return super().may(user, verb, run) and (run is None or run.workflow_id.startswith("ann"))


@pytest.fixture
def ann_only(settings: Any) -> None:
    settings.AION = {**settings.AION, "ACCESS": f"{__name__}.AnnOnly"}


def test_lists_are_filtered_and_ordered(api: APIClient) -> None:
    assert ids(api) == list(reversed(IDS))
    assert ids(api, query="WorkflowId = 'ann-1' OR WorkflowId = 'bob-1'") == ["bob-1", "ann-1"]
    assert ids(api, query="WorkflowId STARTS_WITH 'ann' ORDER BY StartTime ASC") == [
        "ann-1",
        "ann-2",
    ]
    assert ids(api, type="no.such") == []
    assert ids(api, status=["completed", "failed"]) == []
    assert len(ids(api, status=["running", "failed"], type="kit.Scripted")) == 5
    assert len(ids(api, search="status:running")) == 5


def test_pages_have_each_run_once(api: APIClient) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/aion/workflows/", {"page_size": 2, "cursor": cursor}).json()
        seen += [run["workflow_id"] for run in page["runs"]]
        cursor = page["next_cursor"]
    assert seen == list(reversed(IDS))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "WorkflowId = 'ann-1' OR WorkflowId STARTS_WITH 'bob'",
        "WorkflowId IS NOT NULL ORDER BY StartTime DESC",
        "NOT WorkflowId = 'ann-9'",
    ],
)
def test_no_query_reaches_beyond_the_scope(api: APIClient, ann_only: None, query: str) -> None:
    assert set(ids(api, query=query)) <= {"ann-1", "ann-2"}
    counted = api.get("/aion/workflow-counts/", {"query": query}).json()
    assert counted["count"] == len(ids(api, query=query))


def test_an_order_survives_the_scope(api: APIClient, ann_only: None) -> None:
    assert ids(api, query="ORDER BY StartTime ASC") == ["ann-1", "ann-2"]


def test_a_search_stays_in_the_scope(api: APIClient, ann_only: None) -> None:
    assert len(ids(api, search="status:running")) == 2


def test_counts(api: APIClient) -> None:
    def count(**asked: Any) -> Any:
        return api.get("/aion/workflow-counts/", asked).json()

    assert count() == {"count": 5, "is_capped": False, "groups": {}}
    assert count(group_by="type")["groups"]["kit.Scripted"]["count"] == 5
    assert count(group_by="status")["groups"]["running"]["count"] == 5
    assert count(query="WorkflowId = 'bob-2'")["count"] == 1


@pytest.mark.parametrize("path", ["workflows/", "workflow-counts/"])
@pytest.mark.parametrize(
    "asked",
    [
        {"query": "WorkflowId ="},
        {"query": "Nonsense = 1"},
        {"query": "(" * 5_000},
        {"query": "x" * 10_001},
        {"query": "WorkflowId = '\x00'"},
        {"search": "\x00"},
        {"type": "\x00"},
        {"type": "x" * 256},
        {"status": "sleeping"},
        {"page_size": "0", "group_by": "colour"},
        {"page_size": "9" * 400, "group_by": "\x00"},
        {"cursor": "nonsense", "group_by": "nonsense"},
        {"cursor": "\u00fc", "group_by": "\u00fc"},
    ],
)
def test_a_wrong_question_is_a_problem(api: APIClient, path: str, asked: dict[str, str]) -> None:
    answer = api.get(f"/aion/{path}", asked)

    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"


def test_a_batch_does_its_verb_and_says_where_to_go_on(api: APIClient) -> None:
    query = "WorkflowId STARTS_WITH 'bob'"
    first = batch(api, verb="terminate", query=query, limit=2, reason="why").json()
    assert (first["matched"], first["done"], first["failed"]) == (2, 2, 0)
    rest = batch(api, verb="terminate", query=query, cursor=first["cursor"]).json()

    assert (rest["done"], rest["cursor"]) == (1, None)
    assert {status(each) for each in IDS if each.startswith("bob")} == {"terminated"}
    assert {status(each) for each in IDS if each.startswith("ann")} == {"running"}


def test_a_dry_run_counts_only(api: APIClient) -> None:
    before = counts()
    answer = batch(api, verb="cancel", query="WorkflowId IS NOT NULL", dry_run=True).json()

    assert (answer["matched"], answer["done"], answer["dry_run"]) == (5, 0, True)
    assert counts() == before


def test_a_repeated_batch_signals_once(api: APIClient, engine: Engine) -> None:
    body = {"verb": "signal", "signal": "note", "args": [7], "query": "WorkflowId = 'ann-1'"}
    for _ in range(2):
        answer = api.post(
            "/aion/workflow-batches/", body, format="json", headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200, answer.content
    kinds = [event["kind"] for event in _history(api, engine, "ann-1")]
    assert kinds.count("SignalReceived") == 1


def _history(api: APIClient, engine: Engine, workflow_id: str) -> list[dict[str, Any]]:
    engine.go()
    events: list[dict[str, Any]] = api.get(f"/aion/workflows/{workflow_id}/history/").json()[
        "events"
    ]
    return events


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "terminate", "reopen", "signal"])
def test_a_batch_has_the_permission_of_its_verb(verb: str) -> None:
    body = {"verb": verb, "query": "WorkflowId IS NOT NULL", "dry_run": True}
    if verb == "signal":
        body["signal"] = "note"
    needed = Verb(f"{verb}_run")
    before = counts()

    refused = batch(api_of(*(set(Verb) - {needed})), **body)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert batch(api_of(needed), **body).status_code == 403
    assert batch(api_of(needed, Verb.VIEW), **body).status_code == 200
    assert counts() == before


@pytest.mark.parametrize("rules", [AnnOnly, AnnOnlyByRun])
def test_a_batch_reaches_no_further_than_the_rules(
    api: APIClient, settings: Any, rules: type
) -> None:
    settings.AION = {**settings.AION, "ACCESS": f"{__name__}.{rules.__name__}"}
    query = "WorkflowId = 'x' OR WorkflowId IS NOT NULL"

    answer = batch(api, verb="terminate", query=query).json()

    assert (answer["done"], answer["failed"]) == (2, 0)
    assert [status(each) for each in IDS] == ["terminated"] * 2 + ["running"] * 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verb": "cancel"},
        {"verb": "cancel", "query": ""},
        {"verb": "cancel", "query": "   "},
        {"verb": "cancel", "query": "ORDER BY StartTime ASC"},
        {"verb": "forget", "query": "WorkflowId IS NOT NULL"},
        {"verb": "cancel", "query": "WorkflowId IS NOT NULL", "limit": 1_001},
        {"verb": "cancel", "query": "WorkflowId IS NOT NULL", "limit": 10**400},
        {"verb": "cancel", "query": "WorkflowId IS NOT NULL", "cursor": "x"},
        {"verb": "cancel", "query": "WorkflowId IS NOT NULL", "signal": "note"},
        {"verb": "cancel", "query": "WorkflowId IS NOT NULL", "reason": "\x00"},
        {"verb": "signal", "query": "WorkflowId IS NOT NULL"},
        {"verb": "signal", "query": "WorkflowId IS NOT NULL", "signal": "a", "reason": "b"},
    ],
)
def test_a_wrong_batch_changes_nothing(api: APIClient, body: dict[str, Any]) -> None:
    before = counts()

    answer = batch(api, **body)

    assert answer.status_code == 400, answer.content
    assert counts() == before


@pytest.mark.parametrize("path", ["workflows/", "workflow-counts/"])
def test_lists_have_the_permission_to_look(path: str) -> None:
    assert api_of(*(set(Verb) - {Verb.VIEW})).get(f"/aion/{path}").status_code == 403
    assert api_of(Verb.VIEW).get(f"/aion/{path}").status_code == 200
    assert api_of(Verb.VIEW).head(f"/aion/{path}").status_code == 200
    assert APIClient().get(f"/aion/{path}").json()["code"] == "not_authenticated"
