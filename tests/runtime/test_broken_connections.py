"""Connections that break at the worst moment: between a commit and its answer, in a claim, in a heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from aion import activity, client
from aion.models import ActivityTask, Event, Run
from aion.operations.clock import clock as system_clock
from aion.store import activities
from tests.sample.models import Effect
from tests.support import kit
from tests.support.connections import end_other_sessions
from tests.support.engine import Engine, in_thread, running_worker
from tests.support.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

Register = Callable[[Any], Any]


class Commits:
    """Loses the answers to commits, while it is `losing`."""

    def __init__(self) -> None:
        self.losing = 0

    def lose(self, wrapper: BaseDatabaseWrapper, commit: Callable[[Any], None]) -> None:
        commit(wrapper)
        if self.losing:
            self.losing -= 1
            wrapper.connection.close()
            raise OperationalError("the answer to the commit is lost")


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    made, commit = Commits(), BaseDatabaseWrapper._commit
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", lambda wrapper: made.lose(wrapper, commit))
    return made


@pytest.fixture
def effects(acting: Register) -> Callable[[], int]:
    @acting
    def effect() -> str:
        Effect.objects.create(key="effect")
        return "done"

    return lambda: Effect.objects.filter(key="effect").count()


def outcomes() -> list[str]:
    kinds = ("ActivityCompleted", "ActivityFailed", "ActivityTimedOut")
    return list(Event.objects.filter(kind__in=kinds).values_list("kind", flat=True))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("transactional", [True, False])
def test_commits_without_an_answer_lose_and_repeat_nothing(
    script: Register,
    commits: Commits,
    effects: Callable[[], int],
    local: bool,
    transactional: bool,
) -> None:
    """Each commit of a worker in its turn: of the turns, of the claim, of the activity."""
    which = kit.booking if transactional else kit.act

    @script
    async def main(me: kit.Scripted) -> str:
        first = await which.with_options(local=local).execute("effect")
        return f"{first} and {await which.with_options(local=local).execute('effect')}"

    with running_worker(activity_threads=1) as worker:
        eventually(lambda: worker.loop is not None)
        handle = client.start_workflow(kit.Scripted, "main")
        commits.losing = 6

        assert handle.result(30) == "done and done"

    assert outcomes() == ["ActivityCompleted"] * 2
    assert effects() == 2 or not transactional
    assert not Run.objects.filter(owner_id__isnull=False).exists()


def test_a_waiter_for_a_result_lives_through_ended_sessions(
    script: Register, engine: Engine
) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        return "done"

    handle = engine.start("main")
    waiting = in_thread(handle.result, 20)
    for _ in range(3):
        end_other_sessions()
        waiting.join(0.1)
    engine.turns()

    assert waiting.done() == "done"


def test_a_waiter_in_a_transaction_hears_that_it_is_lost(engine: Engine) -> None:
    handle = engine.start("nothing")

    def wait() -> None:
        with transaction.atomic():
            handle.result(20)

    waiting = in_thread(wait)

    def heard() -> bool:
        end_other_sessions()
        return not waiting.is_alive()

    eventually(heard, what="it hears of it")

    with pytest.raises(OperationalError):
        waiting.done()


def test_a_claim_whose_answer_was_lost_is_found_to_be_ours(
    script: Register, acting: Register, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @acting
    def work() -> str:
        return "done"

    @script
    async def main(me: kit.Scripted) -> str:
        return str(await kit.act.execute("work"))

    handle = engine.start("main")
    engine.turns()
    claim = activities.claim_attempt

    def lost(*args: Any, **given: Any) -> Any:
        monkeypatch.setattr(activities, "claim_attempt", claim)
        assert claim(*args, **given) is not None
        raise OperationalError("the answer is lost")

    monkeypatch.setattr(activities, "claim_attempt", lost)
    running = engine.begin()

    assert running is not None
    assert running.attempt.number == 1
    engine.perform(running)
    engine.turns()
    assert handle.result(0) == "done"


def test_a_heartbeat_that_is_lost_costs_nothing(
    script: Register, acting: Register, engine: Engine
) -> None:
    @acting
    def beats() -> str:
        activity.heartbeat(1)
        in_thread(end_other_sessions).done()
        activity.info()
        for number in range(2, 4):
            system_clock.reset()
            _let_beat()
            activity.heartbeat(number)
        return "done"

    @script
    async def main(me: kit.Scripted) -> str:
        return str(await kit.act.execute("beats"))

    handle = engine.start("main")
    engine.turns()
    assert engine.act()
    engine.turns()

    assert handle.result(0) == "done"
    assert not ActivityTask.objects.exists()
    assert Event.objects.get(kind="ActivityStarted").attributes.count('"attempt"') <= 1


def _let_beat() -> None:
    """Let the next heartbeat be written at once, however soon it comes."""
    from aion.authoring.context import current_activity

    context: Any = current_activity.get()
    context._last_beat = float("-inf")


@pytest.mark.parametrize("times", [1, 3])
def test_deadlocks_and_serialization_failures_are_tried_again(
    script: Register, acting: Register, engine: Engine, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """What PostgreSQL says of them is an OperationalError, like a lost connection."""
    from aion.operations import activity_outcome
    from aion_engine.runtime import execution

    @acting
    def work() -> str:
        return "done"

    @script
    async def main(me: kit.Scripted) -> str:
        return str(await kit.act.execute("work"))

    complete, failures = activity_outcome.complete, iter(range(times))

    def failing(*args: Any, **given: Any) -> Any:
        if next(failures, None) is not None:
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
        return complete(*args, **given)

    monkeypatch.setattr(activity_outcome, "complete", failing)
    monkeypatch.setattr(execution, "_PAUSES", (0.01,) * 3)
    handle = engine.start("main")
    engine.go()

    assert handle.result(0) == "done"
    assert outcomes() == ["ActivityCompleted"]
