"""Generated families, lived twice: undisturbed, and with every instance lost before every turn."""

from __future__ import annotations

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
from tests.language.families import Member, live, programs, worlds
from tests.language.worlds import same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

bounded = settings(
    max_examples=60,
    deadline=None,
    # The suite takes the same examples every time; AION_EXPLORE=1 takes new ones and prints what fails.
    derandomize=os.environ.get("AION_EXPLORE") != "1",
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _work(acting: Any) -> None:
    @acting
    def work(name: str) -> str:
        if name == "bad":
            raise ValueError(name)
        return f"done {name}"


@given(programs, worlds)
@bounded
def test_a_family_lives_the_same_life_when_all_is_forgotten(
    clock: StandingClock, program: Any, world: list[int]
) -> None:
    assert kit.ACTS  # the activity of the fixture above

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
