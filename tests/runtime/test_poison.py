"""One poisoned run ends or is held with its reason, and the other of its batch goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aion import RetryPolicy, workflow
from aion.core.errors import WorkflowFailureError
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


class Mute(Exception):
    """Says nothing, not even what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class MuteExit(BaseException):
    __str__ = __repr__ = Mute.__str__


@pytest.fixture
def neighbour(engine: Engine, script: Register) -> Iterator[None]:
    @script
    async def fine(me: kit.Scripted) -> str:
        return "done"

    handle = engine.start("fine")
    yield
    assert handle.result(0) == "done"


@pytest.mark.usefixtures("neighbour")
def test_code_that_never_yields_is_held(settings: Any, engine: Engine, script: Register) -> None:
    settings.AION = {**settings.AION, "YIELD_LIMIT": 0.05}

    @script
    async def main(me: kit.Scripted) -> None:
        while True:
            pass

    quick = Engine()
    handle = engine.start("main")
    quick.turns()

    assert handle.describe().problem["code"] == "workflow_interrupted"  # type: ignore[index]


@pytest.mark.usefixtures("neighbour")
def test_code_that_raises_what_cannot_be_shown_fails(engine: Engine, script: Register) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        raise Mute

    handle = engine.start("main")
    engine.turns()

    with pytest.raises(WorkflowFailureError, match="__str__ raised RuntimeError"):
        handle.result(0)


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("error", [Mute(), MuteExit()])
def test_an_activity_that_raises_what_cannot_be_shown_fails(
    engine: Engine, script: Register, acting: Register, error: BaseException, local: bool
) -> None:
    @acting
    def mute() -> None:
        raise error

    once = RetryPolicy(maximum_attempts=1)

    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.with_options(retry=once, local=local).execute("mute")

    handle = engine.start("main")
    engine.go()

    with pytest.raises(WorkflowFailureError, match="__str__ raised RuntimeError"):
        handle.result(0)


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("local", [True, False])
def test_an_activity_that_no_worker_knows_fails_with_its_name(
    engine: Engine, script: Register, clock: StandingClock, local: bool
) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        run = workflow.execute_local_activity if local else workflow.execute_activity
        await run("not.there", retry=RetryPolicy(maximum_attempts=1))

    handle = engine.start("main")
    engine.go()

    with pytest.raises(WorkflowFailureError, match=r"not\.there"):
        handle.result(0)
