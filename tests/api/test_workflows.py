"""Starting workflows and looking at runs over HTTP."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from aion import ApplicationError, client, workflow
from aion.client import WorkflowHandle
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(engine: Engine, clock: StandingClock, script: Any) -> WorkflowHandle:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)
        if me.notes[0] == "fail":
            raise ApplicationError("told to", {"why": 1}, type="Told")
        return me.notes

    handle = engine.start("main", id="orders/42")
    engine.go()
    return handle


def post(api: APIClient, path: str, **body: Any) -> Any:
    return api.post(f"/aion/{path}", body, format="json")


def test_a_start_is_answered_with_the_run(api: APIClient, engine: Engine) -> None:
    answer = post(api, "workflows/", workflow_type="kit.greet", args=["ann"], workflow_id="hello")

    assert answer.status_code == 201
    assert uuid.UUID(answer.json()["run_id"])
    engine.go()
    assert client.get_workflow_handle("hello").result(0).text == "hello ann"


def test_a_repeated_start_gives_the_run_of_the_first(api: APIClient, engine: Engine) -> None:
    body = {"workflow_type": "kit.greet", "args": ["ann"], "workflow_id": "hello"}
    first = api.post("/aion/workflows/", body, format="json", headers={"Idempotency-Key": "k"})
    again = api.post("/aion/workflows/", body, format="json", headers={"Idempotency-Key": "k"})
    other = api.post("/aion/workflows/", body, format="json", headers={"Idempotency-Key": "l"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json() == {**first.json(), "created": False}
    assert other.json()["code"] == "workflow_already_started"
    assert other.json()["run_id"] == first.json()["run_id"]


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        ({}, 400, "invalid_argument", "workflow_type"),
        ({"workflow_type": "no.such"}, 422, "unknown_type", "no.such"),
        ({"workflow_type": "kit.greet"}, 400, "invalid_argument", "name"),
        ({"workflow_type": "kit.greet", "args": "ann"}, 400, "invalid_argument", "args"),
        (
            {"workflow_type": "kit.greet", "arg": ["ann"]},
            400,
            "invalid_argument",
            "arg: is unknown",
        ),
        (
            {"workflow_type": "kit.greet", "args": ["a"], "run_timeout": -5},
            400,
            "invalid_argument",
            "run_timeout",
        ),
        (
            {"workflow_type": "kit.greet", "args": ["a"], "id_reuse_policy": "sometimes"},
            400,
            "invalid_argument",
            "id_reuse_policy",
        ),
        ({"workflow_type": "kit.greet", "args": ["a\x00"], "workflow_id": "\x00"}, 400, "", ""),
    ],
)
def test_a_wrong_start_is_a_problem_and_changes_nothing(
    api: APIClient, body: dict[str, Any], status: int, code: str, word: str
) -> None:
    before = counts()

    answer = api.post("/aion/workflows/", body, format="json")

    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert code in answer.json()["code"]
    assert word in answer.json()["detail"]
    assert counts() == before


@pytest.mark.parametrize("body", ["{", "[1]", '"text"', "null", "7", '{"args": '])
def test_a_broken_body_is_a_problem(api: APIClient, body: str) -> None:
    answer = api.post("/aion/workflows/", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_body_of_another_kind_is_refused(api: APIClient) -> None:
    assert api.post("/aion/workflows/", "a=1", content_type="text/plain").status_code == 415


def test_a_large_body_is_refused(api: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000

    answer = post(api, "workflows/", workflow_type="kit.greet", args=["a" * 1_000])

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_run_is_described(api: APIClient, waiting: WorkflowHandle) -> None:
    answer = api.get("/aion/workflows/orders/42/").json()

    assert (answer["workflow_id"], answer["status"]) == ("orders/42", "running")
    pinned = api.get("/aion/workflows/orders/42/", {"run_id": str(waiting.run_id)})
    assert pinned.json() == answer


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("workflows/nobody/", 404),
        ("workflows/orders/42/?run_id=nonsense", 400),
        (f"workflows/orders/42/?run_id={uuid.UUID(int=5)}", 404),
        ("workflows/nobody/history/", 404),
        ("workflows/nobody/result/", 404),
        ("workflows/orders/42/history/?limit=0", 400),
        ("workflows/orders/42/history/?limit=1001", 400),
        ("workflows/orders/42/history/?from_seq=x", 400),
        (f"workflows/orders/42/history/?from_seq={2**64}", 400),
        ("workflows/orders/42/result/?wait=31", 400),
        ("workflows/orders/42/result/?wait=nan", 400),
    ],
)
def test_a_wrong_question_is_a_problem(
    api: APIClient, waiting: WorkflowHandle, path: str, status: int
) -> None:
    answer = api.get(f"/aion/{path}")

    assert answer.status_code == status, answer.content
    assert answer.json()["code"] in ("run_not_found", "invalid_argument")


def test_a_history_comes_in_pages(api: APIClient, waiting: WorkflowHandle, engine: Engine) -> None:
    for number in range(5):
        waiting.signal("note", number)
    engine.go()
    seen: list[int] = []
    at: int | None = 1
    while at is not None:
        page = api.get("/aion/workflows/orders/42/history/", {"from_seq": at, "limit": 3}).json()
        seen += [event["seq"] for event in page["events"]]
        at = page["next_seq"]

    assert seen == [recorded.seq for recorded in waiting.fetch_history()]


def test_a_result_is_there_or_not_yet(
    api: APIClient, waiting: WorkflowHandle, engine: Engine
) -> None:
    assert api.get("/aion/workflows/orders/42/result/").status_code == 202
    waiting.signal("note", {"a": [1]})
    engine.go()

    answer = api.get("/aion/workflows/orders/42/result/")

    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "completed", "result": [{"a": [1]}]},
    )


def test_a_failure_is_told_with_its_type(
    api: APIClient, waiting: WorkflowHandle, engine: Engine
) -> None:
    waiting.signal("note", "fail")
    engine.go()

    answer = api.get("/aion/workflows/orders/42/result/").json()

    assert answer["status"] == "failed"
    assert answer["failure"]["type"] == "Told"


def test_null_is_a_value(api: APIClient, waiting: WorkflowHandle, engine: Engine) -> None:
    post(api, "workflows/orders/42/signal/note/", args=[None])
    engine.go()

    assert api.get("/aion/workflows/orders/42/result/").json()["result"] == [None]


def test_a_conflict_says_where_the_run_stands(api: APIClient, waiting: WorkflowHandle) -> None:
    answer = post(api, "workflows/orders/42/resume/").json()

    assert (answer["status"], answer["run_status"]) == (409, "running")


@pytest.mark.parametrize("workflow_id", [" a ", "a\nb", "\n", "a/\u2028/b", "\u00fc"])
def test_an_id_is_any_text(api: APIClient, engine: Engine, workflow_id: str) -> None:
    body = {"workflow_type": "kit.greet", "args": ["ann"], "workflow_id": workflow_id}

    assert post(api, "workflows/", **body).json()["workflow_id"] == workflow_id
    found = api.get(f"/aion/workflows/{quote(workflow_id, safe='')}/")
    assert found.json()["workflow_id"] == workflow_id
