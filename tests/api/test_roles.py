"""Four roles at every operation of the document: who looks, who acts, and that refusals change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.test import APIClient

from aion.access import Verb
from tests.api.conftest import user_with
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

LOOKING: Final = (Verb.VIEW, Verb.VIEW_SCHEDULE)
FOR_ALL: Final = {"get_health", "schema_retrieve"}  # of those who are somebody
PLACES: Final = {
    "workflow_id": "open",
    "activity_id": "1",
    "schedule_id": "open",
    "name": "note",
    "workflow_type": "kit.greet",
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "start_workflow": {"workflow_type": "kit.greet", "args": ["ann"]},
    "reset_workflow": {"to_seq": 1},
    "update_workflow": {"wait": 0},
    "batch_workflows": {"verb": "cancel", "query": "WorkflowId = 'open'", "dry_run": True},
    "create_schedule": {
        "schedule_id": "open",
        "spec": {"crons": ["0 9 * * *"]},
        "action": {"workflow_type": "kit.greet", "args": ["ann"]},
    },
    "register_search_attribute": {"name": "Colour", "kind": "int"},
}


@pytest.fixture(autouse=True)
def there(open_run: None, engine: Engine, api: APIClient) -> None:
    engine.tick()
    made = api.post("/aion/schedules/", BODIES["create_schedule"], format="json")
    assert made.status_code == 201


def operations(api: APIClient) -> Iterator[tuple[str, str, str]]:
    """The name, method and path of every operation, about what is there."""
    document = api.get("/aion/schema/?format=json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = re.sub(r"{(\w+)}", lambda found: PLACES[found[1]], path)
            yield operation["operationId"], method, filled


def answers(role: Any, asked: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """What each operation answers to a role, each for itself."""
    api = APIClient()
    if role is not None:
        api.force_authenticate(role)
    found = {}
    for name, method, path in asked:
        at = transaction.savepoint()
        found[name] = getattr(api, method)(path, BODIES.get(name, {}), format="json")
        transaction.savepoint_rollback(at)
    return found


def refused(found: dict[str, Any], code: str) -> set[str]:
    return {
        name
        for name, answer in found.items()
        if answer.status_code in (401, 403) and answer.json()["code"] == code
    }


def test_strangers_and_those_without_a_role_see_nothing(api: APIClient) -> None:
    asked = list(operations(api))
    names = {name for name, _, _ in asked}
    before = counts()

    strangers, nobody = answers(None, asked), answers(user_with(), asked)

    assert refused(strangers, "not_authenticated") == names - {"get_health"}
    assert refused(nobody, "permission_denied") == names - FOR_ALL
    assert strangers["get_health"].json() == nobody["get_health"].json() == {"ok": True}
    assert counts() == before


def test_a_viewer_looks_and_does_nothing(api: APIClient) -> None:
    asked = list(operations(api))
    looks = {name for name, method, _ in asked if method == "get"}
    before = counts()

    found = answers(user_with(*LOOKING), asked)

    assert refused(found, "permission_denied") == set(found) - looks
    assert all(found[name].status_code in (200, 202) for name in looks)
    assert counts() == before


@pytest.mark.parametrize("role", ["operator", "superuser"])
def test_an_operator_and_a_superuser_are_refused_nothing(api: APIClient, role: str) -> None:
    user = user_with(*Verb) if role == "operator" else User.objects.create_superuser("root")

    found = answers(user, operations(api))

    assert not refused(found, "permission_denied")
    wrong = {name: each.content for name, each in found.items() if each.status_code >= 400}
    assert set(wrong) <= STATES, wrong


STATES: Final = {
    "resume_workflow",  # it is not paused
    "release_workflow",
    "reopen_workflow",
    "query_workflow",  # the name is that of a signal
    "unpause_activity",
    "resume_schedule",
    "create_schedule",  # the id is taken
    "fail_activity",  # bodies that lack something
    "backfill_schedule",
    "complete_activity_by_token",
    "fail_activity_by_token",
    "heartbeat_activity_by_token",
}
"""The operations that a state or a missing field refuses to those who may."""
