"""Single activities over HTTP: operated by their ids, given their outcome by their token."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aion import ApplicationError, activity
from aion.access import Verb
from tests.api.conftest import api_of
from tests.client.operated import World, world
from tests.support.rows import counts

__all__ = ["world"]

pytestmark = pytest.mark.django_db

ONE = "/aion/workflows/main/activities/1"
VERBS = ("pause", "unpause", "reset", "retry", "complete", "fail")
TOKENS = ("complete", "fail", "heartbeat")


def post(api: APIClient, path: str, **body: Any) -> Any:
    return api.post(path, body, format="json")


@pytest.fixture
def failing(world: World) -> World:
    """An activity whose first attempt has failed and waits for the next."""
    world.problem = ApplicationError("not yet")
    world.start()
    world.engine.go()
    assert world.shown.state == "backing_off"
    return world


@pytest.fixture
def tokens(world: World) -> list[str]:
    """The tokens of an activity that is completed from outside."""
    found: list[str] = []

    def ask() -> None:
        found.append(activity.info().task_token)
        activity.raise_complete_async()

    world.during = ask
    world.start()
    world.engine.go()
    return found


def test_an_activity_is_paused_and_goes_on(api: APIClient, failing: World) -> None:
    answer = post(api, f"{ONE}/pause/", reason="why")
    assert (answer.status_code, answer.json()["activity_id"]) == (200, "1")
    assert failing.shown.pause_reason == "why"
    assert failing.shown.paused_by
    assert post(api, f"{ONE}/pause/").status_code == 409
    assert post(api, f"{ONE}/retry/").json()["code"] == "wrong_state"
    assert post(api, f"{ONE}/unpause/").status_code == 200
    assert post(api, f"{ONE}/reset/").status_code == 200
    failing.problem = None
    failing.engine.go()
    assert failing.handle.result(0) == 2


def test_a_retry_comes_at_once(api: APIClient, failing: World) -> None:
    failing.problem = None
    assert post(api, f"{ONE}/retry/").status_code == 200
    assert failing.result() == 2


def test_an_outcome_is_given_by_hand(api: APIClient, failing: World) -> None:
    assert post(api, f"{ONE}/complete/", result={"a": 1}, reason="known").status_code == 200
    assert failing.result() == {"a": 1}
    again = post(api, f"{ONE}/complete/", result=2)
    assert again.status_code in (404, 409)


def test_a_failure_is_given_by_hand(api: APIClient, failing: World) -> None:
    assert post(api, f"{ONE}/fail/", message="no", type="Told", details=[1]).status_code == 200
    assert failing.result()[:2] == ["Told", "no"]


def test_an_unknown_activity_is_not_found(api: APIClient, failing: World) -> None:
    for verb in VERBS:
        body = {"message": "x"} if verb == "fail" else {}
        for path in ("main/activities/9", "main/activities/%00", f"main/activities/{'9' * 300}"):
            answer = post(api, f"/aion/workflows/{path}/{verb}/", **body)
            assert answer.status_code in (400, 404), answer.content
        assert post(api, f"/aion/workflows/x/activities/1/{verb}/", **body).status_code == 404


@pytest.mark.parametrize("verb", VERBS)
def test_operating_has_its_permission(failing: World, verb: str) -> None:
    body = {"message": "x"} if verb == "fail" else {}
    before = counts()
    refused = post(api_of(*(set(Verb) - {Verb.OPERATE_ACTIVITY})), f"{ONE}/{verb}/", **body)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert post(APIClient(), f"{ONE}/{verb}/", **body).json()["code"] == "not_authenticated"
    assert counts() == before
    allowed = post(api_of(Verb.OPERATE_ACTIVITY), f"{ONE}/{verb}/", **body)
    assert allowed.status_code in (200, 409)


def test_a_token_completes(api: APIClient, world: World, tokens: list[str]) -> None:
    beat = post(api, "/aion/activities/heartbeat/", token=tokens[0], details=[1])
    assert (beat.status_code, beat.json()) == (200, {"stop_reason": None})
    done = post(api, "/aion/activities/complete/", token=tokens[0], result=[1])
    assert done.status_code == 204
    assert world.result() == [1]
    again = post(api, "/aion/activities/complete/", token=tokens[0], result=[1])
    assert (again.status_code, again.json()["code"]) == (404, "activity_not_found")


def test_a_token_fails(api: APIClient, world: World, tokens: list[str]) -> None:
    first = post(api, "/aion/activities/fail/", token=tokens[0], message="later")
    assert first.json() == {"will_retry": True}
    world.move(minutes=11)
    world.engine.go()
    last = post(
        api, "/aion/activities/fail/", token=tokens[1], message="no", type="T", non_retryable=True
    )
    assert last.json() == {"will_retry": False}
    assert world.result()[:2] == ["T", "no"]


@pytest.mark.parametrize("verb", TOKENS)
def test_a_token_is_not_enough(verb: str) -> None:
    path, body = f"/aion/activities/{verb}/", {"token": "x", "message": "x"}
    if verb != "fail":
        del body["message"]
    others = api_of(*(set(Verb) - {Verb.OPERATE_ACTIVITY}))
    assert post(others, path, **body).json()["code"] == "permission_denied"
    assert post(APIClient(), path, **body).json()["code"] == "not_authenticated"
    unknown = post(api_of(Verb.OPERATE_ACTIVITY), path, **body)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize("token", ["", "\x00", "x" * 2_000, 7, None, ["x"], "a:b:c", "\u00fc"])
@pytest.mark.parametrize("verb", TOKENS)
def test_a_wrong_token_is_a_problem(api: APIClient, verb: str, token: Any) -> None:
    body = {"token": token, **({"message": "x"} if verb == "fail" else {})}
    assert post(api, f"/aion/activities/{verb}/", **body).status_code == 400
