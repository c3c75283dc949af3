from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aion.access import Verb
from tests.api.conftest import user_with
from tests.support.fixtures import acting, clock, engine, script

__all__ = ["acting", "clock", "engine", "script"]


def browser_of(*verbs: Verb) -> Client:
    user = user_with(*verbs)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=user.pk))
    return browser


@pytest.fixture
def browser(db: None) -> Client:
    """Somebody of the staff who may do everything to runs, by permissions."""
    return browser_of(*Verb)


@pytest.fixture
def open_page(browser: Client) -> Callable[..., str]:
    """Opens a page of the admin and gives its text."""

    def get(path: str, **parameters: Any) -> str:
        answer = browser.get(f"/admin/aion/{path}", parameters)
        assert answer.status_code == 200, answer
        return answer.content.decode()

    return get
