"""The options of a start over HTTP, and starts together with a signal."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aion import client, workflow
from aion.access import Verb
from tests.api.conftest import api_of
from tests.language.worlds import status
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

WAITING = {"workflow_type": "kit.Scripted", "args": ["main"], "workflow_id": "one"}


@pytest.fixture(autouse=True)
def waiting(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        return me.notes


def start(api: APIClient, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/aion/workflows/", body, format="json", headers=headers)


def test_a_run_is_tried_again_as_the_body_says(api: APIClient, engine: Engine) -> None:
    policy = {
        "maximum_attempts": 7,
        "initial_interval": 3,
        "backoff_coefficient": 1.5,
        "maximum_interval": 60,
        "non_retryable": ["Told"],
    }
    answer = start(api, **WAITING, retry=policy, headers={"trace": "7"})

    assert answer.status_code == 201, answer.content
    events = api.get("/aion/workflows/one/history/").json()["events"]
    stored = events[0]["attributes"]["retry"]
    assert (stored["maximum_attempts"], stored["non_retryable"]) == (7, ["Told"])
    assert stored["initial_interval"] == "PT3S"


def test_a_cron_is_taken(api: APIClient) -> None:
    assert start(api, **WAITING, cron="0 9 * * *", time_zone="Europe/Berlin").status_code == 201
    events = api.get("/aion/workflows/one/history/").json()["events"]
    assert events[0]["attributes"]["cron"] == "0 9 * * *"


def test_a_signal_comes_with_the_start_or_to_the_open_run(api: APIClient, engine: Engine) -> None:
    def signal(value: int, key: str) -> Any:
        return start(
            api,
            f"start-{key}",
            **WAITING,
            signal="note",
            signal_args=[value],
            signal_request_id=key,
        )

    first, again, second = signal(1, "a"), signal(1, "a"), signal(2, "b")

    assert (first.status_code, again.status_code, second.status_code) == (201, 200, 200)
    engine.go()
    assert client.get_workflow_handle("one").result(0) == [1, 2]


def test_a_start_that_touches_a_run_has_that_permission_too(api: APIClient) -> None:
    start(api, **WAITING)
    only = api_of(Verb.START)
    before = counts()

    signalled = start(only, **WAITING, signal="note", signal_args=[1])
    replaced = start(only, **WAITING, id_conflict_policy="terminate_existing")

    assert (signalled.status_code, replaced.status_code) == (404, 404)
    assert start(api_of(Verb.START, Verb.VIEW), **WAITING, signal="note").status_code == 403
    assert counts() == before
    assert status("one") == "running"
    both = api_of(Verb.START, Verb.TERMINATE)
    assert start(both, **WAITING, id_conflict_policy="terminate_existing").status_code == 201


@pytest.mark.parametrize(
    "options",
    [
        {"retry": {"maximum_attempts": -1}},
        {"retry": {"maximum_attempts": 10**400}},
        {"retry": {"backoff_coefficient": 0.5}},
        {"retry": {"initial_interval": 10, "maximum_interval": 1}},
        {"retry": {"initial_interval": 10**300}},
        {"retry": {"attempts": 3}},
        {"retry": "often"},
        {"cron": "often"},
        {"cron": "0 9 * * *", "time_zone": "Mars/Base"},
        {"headers": {"a": 1, "b": {}}},
        {"headers": "a"},
        {"signal": "note", "signal_args": 7},
        {"signal": "\x00"},
        {"signal": "note", "workflow_id": ""},
    ],
)
def test_a_wrong_option_changes_nothing(api: APIClient, options: dict[str, Any]) -> None:
    before = counts()

    answer = start(api, **{**WAITING, **options})

    assert answer.status_code == 400, answer.content
    assert counts() == before


def test_a_priority_is_kept_and_shown_and_checked(api: APIClient) -> None:
    before = counts()
    refused = start(api, **WAITING, priority=6)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_argument")
    assert "priority" in refused.json()["detail"]
    assert counts() == before

    assert start(api, **WAITING, priority=2).status_code == 201
    assert api.get("/aion/workflows/one/").json()["priority"] == 2


def test_a_start_beyond_a_limit_is_answered_by_429(api: APIClient, settings: Any) -> None:
    settings.AION = {**settings.AION, "OPEN_RUN_LIMITS": {"kit.Scripted": 1}}
    assert start(api, **WAITING).status_code == 201

    answer = start(api, **{**WAITING, "workflow_id": "two"})

    body = answer.json()
    assert (answer.status_code, body["code"], body["limit"]) == (429, "open_run_limit", 1)
    assert start(api, **WAITING, id_conflict_policy="use_existing").status_code == 200
