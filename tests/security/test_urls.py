"""Every URL and method that the project routes: refused to who may not, unless it stands in a list here.

The URLs are those of the resolver, so one that is added without a permission fails these tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client

from aion import client
from aion.access import Verb
from aion.admin.activity_verbs import ACTIVITY_VERBS
from aion.admin.schedules import VERBS as SCHEDULE_VERBS
from aion.admin.verbs import VERBS
from aion.client import ScheduleSpec
from aion.models import ActivityTask, Run, Schedule, SearchAttribute, Timer, Worker
from tests.api.conftest import user_with
from tests.conftest import on_postgresql
from tests.security.routes import METHODS, Route, routes
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(on_postgresql(), reason="a refusal asks no table of Aion's: tests/api"),
]

WRITING: Final = ("post", "put", "patch", "delete")
REFUSED: Final = (401, 403)
TO_LOG_IN: Final = "/admin/login/?next="

OPEN_TO_STRANGERS: Final = {"aion_api:health", "admin:login", "admin:logout"}
OPEN_TO_USERS: Final = OPEN_TO_STRANGERS | {
    "aion_api:schema",  # what the API is like says nothing of any run
    "aion_api:docs",
    "orders:create",  # the example's own rule
}
OPEN_TO_STAFF: Final = {
    "admin:index",
    "admin:login",
    "admin:logout",
    "admin:password_change",
    "admin:password_change_done",
    "admin:jsi18n",
    "admin:view_on_site",  # 404: nothing has such a page
    "admin:app_list",  # 404 for who may see nothing in it
    "admin:autocomplete",  # 405 to what is no GET
    "admin:django.contrib.admin.sites.AdminSite.catch_all_view",
    "admin:django.views.generic.base.RedirectView",  # the old address of a page leads to the new one
    # Django leads to the index from the history of a row that does not exist.
    "admin:auth_group_history",
    "admin:orders_order_history",
    "admin:orders_product_history",
    "admin:django_celery_beat_clockedschedule_history",
    "admin:django_celery_beat_crontabschedule_history",
    "admin:django_celery_beat_solarschedule_history",
}


@pytest.fixture
def there(open_run: None, engine: Engine) -> dict[str, Any]:
    """Something for every URL to be about; a value for each parameter."""
    client.create_schedule("open", kit.greet, "ann", spec=ScheduleSpec(crons=("0 9 * * *",)))
    engine.tick()
    run = Run.objects.get()
    attribute = SearchAttribute.objects.create(name="Made", kind="int", created_at=run.started_at)
    timer = Timer.objects.create(run_id=run.id, timer_id="1", fire_at=run.started_at)
    models = {
        "run": run.id,
        "schedule": Schedule.objects.get().pk,
        "activitytask": ActivityTask.objects.get().pk,
        "timer": timer.pk,
        "worker": Worker.objects.get().pk,
        "searchattribute": attribute.pk,
    }
    owner = User.objects.create(username="owner")
    others = ["auth/group", *(f"django_celery_beat/{each}" for each in _BEAT)]
    others += ["orders/product", "orders/order"]
    objects = {f"/admin/aion/{name}/": key for name, key in models.items()}
    objects |= {f"/admin/{name}/": 1 for name in others}
    objects["/admin/auth/user/"] = owner.pk
    kind = ContentType.objects.get_for_model(Run).pk
    objects[f"/admin/r/{kind}/"] = run.id
    return {
        "object_id": objects,
        "id": {"/admin/auth/user/": owner.pk},
        "pk": models["schedule"],
        "run_id": run.id,
        "name": {
            "/admin/aion/run/batch/": "terminate",
            f"/admin/aion/run/{run.id}/act/": "terminate",
            f"/admin/aion/run/{run.id}/activity/": "pause",
            f"/admin/aion/schedule/{models['schedule']}/act/": "delete",
            "/aion/workflows/open/signal/": "note",
            "/aion/workflows/open/query/": "read",
            "/aion/workflows/open/update/": "change",
        },
        "workflow_id": "open",
        "activity_id": "1",
        "schedule_id": "open",
        "workflow_type": "kit.greet",
        "content_type_id": kind,
        "app_label": "aion",
        "url": "nothing",
        "number": 1,
    }


_BEAT: Final = (
    "periodictask",
    "clockedschedule",
    "crontabschedule",
    "solarschedule",
    "intervalschedule",
)


def browser_of(*codenames: str) -> Client:
    """Somebody of the staff with these permissions."""
    user = User.objects.create(username=f"staff of {len(codenames)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client()
    browser.force_login(user)
    return browser


def asked(
    browser: Client, found: Iterator[Route], methods: Sequence[str] = METHODS
) -> Iterator[tuple[Route, str, Any]]:
    """Ask every URL by every method, each for itself."""
    for route in found:
        is_ours = "/aion/" in route.path
        for method in methods if is_ours else ("get", "post"):
            at = transaction.savepoint()
            path = f"{route.path}?activity=1" if "/activity/" in route.path else route.path
            yield route, method, browser.generic(method.upper(), path)
            transaction.savepoint_rollback(at)


def test_strangers_are_refused_everywhere(there: dict[str, Any]) -> None:
    before = counts()
    open_ones = set()

    for route, _, answer in asked(Client(), routes("/", there)):
        to_log_in = answer.status_code == 302 and answer["Location"].startswith(TO_LOG_IN)
        if answer.status_code not in REFUSED and not (
            to_log_in and route.path.startswith("/admin/")
        ):
            open_ones.add(route.name)
        assert answer.status_code < 500 or route.name == "aion_api:health", route

    assert open_ones == OPEN_TO_STRANGERS
    assert counts() == before


def test_users_without_permissions_are_refused_everywhere(there: dict[str, Any]) -> None:
    browser = Client()
    browser.force_login(user_with())
    before = counts()
    open_ones = set()

    for route, _, answer in asked(browser, routes("/", there)):
        if route.path.startswith("/admin/"):
            if route.name not in OPEN_TO_STRANGERS:
                assert answer.status_code == 302, (route, "who is not of the staff")
                assert answer["Location"].startswith(TO_LOG_IN)
        elif answer.status_code not in REFUSED:
            open_ones.add(route.name)

    assert open_ones | OPEN_TO_STRANGERS == OPEN_TO_USERS
    assert counts() == before


def test_the_staff_without_permissions_is_refused_everywhere(there: dict[str, Any]) -> None:
    browser = browser_of()
    before = counts()
    open_ones = set()

    found = (route for route in routes("/admin/", there) if route.name != "admin:logout")
    for route, _, answer in asked(browser, found):
        if answer.status_code != 403:
            open_ones.add(route.name)

    assert open_ones | {"admin:logout"} == OPEN_TO_STAFF
    assert not any("aion" in name for name in open_ones)
    assert counts() == before


def test_viewers_change_nothing_by_any_url_and_method(there: dict[str, Any]) -> None:
    views = [f"view_{name}" for name in ("run", "schedule", "activitytask", "timer", "worker")]
    browser = browser_of(*views, "view_searchattribute")
    before, runs = counts(), list(Run.objects.values())
    allowed = set()

    for prefix, methods in (("/aion/", WRITING), ("/admin/aion/", ("post", "delete"))):
        for route, method, answer in asked(browser, routes(prefix, there), methods):
            if answer.status_code not in (*REFUSED, 405):
                allowed.add(route.name)
                now = (counts(), list(Run.objects.values()))
                assert now == (before, runs), (route, method)

    assert not LogEntry.objects.exists()
    # Pages that ignore what is sent to them, and the list of runs, where nothing was chosen.
    assert allowed == {
        f"admin:aion_{name}"
        for name in (
            *("run_change", "run_changelist", "run_children", "run_doctor", "run_export"),
            *("run_history", "schedule_change", "schedule_changelist", "schedule_history"),
            *(
                f"{model}_{page}"
                for model in _PLAIN
                for page in ("changelist", "change", "history")
            ),
        )
    } | {
        "admin:django.views.generic.base.RedirectView",
        "admin:app_list",
        "aion_api:batches",  # 400: the permission is that of the verb, and none is named here
    }


_PLAIN: Final = ("activitytask", "timer", "worker", "searchattribute")


# --- which permission guards what ------------------------------------------------------------------

GUARDED: Final[dict[tuple[str, str], Verb]] = {
    ("workflows", "post"): Verb.START,
    ("signal", "post"): Verb.SIGNAL,
    ("query", "post"): Verb.QUERY,
    ("update", "post"): Verb.UPDATE,
    ("cancel", "post"): Verb.CANCEL,
    ("terminate", "post"): Verb.TERMINATE,
    ("pause", "post"): Verb.PAUSE,
    ("resume", "post"): Verb.RESUME,
    ("release", "post"): Verb.RELEASE,
    ("reopen", "post"): Verb.REOPEN,
    ("reset", "post"): Verb.RESET,
    ("pause_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("unpause_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("reset_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("retry_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("complete_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("fail_activity", "post"): Verb.OPERATE_ACTIVITY,
    ("complete_token", "post"): Verb.OPERATE_ACTIVITY,
    ("fail_token", "post"): Verb.OPERATE_ACTIVITY,
    ("heartbeat_token", "post"): Verb.OPERATE_ACTIVITY,
    ("schedules", "post"): Verb.CREATE_SCHEDULE,
    ("schedule", "patch"): Verb.UPDATE_SCHEDULE,
    ("schedule", "delete"): Verb.DELETE_SCHEDULE,
    ("pause_schedule", "post"): Verb.PAUSE_SCHEDULE,
    ("resume_schedule", "post"): Verb.RESUME_SCHEDULE,
    ("trigger_schedule", "post"): Verb.TRIGGER_SCHEDULE,
    ("backfill_schedule", "post"): Verb.BACKFILL_SCHEDULE,
    ("search_attributes", "post"): Verb.ADD_SEARCH_ATTRIBUTE,
}
"""What writes through the API. A batch asks for the permission of its verb (tests/api/test_operating.py)."""


def written(there: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The name, method and path of everything that writes through the API."""
    for route in routes("/aion/", there):
        handles = getattr(route.view, "cls", None) or getattr(route.view, "view_class", None)
        for method in WRITING:
            if hasattr(handles, method):
                yield route.name.removeprefix("aion_api:"), method, route.path


def test_each_write_of_the_api_is_guarded_by_its_permission_and_by_no_other(
    there: dict[str, Any],
) -> None:
    found = {(name, method): path for name, method, path in written(there)}
    del found["batches", "post"]
    assert set(found) == set(GUARDED)

    looking = (Verb.VIEW, Verb.VIEW_SCHEDULE)
    for (name, method), path in found.items():
        verb = GUARDED[name, method]
        body = {"wait": 0} if name == "update" else {}
        for verbs, refused in (((*looking, verb), False), (set(Verb) - {verb}, True)):
            api = Client()
            api.force_login(user_with(*verbs))
            at = transaction.savepoint()
            answer = api.generic(
                method.upper(), path, str(body).replace("'", '"'), "application/json"
            )
            transaction.savepoint_rollback(at)
            assert (answer.status_code in REFUSED) is refused, (name, method, answer.content)


def test_every_verb_of_the_admin_has_a_permission_that_is_asked_for() -> None:
    asked_for = {verb.verb for verb in (*VERBS.values(), *SCHEDULE_VERBS.values())}
    asked_for |= {Verb.OPERATE_ACTIVITY} if ACTIVITY_VERBS else set()

    assert asked_for <= set(Verb)
    assert set(Verb) - asked_for - set(GUARDED.values()) == {Verb.VIEW, Verb.VIEW_SCHEDULE}
