"""What the pages cost: as many statements for many rows as for few, and no inline script or style in any."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aion import client, workflow
from aion.client import ScheduleSpec
from aion.models import Schedule
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

LIST = "/admin/aion/run/"
COUNTS = re.compile(r"count\(\*\)(?!.*\blimit\b)", re.IGNORECASE | re.DOTALL)


@pytest.fixture(autouse=True)
def scripts(script: Any, acting: Any) -> None:
    @acting
    def never() -> None: ...

    @script
    async def busy(me: kit.Scripted, size: int, name: str) -> None:
        workflow.upsert_search_attributes({"n": 1})
        for number in range(size):
            kit.act.start("never")
            await workflow.start_child_workflow(kit.Scripted, "quiet", id=f"{name}/{number}")
        await workflow.sleep(3600)

    @script
    async def quiet(me: kit.Scripted) -> None:
        await workflow.sleep(3600)


@pytest.fixture
def root(db: None) -> Client:
    """Somebody whose permissions cost no statements."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


def statements(browser: Client, path: str) -> list[str]:
    browser.get(path)  # what a process reads once
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(path).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


PATHS = [
    ("all runs", LIST, 10),
    ("of a type and status", f"{LIST}?type=kit.Scripted&status=running", 10),
    ("by an attribute", f"{LIST}?q=n = 1", 10),
    ("in another order", f"{LIST}?q=ORDER BY CloseTime DESC", 10),
    ("activities", "/admin/aion/activitytask/", 4),
    ("timers", "/admin/aion/timer/", 4),
]


def test_pages_cost_the_same_for_few_rows_and_for_many(engine: Engine, root: Client) -> None:
    costs: list[dict[str, int]] = []
    for number in (1, 12):
        for each in range(number):
            engine.start("busy", 1, f"{number}/{each}", id=f"{number}/{each}")
        handle = engine.start("busy", number, f"of {number}", id=f"of {number}")
        engine.turns()
        paths = [*PATHS, ("a run", f"{LIST}{handle.run_id}/change/", 16)]
        costs.append({name: _cost(root, path, most) for name, path, most in paths})

    assert costs[0] == costs[1]


def _cost(root: Client, path: str, most: int) -> int:
    sent = statements(root, path)
    assert len(sent) <= most, "\n".join(sent)
    counting = [sql for sql in sent if COUNTS.search(sql) and "aion_worker" not in sql]
    assert counting == [] or path.endswith("/change/"), path  # a run's own rows are counted
    return len(sent)


class Inline(HTMLParser):
    """Finds what a strict content security policy refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        bad = [n for n in names if n.startswith("on") or n == "style"]
        javascript = any((value or "").startswith("javascript:") for value in names.values())
        if bad or javascript or tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(self.get_starttag_text() or tag)


def test_no_page_has_inline_scripts_or_styles(engine: Engine, browser: Client) -> None:
    handle = engine.start("busy", 2, "<b>", id="<b>")
    engine.turns()
    engine.turns()
    client.create_schedule("s", kit.greet, "x", spec=ScheduleSpec(crons=("0 9 * * *",)))
    client.get_schedule_handle("s").trigger(request_id="x")
    run, schedule = f"{LIST}{handle.run_id}/", f"/admin/aion/schedule/{Schedule.objects.get().pk}/"
    pages = [LIST, f"{LIST}?q=nonsense = 1", f"{run}change/", f"{run}change/?history=all"]
    pages += [f"{run}children/", f"{run}act/signal/", f"{run}activity/pause/?activity=1"]
    pages += [f"{schedule}change/", f"{schedule}act/backfill/"]
    for page in pages:
        reader = Inline()
        text = browser.get(page).content.decode()
        reader.feed(text.replace('<script src="', '<script data-x src="'))
        assert reader.found == [], page
        assert "<b>" not in text


def test_a_moment_is_told_from_now() -> None:
    from aion.templatetags.aion_admin import away

    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    assert away(now + dt.timedelta(seconds=5), now) == "in 5.0 s"
    assert away(now - dt.timedelta(days=2), now) == "2 d 0 h ago"
    assert away(None, now) == ""
