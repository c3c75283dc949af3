"""The admin, as a superuser, with whatever its pages, boxes and forms are sent: never a server error."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from aion import client
from aion.admin.activity_verbs import ACTIVITY_VERBS
from aion.admin.schedules import VERBS as SCHEDULE_VERBS
from aion.admin.verbs import VERBS
from aion.client import ScheduleSpec
from aion.models import Run, Schedule
from tests.security.bounds import bounded, texts
from tests.security.test_fuzz_lists import cursors, queries, searches
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

LISTS: Final = ("run", "schedule", "activitytask", "timer", "worker", "searchattribute")
NAMES: Final = [
    *("q", "status", "type", "started", "cursor", "from", "history", "open", "activity"),
    *("o", "p", "e", "all", "paused__exact", "state__exact", "run__memo__contains", "_popup"),
]
FIELDS: Final = [
    *("reason", "note", "signal", "update", "args", "kwargs", "request_id", "to_seq", "overlap"),
    *("start_at", "end_at", "reapply_signals", "name", "kind", "run", "action", "post"),
]
written = texts | st.sampled_from(
    [
        *("note", "1", "[1]", "{}", '{"value": 1}', "[" * 300, "9" * 5_000, "[NaN]", '["\\ud800"]'),
        *("2026-02-01 09:00", "0001-01-01 00:00", "9999-12-31 23:59", "skip", "on", "int", "Made"),
    ]
)


class Place:
    """A run with a pending activity, and a schedule, and somebody who may do everything."""

    def __init__(self) -> None:
        client.create_schedule("daily", kit.greet, "ann", spec=ScheduleSpec(crons=("0 9 * * *",)))
        self.browser = Client()
        self.browser.force_login(User.objects.create_superuser("root"))
        run = f"/admin/aion/run/{Run.objects.get().id}/"
        schedule = f"/admin/aion/schedule/{Schedule.objects.get().pk}/"
        self.pages = [
            *(f"/admin/aion/{name}/" for name in LISTS),
            *(f"{run}{name}" for name in ("change/", "children/", "history/", "history.jsonl")),
            *(f"{schedule}{name}" for name in ("change/", "history/")),
            "/admin/aion/run/doctor/",
        ]
        self.forms = [
            *(f"{run}act/{name}/" for name in VERBS),
            *(f"/admin/aion/run/batch/{name}/" for name in VERBS),
            *(f"{run}activity/{name}/?activity=1" for name in ACTIVITY_VERBS),
            *(f"{schedule}act/{name}/" for name in SCHEDULE_VERBS),
            *("/admin/aion/searchattribute/add/", "/admin/aion/run/"),
        ]


@pytest.fixture
def place(open_run: None, engine: Engine) -> Place:
    return Place()


def ask(call: Any) -> None:
    at = transaction.savepoint()
    answer = call()
    assert answer.status_code < 500
    transaction.savepoint_rollback(at)


def sendable(sent: dict[str, str]) -> dict[str, str]:
    """Give what a browser can send."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in sent.items()}


@bounded(30)
@given(data=st.data())
def test_pages(place: Place, data: st.DataObject) -> None:
    page = data.draw(st.sampled_from(place.pages), label="page")
    boxes = texts | queries | searches | cursors | st.sampled_from(["9" * 20, "-1", "failed"])
    sent = data.draw(st.dictionaries(st.sampled_from(NAMES), boxes, max_size=3), label="sent")

    ask(lambda: place.browser.get(page, sendable(sent)))


@bounded(30)
@given(data=st.data())
def test_forms(place: Place, data: st.DataObject) -> None:
    page = data.draw(st.sampled_from(place.forms), label="form")
    sent = data.draw(st.dictionaries(st.sampled_from(FIELDS), written, max_size=5), label="sent")
    if data.draw(st.booleans(), label="a run"):
        sent["run"] = str(Run.objects.values_list("id", flat=True)[0])

    ask(lambda: place.browser.post(page, sendable(sent)))
