"""What goes through the broker is JSON, and a project that accepts more is told so."""

from __future__ import annotations

from typing import Any

import pytest
from celery import current_app

from aion_engine.runtime import celery_activities, celery_checks
from config.celery import app
from tests.support.codecs import settings_with

TASKS = [celery_activities.run_activity, celery_activities.run_tick, celery_activities.run_prune]


def test_every_task_of_the_engine_is_sent_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_serializer", "pickle")
    ours = {name for name in app.tasks if name.startswith("aion.")}

    assert ours == {task.name for task in TASKS}
    assert {app.tasks[name].serializer for name in ours} == {"json"}


def test_the_example_accepts_and_sends_json_only() -> None:
    assert set(app.conf.accept_content) == {"json"}
    assert set(app.conf.result_accept_content or app.conf.accept_content) == {"json"}
    assert (app.conf.task_serializer, app.conf.result_serializer) == ("json", "json")


@pytest.mark.parametrize("setting", ["accept_content", "result_accept_content"])
@pytest.mark.parametrize("accepted", ["pickle", "application/x-python-serialize"])
def test_an_app_that_runs_what_it_reads_is_warned_of(
    settings: Any, monkeypatch: pytest.MonkeyPatch, setting: str, accepted: str
) -> None:
    assert app is current_app._get_current_object()
    settings_with(settings, DISPATCHER="aion_engine.runtime.dispatch.CeleryDispatcher")
    assert list(celery_checks.check_celery(None)) == []
    monkeypatch.setitem(app.conf, setting, ["json", accepted])

    [warning] = celery_checks.check_celery(None)

    assert (warning.id, accepted in warning.msg) == ("aion.W006", True)
    settings_with(settings, DISPATCHER="aion_engine.runtime.dispatch.DatabaseDispatcher")
    assert list(celery_checks.check_celery(None)) == []
