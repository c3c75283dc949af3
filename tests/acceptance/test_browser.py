"""The admin in a real browser, under a strict content security policy, with a real worker behind it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from aion import client
from aion.admin.verbs import VERBS
from aion.client import WorkflowHandle
from tests.acceptance.processes import Cluster
from tests.conftest import on_postgresql
from tests.sample.workflows import Order
from tests.support.waiting import eventually

pytest.importorskip("playwright", reason="needs Playwright: make setup")

from tests.acceptance.browsers import Browser, chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(on_postgresql(), reason="a page is the same on each database: tests/admin"),
]
WIDTHS = (400, 1280)  # the last one stays


@pytest.fixture
def browser(transactional_db: None, live_server: Any, tmp_path: Path) -> Iterator[Browser]:
    with chromium(live_server.url, tmp_path / "profile") as started:
        yield started


def member_of_staff(name: str, *codenames: str) -> None:
    user = User.objects.create_user(name, password=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def waiting_order(key: str) -> WorkflowHandle:
    handle = client.start_workflow(Order, key, id=f"order-{key}")
    eventually(lambda: handle.describe().timers, timeout=60, what="it waits to be approved")
    return handle


def line_of_the_wait() -> int:
    lines, first = inspect.getsourcelines(Order.run)
    return first + next(number for number, line in enumerate(lines) if "wait_condition" in line)


def test_a_hanging_order_is_found_understood_and_helped(
    browser: Browser, embedded_workers: Cluster
) -> None:
    embedded_workers.aion_worker("one")
    order = waiting_order("4711")
    member_of_staff("ada", "view_run", "signal_run")
    browser.log_in("ada")

    browser.do(lambda page: page.fill("#searchbar", "order-4711"))
    browser.do(lambda page: page.press("#searchbar", "Enter"))
    browser.do(lambda page: page.click("text=order-4711"))
    seen = browser.text()
    assert "running" in seen
    assert re.search(r"timer 1 until \d{4}", seen)
    assert f"tests/sample/workflows.py:{line_of_the_wait()} in Order.run" in seen
    assert [browser.overflow(width) for width in WIDTHS] == [0, 0]

    browser.do(lambda page: page.click(".object-tools >> text=Signal"))
    browser.do(lambda page: page.fill("#id_signal", "approve"))
    browser.do(lambda page: page.fill("#id_args", '["ada"]'))
    assert [browser.overflow(width) for width in WIDTHS] == [0, 0]
    browser.do(lambda page: page.click(".submit-row input"))
    assert "Signal: order-4711" in browser.do(lambda page: page.inner_text(".messagelist"))

    assert order.result(60) == "4711 by ada"
    browser.do(lambda page: page.reload())
    assert "4711 by ada" in browser.text()
    assert "completed" in browser.do(lambda page: page.inner_text(".aion-head"))
    assert browser.complaints == []


def test_a_selection_is_acted_on_after_a_question(browser: Browser) -> None:
    for key in "abc":
        client.start_workflow(Order, key, id=f"order-{key}")
    member_of_staff("root", "view_run", "terminate_run")
    browser.log_in("root")
    assert [browser.overflow(width) for width in WIDTHS] == [0, 0]

    browser.do(lambda page: page.check("#action-toggle"))
    assert "3 of 3 selected" in browser.text()
    browser.do(lambda page: page.uncheck("tr:has-text('order-b') .action-select"))
    browser.do(lambda page: page.select_option("[name=action]", "terminate"))
    browser.do(lambda page: page.click(".actions button"))
    assert "2 runs" in browser.text()
    browser.do(lambda page: page.fill("#id_reason", "not needed"))
    browser.do(lambda page: page.click(".submit-row input"))

    assert "Terminate: 2 runs." in browser.do(lambda page: page.inner_text(".messagelist"))
    found = client.list_workflows(status="terminated")
    assert {run.workflow_id for run in found} == {"order-a", "order-c"}
    browser.open("/admin/aion/run/?q=WorkflowTyp+%3D+%27x%27")
    assert "WorkflowTyp" in browser.do(lambda page: page.inner_text("#search-problem"))
    assert browser.complaints == []


def test_who_may_only_look_sees_no_button_and_is_refused(browser: Browser) -> None:
    order = client.start_workflow(Order, "1", id="order-1")
    member_of_staff("eve", "view_run")
    browser.log_in("eve")
    page = f"/admin/aion/run/{order.run_id}"

    assert "order-1" in browser.text()
    assert not browser.do(lambda it: it.query_selector("[name=action], .action-select"))
    assert browser.open(f"{page}/change/").status == 200
    links = browser.do(
        lambda it: it.eval_on_selector_all("a", "all => all.map(one => one.pathname)")
    )
    assert not [link for link in links if "/act/" in link]
    refusals = {browser.open(f"{page}/act/{name}/").status for name in VERBS}
    assert refusals == {403}
    sent = browser.do(
        lambda it: it.evaluate(
            """async ([path, token]) => (await fetch(path, {method: "POST", body: "{}", headers: {
                "Content-Type": "application/json", "X-CSRFToken": token}})).status""",
            ["/aion/workflows/order-1/terminate/", _token(it.context.cookies())],
        )
    )
    assert sent == 403
    assert order.describe().status == "running"


def _token(cookies: list[Any]) -> str:
    return str(next(one["value"] for one in cookies if one["name"] == "csrftoken"))
