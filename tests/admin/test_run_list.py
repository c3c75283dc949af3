"""The list of runs in the admin."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from aion import client, workflow
from aion.access import PermissionAccess, Verb
from aion.client import WorkflowHandle
from tests.admin.conftest import browser_of
from tests.language.worlds import status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

LIST = "/admin/aion/run/"
Open = Callable[..., str]


@pytest.fixture
def runs(engine: Engine, clock: StandingClock, script: Any, acting: Any) -> list[WorkflowHandle]:
    """Three runs: one that sleeps, one that waits for an activity, one that has ended."""

    @acting
    def never() -> None: ...

    @script
    async def sleeping(me: kit.Scripted) -> None:
        await workflow.sleep(3600)

    @script
    async def working(me: kit.Scripted) -> None:
        await kit.act.execute("never")

    handles = [
        engine.start("sleeping", id="a-sleeping"),
        engine.start("working", id="b-working"),
        client.start_workflow(kit.greet, "ann", id="c-greeting"),
    ]
    engine.turns()
    return handles


def ids(page: str) -> list[str]:
    return re.findall(r'field-workflow_id"><a href="[^"]+">([^<]+)<', page)


def test_the_newest_run_is_first_with_what_it_waits_for(
    runs: list[WorkflowHandle], open_page: Open
) -> None:
    page = open_page("run/")

    assert ids(page) == ["c-greeting", "b-working", "a-sleeping"]
    assert "kit.act" in page
    assert "timer, 20" in page


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"q": "b-"}, ["b-working"]),
        ({"q": "type:kit.greet"}, ["c-greeting"]),
        ({"q": "WorkflowType = 'kit.greet' AND ExecutionStatus = 'Completed'"}, ["c-greeting"]),
        ({"q": "ExecutionStatus = 'Running' ORDER BY StartTime ASC"}, ["a-sleeping", "b-working"]),
        ({"status": "completed"}, ["c-greeting"]),
        ({"status": "held"}, []),
        ({"type": "kit.Scripted", "q": "a-"}, ["a-sleeping"]),
        ({"started": "hour"}, ["c-greeting", "b-working", "a-sleeping"]),
    ],
)
def test_search_and_filters(
    runs: list[WorkflowHandle], open_page: Open, parameters: dict[str, str], found: list[str]
) -> None:
    assert ids(open_page("run/", **parameters)) == found


@pytest.mark.parametrize("text", ["WorkflowTyp = 'x'", "status:", "NOT", '"', "a = b = c", "\x00"])
def test_a_search_that_cannot_be_read_is_explained(
    runs: list[WorkflowHandle], open_page: Open, text: str
) -> None:
    page = open_page("run/", q=text)

    assert 'class="aion-problem"' in page
    assert ids(page) == []


@pytest.mark.parametrize(
    "parameters", [{"cursor": "nonsense"}, {"status": "nonsense"}, {"type": "\x00"}]
)
def test_parameters_made_up_are_explained(
    runs: list[WorkflowHandle], open_page: Open, parameters: dict[str, str]
) -> None:
    assert ids(open_page("run/", **parameters)) == []


def test_pages_follow_each_other(engine: Engine, open_page: Open) -> None:
    for number in range(120):
        client.start_workflow(kit.greet, "ann", id=f"many-{number:03}")
    seen: list[str] = []
    page = open_page("run/", q="many-")
    while True:
        seen += ids(page)
        following = re.search(r'href="\?([^"]+)" rel="next"', page)
        if following is None:
            break
        page = open_page(f"run/?{following[1].replace('&amp;', '&')}")

    assert seen == [f"many-{number:03}" for number in reversed(range(120))]


def test_the_list_takes_a_fixed_number_of_statements(
    engine: Engine, browser: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        client.start_workflow(kit.greet, "ann", id=f"many-{number:03}")
    browser.get(LIST)
    with django_assert_max_num_queries(14):
        browser.get(LIST)


def test_what_users_write_is_escaped(engine: Engine, open_page: Open) -> None:
    client.start_workflow(kit.greet, "ann", id="<script>alert(1)</script>")

    page = open_page("run/", q="<script>")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# --- acting on many --------------------------------------------------------------------------------


def selected(runs: list[WorkflowHandle]) -> list[str]:
    return [str(handle.run_id) for handle in runs]


def test_an_action_asks_for_a_reason_and_does_it(
    runs: list[WorkflowHandle], engine: Engine, browser: Client
) -> None:
    asked = browser.post(LIST, {"action": "terminate", "run": selected(runs)})

    assert asked.status_code == 200
    assert "c-greeting (completed)" in asked.content.decode()
    assert status("a-sleeping") == "running"

    done = browser.post(
        f"{LIST}batch/terminate/", {"run": selected(runs), "reason": "not needed"}, follow=True
    )

    assert [status(name) for name in ("a-sleeping", "b-working", "c-greeting")] == [
        "terminated",
        "terminated",
        "completed",
    ]
    assert "2 runs" in done.content.decode()
    assert "c-greeting" in done.content.decode()
    entries = LogEntry.objects.order_by("id").values_list("change_message", flat=True)
    assert list(entries) == ["Terminate: not needed"] * 2
    assert runs[0].fetch_history()[-1].attributes["reason"] == "not needed"


def test_an_action_without_a_selection_does_nothing(
    runs: list[WorkflowHandle], browser: Client
) -> None:
    answer = browser.post(LIST, {"action": "terminate"}, follow=True)

    assert "Choose an action" in answer.content.decode()


def test_actions_follow_permissions(runs: list[WorkflowHandle]) -> None:
    looker = browser_of(Verb.VIEW, Verb.CANCEL)
    page = looker.get(LIST).content.decode()

    assert re.findall(r'<option value="(\w+)">', page) == ["cancel"]
    assert looker.post(LIST, {"action": "terminate", "run": selected(runs)}).status_code == 403
    answer = looker.post(f"{LIST}batch/terminate/", {"run": selected(runs)})
    assert answer.status_code == 403
    assert status("a-sleeping") == "running"


def test_strangers_see_nothing(runs: list[WorkflowHandle]) -> None:
    assert Client().get(LIST).status_code == 302
    assert browser_of(Verb.CANCEL).get(LIST).status_code == 403


class BOnly(PermissionAccess):
    """Lets users see the runs whose ids begin with b."""

    def may(self, user: Any, verb: Verb, run: Any = None) -> bool:
        allowed = run is None or run.workflow_id.startswith("b-")
        return allowed and super().may(user, verb, run)

    def scope(self, user: Any) -> str:
        return "WorkflowId STARTS_WITH 'b-'"


def test_a_scope_limits_the_list_and_the_acts(
    runs: list[WorkflowHandle], browser: Client, open_page: Open, settings: Any
) -> None:
    settings.AION = {**settings.AION, "ACCESS": f"{__name__}.BOnly"}

    assert ids(open_page("run/")) == ["b-working"]
    assert ids(open_page("run/", q="ORDER BY StartTime DESC")) == ["b-working"]
    assert ids(open_page("run/", q="WorkflowId = 'a-sleeping' OR WorkflowId = 'b-working'")) == [
        "b-working"
    ]
    escaping = "WorkflowId = 'a-sleeping') OR (WorkflowId = 'a-sleeping'"
    assert ids(open_page("run/", q=escaping)) == []
    browser.post(f"{LIST}batch/terminate/", {"run": selected(runs)})
    assert status("a-sleeping") == "running"
    assert browser.get(f"{LIST}{runs[0].run_id}/change/").status_code == 404
