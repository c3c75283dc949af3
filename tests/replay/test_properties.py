"""Properties of generated workflows in generated worlds."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aion.core.commands import COMMAND_NAMES
from aion.core.events import Role
from aion.core.history import from_lines, to_lines
from aion_engine.replay.replayer import replay
from tests.support.driver import RUN_ID, Driver, defined
from tests.support.programs import Program, play, programs, worlds

bounded = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def finished(run: Driver) -> Driver:
    run.instance.close()
    return run


@given(programs, worlds)
@bounded
def test_a_full_history_replays_to_the_same_end(program: Any, world: list[int]) -> None:
    run = finished(play(program, world))

    instance, left = replay(defined(Program), RUN_ID, run.history)

    assert left == []
    assert instance.head_seq == run.history[-1].seq
    if run.closed:
        assert instance.terminal is not None
        assert msgspec.json.encode(instance.terminal.event) == msgspec.json.encode(run.events[-1])
    else:
        assert instance.terminal is None
    instance.close()


@given(programs, worlds, st.data())
@bounded
def test_a_prefix_of_a_history_replays_to_a_prefix_of_its_commands(
    program: Any, world: list[int], data: st.DataObject
) -> None:
    run = finished(play(program, world))
    length = data.draw(st.integers(1, len(run.history)), label="length")

    instance, left = replay(defined(Program), RUN_ID, run.history[:length], partial=True)
    instance.close()

    recorded = [one.event for one in run.history[length:]]
    following = []
    for event in recorded:
        if event.role is Role.ARRIVAL:
            break
        if event.role is Role.COMMAND:
            following.append((COMMAND_NAMES[type(event)], event.key))  # type: ignore[index]
    found = [(command.name, command.event.key) for command in left]
    # What ends the run is recorded when all accepted messages have been folded, maybe behind others.
    ends = run.closed and found and found[-1][0] == COMMAND_NAMES[type(run.events[-1])]  # type: ignore[index]
    assert found == following or (ends and found[:-1] == following)


@given(programs, worlds)
@bounded
def test_a_run_that_crashes_at_every_boundary_has_the_same_history(
    program: Any, world: list[int]
) -> None:
    undisturbed = finished(play(program, world))
    crashed = finished(play(program, world, crashing=True))

    assert crashed.lines == undisturbed.lines


@given(programs, worlds)
@bounded
def test_a_history_survives_being_written_down(program: Any, world: list[int]) -> None:
    run = finished(play(program, world))

    assert list(to_lines(from_lines(run.lines))) == run.lines
    assert [recorded.seq for recorded in run.history] == list(range(1, len(run.history) + 1))
    times = [recorded.recorded_at for recorded in run.history]
    assert times == sorted(times)


@given(programs, worlds)
@bounded
def test_a_query_at_any_time_changes_nothing(program: Any, world: list[int]) -> None:
    undisturbed = finished(play(program, world))
    replayed, _ = replay(defined(Program), RUN_ID, undisturbed.history)

    first = replayed.query("length", b"{}")
    second = replayed.query("length", b"{}")
    replayed.close()

    assert first == second
