"""Messages and lifecycle verbs over HTTP, and who may use them."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aion import workflow
from aion.access import PermissionAccess, Verb
from aion.client import RunDescription, WorkflowHandle
from tests.api.conftest import api_of
from tests.language.worlds import status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

RUN = "/aion/workflows/order-42"


@pytest.fixture(autouse=True)
def waiting(engine: Engine, clock: StandingClock, script: Any) -> WorkflowHandle:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        return me.notes

    handle = engine.start("main", id="order-42")
    engine.go()
    return handle


def test_messages(api: APIClient, engine: Engine, waiting: WorkflowHandle) -> None:
    for _ in range(2):
        answer = api.post(f"{RUN}/signal/note/", {"args": [1], "request_id": "r"}, format="json")
        assert answer.status_code == 202
    engine.go()
    assert api.post(f"{RUN}/query/length/", {}, format="json").json() == {"result": 1}
    unknown = api.post(f"{RUN}/query/lenght/", {}, format="json")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_query")
    broken = api.post(f"{RUN}/query/broken/", {}, format="json")
    assert (broken.status_code, broken.json()["code"]) == (422, "query_failed")
    sent = api.post(f"{RUN}/update/nothing/", {"wait": 0, "update_id": "u"}, format="json")
    assert (sent.status_code, sent.json()) == (202, {"status": "pending", "update_id": "u"})
    engine.go()
    refused = api.post(f"{RUN}/update/nothing/", {"update_id": "u"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "update_refused")


def test_the_course_of_a_run(api: APIClient, engine: Engine, waiting: WorkflowHandle) -> None:
    def done(verb: str, **body: Any) -> tuple[int, str]:
        answer = api.post(f"{RUN}/{verb}/", body, format="json")
        engine.go()
        return answer.status_code, status("order-42")

    assert done("pause", reason="stop") == (200, "paused")
    assert done("pause") == (409, "paused")
    assert done("resume") == (200, "running")
    assert done("release") == (409, "running")
    assert done("reopen") == (409, "running")
    assert done("terminate", reason="bad") == (200, "terminated")
    assert done("cancel") == (409, "terminated")
    assert done("reopen") == (200, "running")
    assert done("cancel", reason="enough") == (200, "cancelled")
    first = waiting.describe().run_id
    reset = api.post(f"{RUN}/reset/", {"to_seq": 1}, format="json")
    assert reset.json()["run_id"] != str(first)
    assert done("reset", to_seq=0)[0] == 400
    assert status("order-42") == "running"


VERBS = {
    "signal/note/": Verb.SIGNAL,
    "query/length/": Verb.QUERY,
    "update/nothing/": Verb.UPDATE,
    "cancel/": Verb.CANCEL,
    "terminate/": Verb.TERMINATE,
    "pause/": Verb.PAUSE,
    "resume/": Verb.RESUME,
    "release/": Verb.RELEASE,
    "reopen/": Verb.REOPEN,
    "reset/": Verb.RESET,
}


@pytest.mark.parametrize("path", VERBS)
def test_each_verb_has_its_permission(path: str) -> None:
    verb = VERBS[path]
    body = {"to_seq": 1} if verb is Verb.RESET else {"wait": 0} if verb is Verb.UPDATE else {}
    others = api_of(*(each for each in Verb if each is not verb))
    before = counts()

    refused = others.post(f"{RUN}/{path}", body, format="json")

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert verb.permission in refused.json()["detail"]
    assert counts() == before
    assert api_of(verb).post(f"{RUN}/{path}", body, format="json").status_code != 403


@pytest.mark.parametrize("path", ["", "history/", "result/"])
def test_looking_has_its_permission(path: str) -> None:
    assert api_of(*set(Verb) - {Verb.VIEW}).get(f"{RUN}/{path}").status_code == 403
    assert api_of(Verb.VIEW).get(f"{RUN}/{path}").status_code in (200, 202)


@pytest.mark.parametrize("path", [*VERBS, "", "history/", "result/"])
def test_strangers_are_asked_who_they_are(path: str) -> None:
    method = "post" if path in VERBS else "get"

    answer = getattr(APIClient(), method)(f"{RUN}/{path}", {}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_authenticated")


class OwnOnly(PermissionAccess):
    """Lets users touch runs of their own only."""

    def may(self, user: Any, verb: Verb, run: RunDescription | None = None) -> bool:
        return super().may(user, verb, run) and (run is None or run.workflow_id == user.username)


def test_a_run_of_somebody_else_is_not_there(settings: Any) -> None:
    settings.AION = {**settings.AION, "ACCESS": f"{__name__}.OwnOnly"}
    api = api_of(*Verb)

    assert api.get(f"{RUN}/").status_code == 404
    answer = api.post(f"{RUN}/cancel/", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


def test_health_tells_strangers_little(api: APIClient, engine: Engine) -> None:
    engine.tick()

    assert APIClient().get("/aion/health/").json() == {"ok": True}
    assert api.get("/aion/health/").json()["workers_alive"] == 1


def test_no_worker_is_no_health(api: APIClient, engine: Engine, clock: StandingClock) -> None:
    engine.tick()
    clock.move(60)

    answer = api.get("/aion/health/")

    assert answer.status_code == 503
    assert len(answer.json()["problems"]) == 2


def test_swagger_loads_nothing_from_elsewhere(api: APIClient) -> None:
    page = api.get("/aion/docs/").content.decode()

    assert "swagger-ui" in page
    assert "//cdn" not in page
    assert 'src="http' not in page
    assert "<script>" not in page
    script = api.get("/aion/docs/?script")
    assert "/aion/schema/" in script.content.decode()
