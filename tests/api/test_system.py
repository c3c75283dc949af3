"""What the system has, over HTTP: search attributes, workers, workflow types."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aion import client
from aion.access import Verb
from tests.api.conftest import api_of
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

LOOKING = (
    "doctor/",
    "search-attributes/",
    "workers/",
    "workflow-types/",
    "workflow-types/kit.Scripted/",
)


def register(api: APIClient, **body: Any) -> Any:
    return api.post("/aion/search-attributes/", body, format="json")


def test_a_search_attribute_is_registered_once(api: APIClient) -> None:
    for _ in range(2):
        answer = register(api, name="Colour", kind="keyword")
        assert answer.json() == {"name": "Colour", "kind": "keyword", "source": "table"}
    other = register(api, name="Colour", kind="int")
    assert (other.status_code, other.json()["code"]) == (409, "wrong_state")
    found = api.get("/aion/search-attributes/").json()["search_attributes"]
    assert {"name": "Colour", "kind": "keyword", "source": "table"} in found


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Colour"},
        {"name": "Colour", "kind": "colour"},
        {"name": "\x00", "kind": "int"},
        {"name": "x" * 256, "kind": "int"},
        {"name": "WorkflowId", "kind": "int"},
        {"name": 10**400, "kind": "int"},
        {"name": ["a"], "kind": {"a": 1}},
    ],
)
def test_a_wrong_search_attribute_is_refused(api: APIClient, body: dict[str, Any]) -> None:
    before = counts()

    assert register(api, **body).status_code == 400
    assert counts() == before


def test_workers_are_listed(api: APIClient, engine: Engine) -> None:
    [worker] = api.get("/aion/workers/").json()["workers"]
    assert worker["id"] == str(engine.worker.id)
    assert worker["alive"] is True


def test_workflow_types_say_what_their_runs_understand(api: APIClient) -> None:
    assert "kit.Scripted" in api.get("/aion/workflow-types/").json()["workflow_types"]
    found = api.get("/aion/workflow-types/kit.Scripted/").json()
    handlers = {(each["kind"], each["name"]): each for each in found["handlers"]}
    [parameter] = handlers["signal", "note"]["parameters"]
    assert (parameter["name"], parameter["required"]) == ("value", True)
    assert ("query", "length") in handlers


@pytest.mark.parametrize("name", ["no.such", "%00", "x" * 300])
def test_an_unknown_workflow_type_is_not_found(api: APIClient, name: str) -> None:
    answer = api.get(f"/aion/workflow-types/{name}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_type")


@pytest.mark.parametrize("path", LOOKING)
def test_looking_has_its_permission(db: None, path: str) -> None:
    assert api_of(*(set(Verb) - {Verb.VIEW})).get(f"/aion/{path}").status_code == 403
    assert api_of(Verb.VIEW).get(f"/aion/{path}").status_code == 200
    assert APIClient().get(f"/aion/{path}").json()["code"] == "not_authenticated"


def test_registering_has_its_permission(db: None) -> None:
    body = {"name": "Colour", "kind": "int"}
    others = api_of(*(set(Verb) - {Verb.ADD_SEARCH_ATTRIBUTE}))
    assert register(others, **body).json()["code"] == "permission_denied"
    assert register(APIClient(), **body).json()["code"] == "not_authenticated"
    assert register(api_of(Verb.ADD_SEARCH_ATTRIBUTE), **body).status_code == 200


def test_the_doctor_says_what_is_stuck(api: APIClient, engine: Engine) -> None:
    client.start_workflow(kit.Waiting, id="paused").pause()

    answer = api.get("/aion/doctor/").json()

    [paused] = [each for each in answer["findings"] if each["code"] == "paused_runs"]
    assert paused["examples"] == ["paused"]
    assert set(answer) == {"ok", "at", "findings"}
