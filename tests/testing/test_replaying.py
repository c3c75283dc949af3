"""Histories against the code that is here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aion.core.errors import HistoryError, NonDeterminismError, UnknownType
from aion.core.history import Recorded, to_lines
from aion.models import Run
from aion_engine.testing import WorkflowEnvironment, replay_history, replay_open_runs
from tests.support import kit
from tests.testing import stories
from tests.testing.stories import Subscription

Register = Callable[[Any], Any]


@pytest.fixture
def history(aion_env: WorkflowEnvironment) -> list[Recorded]:
    handle = aion_env.start_workflow(Subscription, "ada", 2, id="sub-1")
    handle.result()
    return handle.fetch_history()


def text_of(history: list[Recorded]) -> str:
    return "\n".join(line.decode() for line in to_lines(history))


def test_a_history_replays_from_wherever_it_is(history: list[Recorded], tmp_path: Path) -> None:
    text = text_of(history)
    path = tmp_path / "sub-1.jsonl"
    path.write_text(text)
    items = [json.loads(line) for line in text.splitlines()]

    for source in (history, text, text.encode(), path, str(path), items, json.dumps(items)):
        result = replay_history(source)  # type: ignore[arg-type]
        assert result.ok
        assert (result.workflow_id, result.workflow_type) == ("sub-1", "stories.Subscription")
        assert (result.event_count, result.diff) == (len(history), "")


def test_changed_code_is_shown_where_it_parts(
    aion_env: WorkflowEnvironment, script: Register, acting: Register
) -> None:
    acting(lambda: None).__name__ = "nothing"

    @acting
    def nothing() -> None:
        return None

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("nothing")

    handle = aion_env.start_workflow(kit.Scripted, "main", id="s")
    handle.result()

    @script
    async def main(me: kit.Scripted) -> None:  # noqa: F811
        await kit.aact.execute("nothing")

    result = replay_history(handle.fetch_history(), run_id="r", check=False)

    assert not result.ok
    assert result.diff.splitlines()[:4] == [
        "kit.Scripted s (run r)",
        "  event 2:",
        "  - history has: ActivityScheduled(1, kit.act)",
        "  + the code asks for: ScheduleActivity(1, kit.aact)",
    ]
    assert "test_replaying.py" in result.diff
    with pytest.raises(NonDeterminismError) as caught:
        replay_history(handle.fetch_history())
    assert "the code asks for" in caught.value.__notes__[0]


def test_another_definition_may_be_tried(history: list[Recorded]) -> None:
    assert not replay_history(history, workflow=stories.each_kind, check=False).ok
    with pytest.raises(UnknownType):
        replay_history(history, workflow=len)


@pytest.mark.parametrize("source", ["", "[]", "{", "[1", b"nothing", [], [{"seq": 1}]])
def test_what_is_no_history_is_refused(source: Any) -> None:
    with pytest.raises(HistoryError):
        replay_history(source)


def test_open_runs_are_replayed_and_nothing_is_written(
    aion_env: WorkflowEnvironment, script: Register
) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute_local("x") if me.notes else await kit.aact.start("nothing")

    kept = aion_env.start_workflow(Subscription, "ada")
    aion_env.execute_workflow(stories.each_kind, "ada")
    aion_env.run_until_idle()
    never_begun = aion_env.start_workflow(Subscription, "bob")
    before = list(Run.objects.order_by("id").values())

    results = list(replay_open_runs())

    assert [result.run_id for result in results] == [str(never_begun.run_id), str(kept.run_id)]
    assert all(result.ok for result in results)
    assert list(Run.objects.order_by("id").values()) == before
    assert [r.run_id for r in replay_open_runs(limit=1)] == [str(never_begun.run_id)]
    assert list(replay_open_runs("stories.each_kind")) == []


def test_an_open_run_that_does_not_fit_is_a_result(aion_env: WorkflowEnvironment) -> None:
    handle = aion_env.start_workflow(Subscription, "ada")
    aion_env.run_until_idle()
    Run.objects.update(workflow_type="stories.gone")
    assert [result.ok for result in replay_open_runs()] == [True], "history names the type"

    from aion.authoring.registry import registry

    gone = registry.workflows.pop("stories.Subscription")
    try:
        [result] = replay_open_runs()
    finally:
        registry.workflows["stories.Subscription"] = gone

    assert isinstance(result.error, UnknownType)
    assert str(handle.run_id) in result.diff
