"""Histories recorded by earlier code replay on today's."""

from __future__ import annotations

from pathlib import Path

import pytest

from aion.authoring.registry import Registry
from aion.core.events import WorkflowStarted
from aion.core.history import from_lines, to_lines
from aion_engine.replay.replayer import replay
from tests.replay.histories import workflows
from tests.support.driver import RUN_ID
from tests.support.record_histories import SCENARIOS, driver_of

FOLDER = Path(workflows.__file__).parent
FILES = sorted(FOLDER.rglob("*.jsonl"))


def named(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def known_workflows() -> Registry:
    from aion.authoring.workflow_definition import definition_of

    registry = Registry()
    for value in vars(workflows).values():
        definition = definition_of(value)
        if definition is not None:
            registry.add_workflow(definition)
    return registry


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_recorded_history_replays(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    history = from_lines(lines)
    started = history[0].event
    assert isinstance(started, WorkflowStarted)
    definition = known_workflows().workflow(started.workflow_type)

    for length in range(1, len(history)):
        instance, _ = replay(definition, RUN_ID, history[:length], partial=True)
        instance.close()
    instance, left = replay(definition, RUN_ID, history)
    instance.close()

    assert left == []
    assert instance.terminal is not None
    assert [*to_lines(history)] == lines


@pytest.mark.parametrize("path", FILES, ids=named)
def test_todays_code_would_record_the_same(path: Path) -> None:
    """A stronger promise than replay needs: results and values agree too. A new rule may end it."""
    _, _, scenario = SCENARIOS[named(path)]
    run = driver_of(named(path))
    scenario(run)
    run.instance.close()

    recorded = from_lines(path.read_bytes().splitlines())
    assert [one.kind for one in recorded] == run.kinds
    if run.kinds[-1] == "WorkflowCompleted":
        assert bytes(recorded[-1].event.result) == bytes(run.events[-1].result)  # type: ignore[attr-defined]


def test_every_scenario_has_its_file() -> None:
    assert {named(path) for path in FILES} == set(SCENARIOS)
