"""Four roles at every form, action and URL: nobody, a viewer, an operator, a superuser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, get_resolver

from aion import client, workflow
from aion.access import Verb
from aion.admin.activity_verbs import ACTIVITY_VERBS
from aion.admin.schedules import VERBS as SCHEDULE_VERBS
from aion.admin.verbs import VERBS
from aion.client import ScheduleSpec
from aion.models import ActivityTask, Schedule
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

RUNS: Final = "/admin/aion/run/"
LISTS: Final = ("run", "schedule", "activitytask", "timer", "worker", "searchattribute")
LOOKING: Final = [Verb.VIEW, Verb.VIEW_SCHEDULE]
ANSWERS: Final[dict[str, Any]] = {
    "signal": {"signal": "note", "args": "[1]"},
    "update": {"update": "none"},
    "reset": {"to_seq": "1"},
    "backfill": {"start_at": "2026-02-01 09:00", "end_at": "2026-02-02 09:00"},
}


class World:
    """A run with a pending activity, and a schedule: where they stand in the admin."""

    def __init__(self, run_id: Any, schedule_pk: Any) -> None:
        self.run = f"{RUNS}{run_id}/"
        self.run_id = str(run_id)
        self.schedule = f"/admin/aion/schedule/{schedule_pk}/"

    def pages(self) -> Iterator[str]:
        """What is looked at."""
        yield from (f"/admin/aion/{name}/" for name in LISTS)
        yield from (self.run + name for name in ("change/", "children/", "history/"))
        yield from (self.schedule + name for name in ("change/", "history/"))
        yield self.run + "history.jsonl"
        yield f"{RUNS}doctor/"

    def acts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is done."""
        for name in VERBS:
            yield f"{self.run}act/{name}/", ANSWERS.get(name, {"reason": "x"})
            yield f"{RUNS}batch/{name}/", {"run": [self.run_id], **ANSWERS.get(name, {})}
        for name in ACTIVITY_VERBS:
            yield f"{self.run}activity/{name}/?activity=1", {"reason": "x"}
        for name in SCHEDULE_VERBS:
            yield f"{self.schedule}act/{name}/", ANSWERS.get(name, {"note": "x"})
        yield "/admin/aion/searchattribute/add/", {"name": "Made", "kind": "int"}

    def edits(self) -> Iterator[str]:
        """What nobody may do, whoever it is."""
        for name in LISTS:
            if name != "searchattribute":
                yield f"/admin/aion/{name}/add/"
        yield self.run + "delete/"
        yield self.schedule + "delete/"
        yield f"/admin/aion/activitytask/{ActivityTask.objects.get().pk}/delete/"


@pytest.fixture
def world(engine: Engine, script: Any, acting: Any) -> World:
    @acting
    def never() -> None: ...

    @script
    async def working(me: kit.Scripted) -> None:
        await kit.act.execute("never")
        await workflow.sleep(1)

    handle = engine.start("working", id="order-42")
    engine.turns()
    client.create_schedule("daily", kit.greet, "ann", spec=ScheduleSpec(crons=("0 9 * * *",)))
    return World(handle.run_id, Schedule.objects.get().pk)


def staff(*codenames: str, superuser: bool = False, is_staff: bool = True) -> Client:
    user = User.objects.create(username="somebody", is_staff=is_staff, is_superuser=superuser)
    given = Permission.objects.filter(content_type__app_label="aion", codename__in=codenames)
    user.user_permissions.set(given)
    browser = Client()
    browser.force_login(user)
    return browser


VIEWS: Final = [f"view_{name}" for name in LISTS]


@pytest.mark.parametrize("is_staff", [True, False])
def test_nobody_is_refused_everywhere(world: World, is_staff: bool) -> None:
    browser = staff(is_staff=is_staff)
    expected = 403 if is_staff else 302  # who is no member of the staff is asked to log in
    before = counts()

    assert {browser.get(page).status_code for page in world.pages()} == {expected}
    assert {browser.post(page, data).status_code for page, data in world.acts()} == {expected}
    assert {browser.post(page, {"post": "yes"}).status_code for page in world.edits()} == {expected}
    assert counts() == before


def test_a_viewer_sees_everything_and_does_nothing(world: World) -> None:
    browser = staff(*VIEWS)
    before = counts()
    for page in world.pages():
        answer = browser.get(page)
        assert answer.status_code == 200, page
        text = "" if answer.streaming else answer.content.decode()
        assert all(word not in text for word in ("/act/", "/activity/", 'name="action"')), page

    for page, data in world.acts():
        assert browser.get(page).status_code in (302, 403), page  # a batch is never a GET
        assert browser.post(page, data).status_code == 403, page
    for name in VERBS:
        chosen = {"action": name, "run": [world.run_id]}
        assert browser.post(RUNS, chosen).status_code == 403, name
    assert {browser.post(page, {"post": "yes"}).status_code for page in world.edits()} == {403}
    assert counts() == before
    assert not LogEntry.objects.exists()


def test_an_operator_does_what_the_permissions_say_and_no_more(world: World) -> None:
    allowed = {"signal", "pause", "resume"}
    browser = staff(*VIEWS, *(f"{name}_run" for name in allowed), "pause_schedule")

    for name in VERBS:
        expected = 200 if name in allowed else 403
        assert browser.get(f"{world.run}act/{name}/").status_code == expected, name
        chosen = {"action": name, "run": [world.run_id]}
        offered = expected if VERBS[name].for_many else 403
        assert browser.post(RUNS, chosen).status_code == offered, name
    for name in SCHEDULE_VERBS:
        expected = 200 if name == "pause" else 403
        assert browser.get(f"{world.schedule}act/{name}/").status_code == expected, name
    assert browser.post(f"{world.run}act/pause/", {"reason": "lunch"}).status_code == 302
    assert client.get_workflow_handle("order-42").describe().status == "paused"
    entry = LogEntry.objects.get()
    assert (entry.change_message, str(entry.user)) == ("Pause: lunch", "somebody")
    assert browser.get(f"{world.run}history/").content.decode().count("Pause: lunch") == 1


def test_a_superuser_may_act_but_not_edit(world: World) -> None:
    browser = staff(superuser=True)

    assert {browser.get(page).status_code for page in world.pages()} == {200}
    for page, _ in world.acts():
        assert browser.get(page).status_code in (200, 302), page
    before = counts()
    assert {browser.post(page, {"post": "yes"}).status_code for page in world.edits()} == {403}
    assert counts() == before


def test_every_url_of_the_admin_is_among_those_that_are_tried(world: World) -> None:
    """A view that is added later must come here, too."""
    known = {"change", "children", "history", "export", "act", "batch", "act_on_activity"}
    known |= {"changelist", "add", "delete", "doctor"}
    names = {name for name in _names() if name.startswith("aion_")}

    assert {name.split("_", 2)[2] for name in names} == known


def _names() -> Iterator[str]:
    def walk(patterns: Any) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield pattern.name or ""
            else:
                yield from walk(pattern.url_patterns)

    admin = next(p for p in get_resolver().url_patterns if str(p.pattern) == "admin/")
    yield from walk(admin.url_patterns)
