"""Schedules in the admin."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from aion import client
from aion.access import Verb
from aion.client import ScheduleHandle, ScheduleSpec
from aion.models import Run, Schedule
from tests.admin.conftest import browser_of
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedule(engine: Engine, clock: StandingClock) -> ScheduleHandle:
    return client.create_schedule(
        "every-morning",
        kit.greet,
        "<script>",
        spec=ScheduleSpec(crons=("0 9 * * MON-FRI",), time_zone="Europe/Berlin"),
    )


def address(suffix: str = "change/") -> str:
    return f"/admin/aion/schedule/{Schedule.objects.get().pk}/{suffix}"


def page(browser: Client) -> str:
    answer = browser.get(address())
    assert answer.status_code == 200
    return answer.content.decode()


def act(browser: Client, name: str, **data: Any) -> Any:
    return browser.post(address(f"act/{name}/"), data, follow=True)


def buttons(text: str) -> list[str]:
    return re.findall(r"/act/(\w+)/", text)


def test_the_page_says_when_it_fires(browser: Client, schedule: ScheduleHandle) -> None:
    text = page(browser)

    assert "Monday" in text
    assert "Europe/Berlin" in text
    assert len(re.findall(r"<td>\w{3} \d{4}-\d\d-\d\d 09:00:00 CES?T <span", text)) == 10
    assert buttons(text) == ["trigger", "backfill", "pause", "delete"]
    assert "every-morning" in browser.get("/admin/aion/schedule/").content.decode()


def test_it_is_paused_and_resumed_with_a_note(browser: Client, schedule: ScheduleHandle) -> None:
    act(browser, "pause", note="holidays")

    assert "holidays" in page(browser)
    assert "resume" in buttons(page(browser))
    assert schedule.describe().paused
    act(browser, "resume")
    assert not schedule.describe().paused
    assert "wrong_state" in act(browser, "resume").content.decode()
    assert LogEntry.objects.count() == 2


def test_it_is_triggered_once_from_a_form_sent_twice(
    browser: Client, schedule: ScheduleHandle, engine: Engine
) -> None:
    for _ in range(2):
        act(browser, "trigger", request_id="once")
    engine.go()

    run = Run.objects.get()
    assert run.workflow_id in page(browser)


def test_a_range_is_backfilled(
    browser: Client, schedule: ScheduleHandle, clock: StandingClock
) -> None:
    days = [clock.at - dt.timedelta(days=number) for number in (8, 1)]
    start_at, end_at = (day.strftime("%Y-%m-%d %H:%M") for day in days)

    assert "5 times" in act(browser, "backfill", start_at=start_at, end_at=end_at).content.decode()
    wrong = act(browser, "backfill", start_at=end_at, end_at=start_at).content.decode()
    assert "invalid_argument" in wrong
    assert "errorlist" in act(browser, "backfill", start_at="soon").content.decode()


def test_it_is_deleted(browser: Client, schedule: ScheduleHandle) -> None:
    answer = act(browser, "delete", note="not needed")

    assert answer.status_code == 200
    assert "every-morning</a>" not in answer.content.decode()
    assert client.list_schedules() == []


@pytest.mark.parametrize("name", ["trigger", "backfill", "pause", "delete"])
def test_each_verb_has_its_permission(schedule: ScheduleHandle, name: str) -> None:
    verb = Verb(f"{name}_schedule")
    without = browser_of(*(set(Verb) - {verb}))

    assert name not in buttons(page(without))
    assert act(without, name).status_code == 403
    assert name in buttons(page(browser_of(Verb.VIEW_SCHEDULE, verb)))
    assert browser_of(Verb.VIEW, verb).get(address()).status_code == 403


def test_what_is_not_there_is_not_found(browser: Client, schedule: ScheduleHandle) -> None:
    assert browser.get(address("act/explode/")).status_code == 404
    assert browser.get("/admin/aion/schedule/nonsense/act/pause/").status_code == 404


def test_a_page_without_its_key_says_so_and_shows_the_rest(
    browser: Client, engine: Engine, clock: StandingClock, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    client.create_schedule("sealed", kit.greet, "secret", spec="0 9 * * *")
    assert "errornote" not in page(browser)
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])

    text = page(browser)

    assert "needs key &#x27;old&#x27;" in text
    assert len(re.findall(r" 09:00:00 UTC <span", text)) == 10
    assert "needs key" in act(browser, "trigger", request_id="r").content.decode()
    assert not Run.objects.exists()
    act(browser, "pause", note="until there is a key")
    assert Schedule.objects.get().paused
    act(browser, "delete", note="")
    assert Schedule.objects.get().deleted_at is not None
