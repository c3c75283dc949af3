"""Histories recorded by earlier code replay on today's."""

from __future__ import annotations

import asyncio
import copy
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from aion import workflow
from aion.authoring.registry import Registry
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core import events
from aion.core.errors import NonDeterminismError
from aion.core.events import PatchMarked, Role, WorkflowStarted
from aion.core.history import KINDS, Recorded, from_lines, to_lines
from aion.core.pending import effective
from aion.core.status import TERMINAL_EVENTS
from aion_engine.replay.replayer import replay
from tests.replay import histories
from tests.replay.histories import workflows
from tests.support.driver import RUN_ID
from tests.support.record_histories import SCENARIOS, driver_of
from tests.support.recording import FOLDER, files, named

FILES = files()
DRIVEN = [path for path in FILES if named(path) in SCENARIOS]


def known_workflows() -> Registry:
    """All definitions that stand beside recorded histories."""
    registry = Registry()
    folders = [info.name for info in pkgutil.iter_modules([str(FOLDER)]) if info.ispkg]
    modules = [
        importlib.import_module(f"{histories.__name__}.{name}.workflows") for name in folders
    ]
    for module in (workflows, *modules):
        for value in vars(module).values():
            definition = definition_of(value)
            if definition is not None:
                registry.add_workflow(definition)
    return registry


def read(path: Path) -> list[Recorded]:
    return from_lines(path.read_bytes().splitlines())


def definition_for(history: list[Recorded]) -> WorkflowDefinition:
    started = history[0].event
    assert isinstance(started, WorkflowStarted)
    return known_workflows().workflow(started.workflow_type)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_recorded_history_replays(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    history = from_lines(lines)
    definition = definition_for(history)

    counts = {recorded.seq for recorded in effective(history)}
    for length in range(1, len(history)):
        if (
            history[length - 1].seq in counts
        ):  # what was undone may be the work of code that was mended
            instance, _ = replay(definition, RUN_ID, history[:length], partial=True)
            instance.close()
    instance, left = replay(definition, RUN_ID, history)
    instance.close()

    assert left == []
    ended_by_its_code = history[-1].event.role is Role.COMMAND
    assert isinstance(history[-1].event, TERMINAL_EVENTS)
    assert (instance.terminal is not None) == ended_by_its_code
    if instance.terminal is not None:
        assert type(instance.terminal.event) is type(history[-1].event)
    assert [*to_lines(history)] == lines


@pytest.mark.parametrize("path", FILES, ids=named)
def test_code_that_does_something_else_is_found_at_each_command(path: Path) -> None:
    """Wherever history records something else than the code asks for: at that very event."""
    history = read(path)
    definition = definition_for(history)
    for recorded in effective(history):
        if recorded.event.role is not Role.COMMAND or _may_be_gone(recorded):
            continue
        place = history.index(recorded)
        other = events.TimerStarted(timer_id="other", fire_at=recorded.recorded_at)
        changed = [*history]
        changed[place] = Recorded(recorded.seq, recorded.recorded_at, other)
        with pytest.raises(NonDeterminismError) as caught:
            replay(definition, RUN_ID, changed)
        # The value of a side effect is missed while the code runs, before any command is compared.
        taken = isinstance(recorded.event, events.SideEffectRecorded)
        arrivals = (r.seq for r in reversed(history[:place]) if r.event.role is Role.ARRIVAL)
        assert caught.value.seq == (next(arrivals) if taken else recorded.seq)


def _may_be_gone(recorded: Recorded) -> bool:
    return isinstance(recorded.event, PatchMarked) and recorded.event.deprecated


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_changed_definition_is_found(path: Path) -> None:
    """An activity more, before all else; nothing at all any more."""
    history = read(path)
    definition = definition_for(history)
    if all(recorded.event.role is not Role.COMMAND for recorded in history):
        return  # its code had not begun, so that it may be any

    async def more(*args: Any, **kwargs: Any) -> Any:
        await workflow.execute_activity("histories.a-step-more")
        return await definition.run(*args, **kwargs)

    async def nothing(*args: Any, **kwargs: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    for run in (more, nothing):
        changed = copy.copy(definition)
        changed.run = run
        with pytest.raises(NonDeterminismError):
            replay(changed, RUN_ID, history)


@pytest.mark.parametrize("path", DRIVEN, ids=named)
def test_todays_code_would_record_the_same(path: Path) -> None:
    """A stronger promise than replay needs: results and values agree too. A new rule may end it."""
    _, _, scenario = SCENARIOS[named(path)]
    run = driver_of(named(path))
    scenario(run)
    run.instance.close()

    recorded = read(path)
    assert [one.kind for one in recorded] == run.kinds
    if run.kinds[-1] == "WorkflowCompleted":
        assert bytes(recorded[-1].event.result) == bytes(run.events[-1].result)  # type: ignore[attr-defined]


# --- nothing is missing ---------------------------------------------------------------------------


def test_every_file_has_its_scenario_or_story() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/workflows.py")}
    driven = {name for name in SCENARIOS if name.partition("/")[0] not in folders}
    assert {named(path) for path in DRIVEN} == driven == set(SCENARIOS)
    told = {path.parent.name for path in FILES if path not in DRIVEN}
    assert told == folders


def test_every_definition_has_a_file() -> None:
    recorded = {each.event.workflow_type for path in FILES for each in read(path)[:1]}  # type: ignore[attr-defined]
    # Children whose whole life is in their parent's history need none of their own.
    assert set(known_workflows().workflows) - recorded <= {
        "histories.operators.Leaf",
        "histories.plain.Child",
    }
    assert recorded <= set(known_workflows().workflows)


def test_every_kind_of_event_of_a_run_is_recorded() -> None:
    recorded = {each.kind for path in FILES for each in read(path)}
    assert {kind for kind in KINDS if not kind.startswith("Schedule")} - recorded == set()
