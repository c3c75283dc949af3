"""Which runs were started on other code than this process has."""

from __future__ import annotations

from typing import Any

import pytest

from aion import client
from aion.authoring.registry import registry
from aion.models import Run
from aion.operations.code_versions import is_other_code
from aion.store.code_versions import on_other_code
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


def deploy(monkeypatch: pytest.MonkeyPatch, name: str, definition_hash: str) -> None:
    """Another source of a workflow: another hash."""
    monkeypatch.setattr(registry.workflow(name), "definition_hash", definition_hash)


def others(**options: Any) -> list[str]:
    found = client.runs_on_other_code(**options).order_by("workflow_id")
    return [run.workflow_id for run in found]


def test_a_deploy_makes_the_runs_before_it_runs_on_other_code(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = client.start_workflow(kit.Waiting, id="old")
    client.start_workflow("kit.greet", "ada", id="closed")
    engine.turns()
    assert others() == []
    assert old.describe().on_other_code is False

    deploy(monkeypatch, "kit.Waiting", "changed")
    deploy(monkeypatch, "kit.greet", "changed too")
    client.start_workflow(kit.Waiting, id="new")
    engine.turns()

    assert others() == ["old"]
    assert others(open_only=False) == ["closed", "old"]
    assert old.describe().on_other_code is True
    assert client.get_workflow_handle("new").describe().on_other_code is False
    old.signal("go")
    engine.turns()
    # The hash is that of the code that started the run, also after a turn on newer code.
    assert Run.objects.get(workflow_id="old").definition_hash != "changed"


def test_a_successor_has_the_code_that_started_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, script: Any
) -> None:
    @script
    async def main(me: kit.Scripted, more: bool = True) -> None:
        from aion import workflow

        await workflow.wait_condition(lambda: me.notes)
        if more:
            workflow.continue_as_new("main", False)

    engine.start("main", id="r")
    engine.turns()
    deploy(monkeypatch, "kit.Scripted", "changed")
    assert others() == ["r"]
    client.get_workflow_handle("r").signal("note", 1)
    engine.turns()

    assert others() == []


def test_what_is_not_known_is_not_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = client.start_workflow(kit.Waiting, id="r")
    Run.objects.update(definition_hash="")
    assert handle.describe().on_other_code is None
    assert others() == []
    assert is_other_code("nobody knows it", "abc") is None

    assert Run.objects.filter(on_other_code({})).count() == 0
    Run.objects.update(definition_hash="abc")
    assert Run.objects.filter(on_other_code({"kit.Waiting": "abc"})).count() == 0
    assert Run.objects.filter(on_other_code({"kit.Waiting": "x", "b": "abc"})).count() == 1


def test_describing_names_the_timers(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        import asyncio
        from datetime import timedelta

        from aion import workflow

        reminder = workflow.Timer(timedelta(hours=2), summary="reminder")
        await asyncio.gather(
            workflow.wait_condition(lambda: me.notes, timeout=3600, timeout_summary="notes"),
            asyncio.sleep(10),
        )
        reminder.cancel()

    handle = engine.start("main", run_timeout=__import__("datetime").timedelta(days=1))
    engine.turns()

    timers = [timer for timer in handle.describe().timers if timer.kind == "timer"]
    assert [timer.summary for timer in timers] == ["", "notes", "reminder"]
    assert timers[0].fire_at < timers[1].fire_at < timers[2].fire_at
    handle.terminate()
    assert handle.describe().timers == ()
