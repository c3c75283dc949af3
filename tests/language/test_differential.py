"""Generated families, lived twice: undisturbed, and with every instance lost before every turn."""

from __future__ import annotations

import ast
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from aion.authoring.registry import registry
from aion.core.events import Role
from aion.core.pending import effective
from aion.models import Run
from aion.store import histories
from aion_engine.replay.replayer import replay
from tests.conftest import on_postgresql
from tests.language.families import Member, live, programs, worlds
from tests.language.worlds import same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# The suite takes the same examples every time. AION_EXPLORE=500 takes as many new ones, AION_CASE="..." one.
EXPLORE = int(os.environ.get("AION_EXPLORE", "0"))
CASE = os.environ.get("AION_CASE", "")

bounded = settings(
    max_examples=EXPLORE or (10 if on_postgresql() else 40),
    deadline=None,
    derandomize=not EXPLORE,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _work(acting: Any) -> None:
    @acting
    def work(name: str) -> str:
        if name == "bad":
            raise ValueError(name)
        return f"done {name}"


@pytest.mark.timeout(120 + 5 * EXPLORE)
def test_a_family_lives_the_same_life_when_all_is_forgotten(
    clock: StandingClock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kit.ACTS  # the activity of the fixture above
    if CASE:
        _live_alike(clock, *ast.literal_eval(CASE))
        return
    told: list[str] = []

    @given(programs, worlds)
    @bounded
    def lives_alike(program: Any, world: list[int]) -> None:
        try:
            _live_alike(clock, program, world)
        except Exception:
            if not told:  # at once: to shrink it takes minutes
                told.append(repr((program, world)))
                with capsys.disabled():
                    print(f'\nAION_CASE="{told[0]}"')
            raise

    lives_alike()


def _live_alike(clock: StandingClock, program: Any, world: list[int]) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        live(engine, clock, program, world)

    same_when_lost(story, clock)
    for run in Run.objects.all():
        _check_prefixes(run)


def _check_prefixes(run: Run) -> None:
    """A crash between any two events: what replay asks for is what history goes on with."""
    history = effective(histories.load_one(run.id))
    definition = registry.workflow(run.workflow_type)
    assert definition.target is Member
    for length in range(1, len(history)):
        instance, left = replay(definition, str(run.id), history[:length], partial=True)
        instance.close()
        following = []
        for recorded in history[length:]:
            if recorded.event.role is not Role.COMMAND:
                break
            following.append(recorded.event)
        asked = [command.event for command in left]
        assert [(type(e), e.key) for e in following] == [
            (type(e), e.key) for e in asked[: len(following)]
        ]
