"""Schedules over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from rest_framework.test import APIClient

from aion.access import Verb
from tests.api.conftest import api_of
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

ACTION = {"workflow_type": "kit.greet", "args": ["ann"]}
BODY = {"schedule_id": "day/ly", "spec": {"crons": ["0 9 * * *"]}, "action": ACTION}
ONE = "/aion/schedules/day/ly/"


@pytest.fixture(autouse=True)
def standing(engine: Engine, clock: StandingClock) -> None:
    """Time stands still, and there is a worker."""


def post(api: APIClient, path: str, body: Any, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(path, body, format="json", headers=headers)


@pytest.fixture
def made(api: APIClient) -> dict[str, Any]:
    answer = post(api, "/aion/schedules/", BODY, "first")
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_a_schedule_is_made_once(api: APIClient, made: dict[str, Any]) -> None:
    assert made["config"]["spec"]["crons"] == ["0 9 * * *"]
    assert made["config"]["action"]["workflow_type"] == "kit.greet"
    assert made["config"]["action"]["input"] == {"args": ["ann"]}
    assert len(made["next_times"]) == 10
    assert post(api, "/aion/schedules/", BODY, "first").status_code == 200
    other = post(api, "/aion/schedules/", BODY, "second")
    assert (other.status_code, other.json()["code"]) == (409, "schedule_already_exists")
    assert api.get(ONE).json() == made


def test_a_schedule_takes_all_of_its_options(api: APIClient) -> None:
    body = {
        "schedule_id": "full",
        "spec": {
            "crons": ["0 9 * * *"],
            "intervals": [{"every": 3600, "offset": 60}],
            "calendars": [{"hour": "9", "day_of_month": "13", "day_of_week": "FRI"}],
            "time_zone": "Europe/Berlin",
            "skip": ["0 9 * * 1"],
            "skip_dates": ["2030-01-01"],
            "start_at": "2020-01-01T00:00:00Z",
            "end_at": "2090-01-01T00:00:00Z",
            "jitter": 5,
        },
        "action": {
            **ACTION,
            "workflow_id": "full-{time}",
            "retry": {"maximum_attempts": 2, "initial_interval": 3},
            "memo": {"a": 1},
            "run_timeout": 60,
        },
        "overlap": "buffer_one",
        "catch_up": "one",
        "catch_up_window": 600,
        "pause_on_failure": True,
        "remaining_actions": 3,
        "paused": True,
        "note": "later",
    }

    answer = post(api, "/aion/schedules/", body).json()

    assert (answer["paused"], answer["note"], answer["remaining_actions"]) == (True, "later", 3)
    assert answer["config"]["overlap"] == "buffer_one"
    assert answer["config"]["action"]["retry"]["maximum_attempts"] == 2
    assert answer["config"]["action"]["memo"] == {"a": 1}


def test_an_update_changes_what_is_given(api: APIClient, made: dict[str, Any]) -> None:
    changed = api.patch(ONE, {"overlap": "allow_all", "token": made["token"]}, format="json")
    assert changed.status_code == 200, changed.content
    assert changed.json()["config"] == {**made["config"], "overlap": "allow_all"}

    late = api.patch(ONE, {"overlap": "skip", "token": made["token"]}, format="json")

    assert (late.status_code, late.json()["code"]) == (409, "schedule_conflict")
    assert api.get(ONE).json()["config"]["overlap"] == "allow_all"
    again = api.patch(
        ONE, {"spec": {"intervals": [{"every": 60}]}, "action": ACTION}, format="json"
    )
    assert again.json()["config"]["spec"]["intervals"] == [{"every": "PT60S", "offset": "P0D"}]
    assert api.patch(ONE, {"remaining_actions": 2}, format="json").json()["remaining_actions"] == 2
    ended = api.patch(ONE, {"remaining_actions": None}, format="json").json()
    assert ended["remaining_actions"] is None


def test_the_course_of_a_schedule(
    api: APIClient, made: dict[str, Any], engine: Engine, clock: StandingClock
) -> None:
    assert post(api, f"{ONE}pause/", {"note": "stop"}).json()["paused"] is True
    assert post(api, f"{ONE}pause/", {}).status_code == 409
    assert post(api, f"{ONE}resume/", {}).json()["paused"] is False
    fired = [post(api, f"{ONE}trigger/", {"overlap": "allow_all"}, "k").json() for _ in range(2)]
    assert fired[0]["nominal_at"] == fired[1]["nominal_at"]
    assert fired[0]["state"] == "running"
    now = clock.read()
    times = {"start_at": (now - dt.timedelta(days=2)).isoformat(), "end_at": now.isoformat()}
    back = [post(api, f"{ONE}backfill/", times, "b").json() for _ in range(2)]
    assert back == [{"count": 2}, {"count": 0}]
    assert api.delete(f"{ONE}?reason=done").status_code == 204
    gone = api.get(ONE)
    assert (gone.status_code, gone.json()["code"]) == (404, "schedule_not_found")
    assert api.delete(ONE).status_code == 404


def test_lists_come_in_pages(api: APIClient) -> None:
    for number in range(5):
        post(api, "/aion/schedules/", {**BODY, "schedule_id": f"s{number}", "paused": number == 1})
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = api.get("/aion/schedules/", {"limit": 2, "after": after}).json()
        seen += [each["schedule_id"] for each in page["schedules"]]
        after = page["next_after"]
    assert seen == [f"s{number}" for number in range(5)]
    paused = api.get("/aion/schedules/", {"paused": "true"}).json()["schedules"]
    assert [each["schedule_id"] for each in paused] == ["s1"]
    assert len(api.get("/aion/schedules/", {"paused": "false"}).json()["schedules"]) == 4
    assert api.get("/aion/schedules/", {"type": "no.such"}).json()["schedules"] == []


VERBS: dict[tuple[str, str], tuple[Verb, Any]] = {
    ("get", "/aion/schedules/"): (Verb.VIEW_SCHEDULE, {}),
    ("post", "/aion/schedules/"): (Verb.CREATE_SCHEDULE, {**BODY, "schedule_id": "other"}),
    ("get", ONE): (Verb.VIEW_SCHEDULE, {}),
    ("patch", ONE): (Verb.UPDATE_SCHEDULE, {"overlap": "allow_all"}),
    ("delete", ONE): (Verb.DELETE_SCHEDULE, {}),
    ("post", f"{ONE}pause/"): (Verb.PAUSE_SCHEDULE, {}),
    ("post", f"{ONE}resume/"): (Verb.RESUME_SCHEDULE, {}),
    ("post", f"{ONE}trigger/"): (Verb.TRIGGER_SCHEDULE, {}),
    ("post", f"{ONE}backfill/"): (Verb.BACKFILL_SCHEDULE, {}),
}


@pytest.mark.parametrize("which", VERBS)
def test_each_verb_has_its_permission(made: dict[str, Any], which: tuple[str, str]) -> None:
    method, path = which
    verb, body = VERBS[which]
    others = api_of(*(each for each in Verb if each is not verb))
    before = counts()

    refused = getattr(others, method)(path, body, format="json")

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert verb.permission in refused.json()["detail"]
    stranger = getattr(APIClient(), method)(path, body, format="json")
    assert stranger.json()["code"] == "not_authenticated"
    assert counts() == before
    assert getattr(api_of(verb), method)(path, body, format="json").status_code not in (403, 500)


def test_to_trigger_at_once_has_its_permission() -> None:
    refused = post(
        api_of(Verb.CREATE_SCHEDULE), "/aion/schedules/", {**BODY, "trigger_immediately": True}
    )
    assert refused.status_code == 403
    assert Verb.TRIGGER_SCHEDULE.permission in refused.json()["detail"]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"schedule_id": ""}, 400),
        ({"schedule_id": "\x00"}, 400),
        ({"schedule_id": "x" * 256}, 400),
        ({"schedule_id": 10**400}, 400),
        ({"spec": {}}, 400),
        ({"spec": {"crons": ["61 * * * *"]}}, 400),
        ({"spec": {"crons": "0 9 * * *"}}, 400),
        ({"spec": {"cron": ["0 9 * * *"]}}, 400),
        ({"spec": {"intervals": [{"every": 0}]}}, 400),
        ({"spec": {"intervals": [{"every": 10**300}]}}, 400),
        ({"spec": {"crons": ["0 0 30 2 *"]}}, 400),
        ({"spec": {"calendars": [{"day_of_month": "30", "month": "2"}]}}, 400),
        ({"spec": {"calendars": [{"year": "2020"}]}}, 400),
        ({"spec": {"calendars": [{"week": "1"}]}}, 400),
        ({"spec": {"calendars": "daily"}}, 400),
        ({"spec": {"crons": ["0 9 * * *"], "time_zone": "Mars/Base"}}, 400),
        ({"spec": {"crons": ["0 9 * * *"], "end_at": "2001-01-01T00:00:00Z"}}, 400),
        ({"spec": {"crons": ["0 9 * * *"], "start_at": "0001-01-01T00:00:00+14:00"}}, 400),
        ({"action": {}}, 400),
        ({"action": {"workflow_type": "no.such"}}, 422),
        ({"action": {"workflow_type": "kit.greet"}}, 400),
        ({"action": {**ACTION, "workflow_id": "{nonsense}"}}, 400),
        ({"action": {**ACTION, "retry": {"maximum_attempts": -1}}}, 400),
        ({"action": {**ACTION, "headers": {"a": "\x00"}}}, 400),
        ({"overlap": "sometimes"}, 400),
        ({"catch_up_window": 1}, 400),
        ({"remaining_actions": 10**400}, 400),
        ({"remaining_actions": -1}, 400),
        ({"surprise": 1}, 400),
    ],
)
def test_a_wrong_schedule_is_not_made(api: APIClient, change: Any, number: int) -> None:
    before = counts()

    answer = post(api, "/aion/schedules/", {**BODY, **change})

    assert answer.status_code == number, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert counts() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("trigger/", {"overlap": "x"}),
        ("backfill/", {}),
        ("backfill/", {"start_at": "2020-01-02T00:00:00Z", "end_at": "2020-01-01T00:00:00Z"}),
        ("backfill/", {"start_at": "2020-01-01T00:00:00Z", "end_at": "9999-12-31T23:59:59-14:00"}),
        ("backfill/", {"start_at": "2020-01-01T00:00:00Z", "end_at": "9000-01-01T00:00:00Z"}),
        ("pause/", {"note": "x" * 256}),
        ("pause/", {"note": "\x00"}),
    ],
)
def test_a_wrong_verb_changes_nothing(
    api: APIClient, made: dict[str, Any], path: str, body: Any
) -> None:
    before = counts()

    assert post(api, f"{ONE}{path}", body).status_code == 400
    assert counts() == before
    assert api.get(ONE).json() == made


def test_without_its_key_a_schedule_is_shown_and_what_needs_the_key_is_503(
    api: APIClient, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    action = {**ACTION, "memo": {"a": 1}, "headers": {"b": "c"}}
    made = post(api, "/aion/schedules/", {**BODY, "action": action}).json()
    assert made["unreadable"] is None
    assert made["config"]["action"]["headers"] == {"b": "c"}
    assert "sealed" not in made["config"]["action"]
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])
    before = counts()

    shown = api.get(ONE)
    [listed] = api.get("/aion/schedules/").json()["schedules"]

    assert shown.status_code == 200
    assert shown.json()["next_times"] == made["next_times"]
    assert "needs key 'old'" in shown.json()["unreadable"]
    assert listed["unreadable"] == shown.json()["unreadable"]
    patched = api.patch(ONE, {"overlap": "allow_all"}, format="json")
    for answer in (patched, post(api, f"{ONE}trigger/", {})):
        assert (answer.status_code, answer.json()["code"]) == (503, "unknown_payload_key")
    assert counts() == before
    assert post(api, f"{ONE}pause/", {}).status_code == 200
    replaced = api.patch(ONE, {"action": ACTION}, format="json").json()
    assert (replaced["unreadable"], replaced["config"]["action"]["input"]) == (
        None,
        {"args": ["ann"]},
    )
