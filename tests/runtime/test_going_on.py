"""Runs that go on with outcomes of local activities: without a claim, and only where all is as it was."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError

from aion import client
from aion.models import Event, Run
from aion.operations.pause import pause, resume
from aion.store import turns
from aion_engine.runtime.turns import Turns
from tests.support import kit
from tests.support.engine import Engine
from tests.support.locks import locked
from tests.support.rows import kinds_of
from tests.support.tuning import tuned_session
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

Register = Callable[[Any], Any]


@pytest.fixture(autouse=True, params=["plain", pytest.param("tuned", marks=pytest.mark.postgres)])
def _session(request: Any, db: None) -> Iterator[None]:
    """In a session like any other, and in one like that of a loop, with its pipeline."""
    with tuned_session() if request.param == "tuned" else contextlib.nullcontext():
        yield


@pytest.fixture(autouse=True)
def work(script: Register, acting: Register) -> list[int]:
    """Steps one after the other; gives the numbers of those that were run."""
    done: list[int] = []

    @acting
    def step(number: int) -> int:
        done.append(number)
        return number

    @script
    async def main(me: kit.Scripted, steps: int = 3) -> list[Any]:
        local = kit.act.with_options(local=True)
        results = [await local.execute("step", number) for number in range(steps)]
        return [results, me.notes]

    return done


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give how many runs each claim has got that got any."""
    got: list[int] = []
    claim = Turns.claim

    def counted(*args: Any, **options: Any) -> Any:
        claimed = claim(*args, **options)
        got.extend([len(claimed)] if claimed else [])
        return claimed

    monkeypatch.setattr(Turns, "claim", counted)
    return got


def one_outcome(engine: Engine) -> None:
    """Wait until an outcome is there to be folded."""
    eventually(lambda: engine.loop.local.outcome_count == 1)


def steps_done(run_id: str | None) -> int:
    return kinds_of(run_id).count("ActivityCompleted")  # type: ignore[arg-type]


def a_step_further(engine: Engine, steps: int = 3) -> client.WorkflowHandle:
    """Start a run and let it go on: its second step is folded next, and no claim is needed for that."""
    handle = engine.start("main", steps)
    engine.loop.step()  # claims the start
    one_outcome(engine)
    engine.loop.step()  # behind work for a claim comes another claim
    one_outcome(engine)
    return handle


def test_steps_of_a_run_need_no_claim(engine: Engine, claims: list[int]) -> None:
    handle = engine.start("main", 20)
    engine.turns()

    assert handle.result(0) == [list(range(20)), []]
    assert sum(claims) <= 2, "its start, and at most the batch behind it"
    assert kinds_of(handle.run_id) == [  # type: ignore[arg-type]
        "WorkflowStarted",
        *["ActivityCompleted"] * 20,
        "WorkflowCompleted",
    ]
    run = Run.objects.get()
    assert (run.head_seq, run.owner_id) == (22, None)
    assert run.history_bytes == sum(
        len(text) for text in Event.objects.values_list("attributes", flat=True)
    )


def test_mail_is_folded_between_the_steps(engine: Engine, claims: list[int]) -> None:
    handle = a_step_further(engine, 4)
    handle.signal("note", "here")
    engine.loop.step()
    assert steps_done(handle.run_id) == 2
    assert "SignalReceived" not in kinds_of(handle.run_id)  # type: ignore[arg-type]

    one_outcome(engine)
    engine.loop.step()
    assert len(claims) == 3, "the batch before has seen the mail"
    assert kinds_of(handle.run_id)[-2:] == ["SignalReceived", "ActivityCompleted"]  # type: ignore[arg-type]
    engine.turns()
    assert handle.result(0) == [[0, 1, 2, 3], ["here"]]


def test_a_run_does_not_close_over_its_mail(engine: Engine, work: list[int]) -> None:
    handle = a_step_further(engine, 2)
    handle.signal("note", "at last")
    engine.turns()

    assert handle.result(0) == [[0, 1], ["at last"]]
    assert work == [0, 1]
    assert kinds_of(handle.run_id).count("SignalReceived") == 1  # type: ignore[arg-type]


def test_others_are_not_kept_waiting(engine: Engine) -> None:
    handle = a_step_further(engine, 1000)
    other = client.start_workflow(kit.greet, "you")
    for _ in range(2):
        engine.loop.step()
        one_outcome(engine)

    assert other.result(0) == kit.Greeting("hello you", 1)
    assert steps_done(handle.run_id) == 3


def test_a_run_that_was_paused_meanwhile_waits(engine: Engine, work: list[int]) -> None:
    handle = a_step_further(engine)
    pause(handle.workflow_id)
    engine.turns()
    assert handle.describe().status == "paused"
    assert steps_done(handle.run_id) == 1

    resume(handle.workflow_id)
    engine.turns()
    assert handle.result(0) == [[0, 1, 2], []]
    assert work == [0, 1, 2]


def test_a_run_that_was_closed_meanwhile_stays_so(engine: Engine) -> None:
    handle = a_step_further(engine)
    before = kinds_of(handle.run_id)  # type: ignore[arg-type]
    handle.terminate("enough")
    engine.turns()

    assert handle.describe().status == "terminated"
    assert kinds_of(handle.run_id)[: len(before)] == before  # type: ignore[arg-type]
    assert not engine.loop.local.runs()


@pytest.mark.parametrize("change", [{"owner_id": None}, {"head_seq": 7}])
def test_nothing_is_written_for_a_run_that_is_not_as_it_was_known(
    engine: Engine, claims: list[int], change: dict[str, Any]
) -> None:
    handle = a_step_further(engine)
    before = list(Event.objects.values_list("seq", "kind"))
    Run.objects.filter(id=handle.run_id).update(**change)
    claims.clear()
    engine.loop.step()

    assert list(Event.objects.values_list("seq", "kind")) == before
    assert claims == []
    assert len(engine.loop.turns.cache) == 0, "its instance has gone further than the history"


def test_a_run_that_somebody_else_has_taken_goes_on_there(engine: Engine) -> None:
    handle = a_step_further(engine)
    other = Engine()
    Run.objects.filter(id=handle.run_id).update(owner_id=other.worker.id)
    engine.turns()
    assert steps_done(handle.run_id) == 1
    assert not engine.loop.local.runs()

    handle.signal("note", "go")
    other.turns()
    assert handle.result(0) == [[0, 1, 2], ["go"]]
    other.close()


def test_code_that_fails_is_met_again_behind_a_claim_and_held_there(
    engine: Engine, script: Register, claims: list[int]
) -> None:
    broken = [True]

    @script
    async def failing(me: kit.Scripted) -> str:
        local = kit.act.with_options(local=True)
        for number in range(2):
            await local.execute("step", number)
        if broken:
            random.random()
        return "mended"

    handle = engine.start("failing")
    engine.turns()
    assert claims in ([1, 1], [1, 1, 1])
    shown = handle.describe()
    assert shown.problem is not None
    assert shown.problem["code"] == "forbidden_in_workflow"
    assert steps_done(handle.run_id) == 1

    broken.clear()
    handle.release()
    engine.turns()
    assert handle.result(0) == "mended"


def test_a_batch_whose_commit_fails_is_folded_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, work: list[int]
) -> None:
    handle = a_step_further(engine)
    with monkeypatch.context() as patch:

        def fail(*_: Any, **__: Any) -> None:
            raise DatabaseError("gone")

        patch.setattr(turns, "write", fail)
        with pytest.raises(DatabaseError, match="gone"):
            engine.loop.step()
    assert steps_done(handle.run_id) == 1
    assert len(engine.loop.turns.cache) == 0

    engine.turns()
    assert handle.result(0) == [[0, 1, 2], []]
    assert work == [0, 1, 2]


def test_many_runs_go_on_in_parts(engine: Engine, claims: list[int]) -> None:
    handles = [engine.start("main", 5) for _ in range(7)]
    engine.loop.turns.reach.runs = 3
    engine.loop.turns.reach._most = 3
    engine.turns()

    assert [handle.result(0)[0] for handle in handles] == [list(range(5))] * 7
    assert sum(claims) < 7 * 5


def test_history_limits_hold_without_a_claim(engine: Engine, settings: Any) -> None:
    settings.AION = {
        **settings.AION,
        "HISTORY_SUGGEST_EVENTS": 5,
        "HISTORY_MAX_EVENTS": 10,
    }
    handle = engine.start("main", 50)
    engine.turns()

    assert handle.describe().status == "failed"
    assert Run.objects.get().head_seq <= 12


@pytest.mark.postgres
def test_a_sender_that_holds_the_row_keeps_nobody_waiting(engine: Engine) -> None:
    slow = a_step_further(engine)
    assert slow.run_id is not None
    with locked(slow.run_id):
        engine.loop.step()
        assert steps_done(slow.run_id) == 1
        other = client.start_workflow(kit.greet, "you")
        engine.loop.step()
        assert other.result(0) == kit.Greeting("hello you", 1)

    engine.turns()
    assert slow.result(0) == [[0, 1, 2], []]
