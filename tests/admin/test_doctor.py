"""What is stuck, on one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from aion import client
from aion.access import Verb
from tests.admin.conftest import browser_of
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/aion/run/doctor/"


def test_the_page_says_what_is_stuck_and_what_to_do(
    engine: Engine, open_page: Callable[..., str]
) -> None:
    client.start_workflow(kit.Waiting, id="<b>odd</b>").pause()

    page = open_page("run/doctor/")

    assert "paused_runs" in page
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    assert "resume_workflow" in page
    assert ADDRESS in open_page("run/")


class OwnOnly:
    """Lets everybody see the runs of one type."""

    def may(self, user: Any, verb: Verb, run: Any = None) -> bool:
        return True

    def scope(self, user: Any) -> str:
        return "WorkflowType = 'theirs'"


def test_who_may_not_see_every_run_may_not_see_it(db: None, settings: Any, browser: Client) -> None:
    assert browser_of().get(ADDRESS).status_code == 403
    settings.AION = {**settings.AION, "ACCESS": f"{__name__}.OwnOnly"}
    assert browser.get(ADDRESS).status_code == 403
    assert browser.get("/aion/doctor/").status_code == 403
