from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from aion import workflow
from aion.access import Verb
from tests.support import kit
from tests.support.engine import Engine
from tests.support.fixtures import acting, clock, engine, script

__all__ = ["acting", "clock", "engine", "script"]


def user_with(*verbs: Verb) -> Any:
    name = "nobody" if not verbs else f"{len(verbs)}-{min(verbs)}-{hash(frozenset(verbs))}"
    user, _ = User.objects.get_or_create(username=name)
    codenames = [verb.value for verb in verbs]
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="aion", codename__in=codenames)
    )
    assert user.user_permissions.count() == len(verbs)
    return User.objects.get(pk=user.pk)  # without a cache of permissions


def api_of(*verbs: Verb) -> APIClient:
    api = APIClient(raise_request_exception=True)
    api.force_authenticate(user_with(*verbs))
    return api


@pytest.fixture
def api(db: None) -> APIClient:
    """A client whose user may do everything, by permissions."""
    return api_of(*Verb)


@pytest.fixture
def open_run(engine: Engine, script: Any, acting: Any) -> None:
    """A run "open" that waits, with an activity whose first attempt has failed."""

    @acting
    def work() -> None:
        raise RuntimeError("not yet")

    @script
    async def main(me: kit.Scripted) -> Any:
        kit.act.start("work")
        await workflow.wait_condition(lambda: me.notes)

    engine.start("main", id="open")
    engine.go()
