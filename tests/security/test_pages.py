"""What users wrote is text on every page, and no form is taken from another site."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aion import ApplicationError, client, workflow
from aion.admin.activity_verbs import ACTIVITY_VERBS
from aion.admin.schedules import VERBS as SCHEDULE_VERBS
from aion.admin.verbs import VERBS
from aion.client import ScheduleSpec, WorkflowHandle
from aion.models import Schedule
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

TAG: Final = "<script>alert(1)</script>\"'><img src=x>"


@pytest.fixture
def run(engine: Engine, script: Any, acting: Any) -> WorkflowHandle:
    """A run with markup wherever users may write, and a schedule."""

    @acting
    def work(value: str) -> None:
        raise ApplicationError(TAG, type=TAG)

    @script
    async def main(me: kit.Scripted, value: str) -> Any:
        kit.act.start("work", value)
        workflow.set_current_details(TAG)
        await workflow.sleep(5, summary=TAG)
        await workflow.wait_condition(lambda: me.notes)

    tags = {"color": TAG, "tags": [TAG]}
    handle = engine.start("main", TAG, id=TAG, memo={TAG: TAG}, search_attributes=tags)
    engine.go()
    handle.signal("note", TAG)
    client.create_schedule(TAG, kit.greet, TAG, spec=ScheduleSpec(crons=("0 9 * * *",)), note=TAG)
    return handle


def browser(**options: Any) -> Client:
    made = Client(**options)
    user = User.objects.create_superuser("root")
    User.objects.filter(pk=user.pk).update(first_name=TAG)
    made.force_login(user)
    return made


def test_markup_of_users_is_text_on_every_page(run: WorkflowHandle) -> None:
    root = browser()
    here = f"/admin/aion/run/{run.run_id}/"
    schedule = f"/admin/aion/schedule/{Schedule.objects.get().pk}/"
    assert root.post(f"{here}act/pause/", {"reason": TAG}).status_code == 302
    pages = [
        *(f"/admin/aion/{name}/" for name in ("run", "schedule", "activitytask", "timer")),
        *(f"{here}{name}" for name in ("change/", "change/?history=all", "children/", "history/")),
        *(f"{here}act/{name}/" for name in VERBS),
        *(f"{schedule}{name}" for name in ("change/", "history/", "act/trigger/")),
        "/admin/aion/run/?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/admin/aion/run/?type=%3Cscript%3Ealert(1)%3C/script%3E&status=%3Cscript%3Ealert(1)",
        "/admin/aion/run/doctor/",
    ]
    escaped = 0
    for page in pages:
        text = root.get(page).content.decode()
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page
        escaped += "&lt;script&gt;alert" in text
    assert escaped > len(VERBS) + 5, "the markup is on these pages"


def test_no_form_is_taken_from_another_site(run: WorkflowHandle) -> None:
    root = browser(enforce_csrf_checks=True)
    here = f"/admin/aion/run/{run.run_id}/"
    before = counts()

    for path in (
        *(f"{here}act/{name}/" for name in VERBS),
        *(f"/admin/aion/run/batch/{name}/" for name in VERBS),
        *(f"{here}activity/{name}/?activity=1" for name in ACTIVITY_VERBS),
        *(f"/admin/aion/schedule/{Schedule.objects.get().pk}/act/{n}/" for n in SCHEDULE_VERBS),
        *("/admin/aion/searchattribute/add/", "/aion/workflows/", "/aion/schedules/"),
    ):
        sent = {"reason": "x", "run": str(run.run_id), "name": "Made", "kind": "int"}
        assert root.post(path, sent).status_code == 403, path
    assert counts() == before
