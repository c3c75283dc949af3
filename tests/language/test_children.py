"""Children: their results and errors, ids that clash, cancellation types."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, ChildWorkflowError, TerminatedError, client, workflow
from aion import TimeoutError as AionTimeoutError
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import ActivityError, PayloadError, UnknownType
from aion.models import Run
from tests.language.worlds import chain, failure_of, found, kinds, rest, same_when_lost, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

run_child = workflow.execute_child_workflow


@pytest.fixture(autouse=True)
def _children(script: Any, acting: Any) -> None:
    """Scripts that serve as children."""

    @acting
    def refuse() -> None:
        raise ApplicationError("declined", type="Declined", non_retryable=True)

    @script
    async def double(me: Scripted, value: int) -> int:
        return value * 2

    @script
    async def nap(me: Scripted, seconds: float = 1000.0) -> str:
        await asyncio.sleep(seconds)
        return "rested"

    @script
    async def stubborn(me: Scripted, seconds: float) -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(seconds)
        return "finished all the same"

    @script
    async def failing(me: Scripted) -> None:
        await kit.act.execute("refuse")

    @script
    async def counting(me: Scripted, left: int) -> str:
        if left:
            workflow.continue_as_new("counting", left - 1)
        return "counted"

    @script
    async def family(me: Scripted) -> list[Any]:
        about = workflow.info()
        return [
            about.parent_workflow_id,
            about.root_workflow_id,
            about.memo,
            about.search_attributes,
            about.task_queue,
        ]


# --- results --------------------------------------------------------------------------------------


def test_results_come_in_the_order_asked_for(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        naps = [run_child(Scripted, "nap", float(5 - n)) for n in range(3)]
        return [*await asyncio.gather(*naps, run_child("kit.Scripted", "double", 4))]

    handle = engine.start("main")
    rest(engine, clock)

    assert handle.result(0) == ["rested", "rested", "rested", 8]
    assert kinds(handle)[1:5] == ["ChildWorkflowStarted"] * 4


def test_the_result_is_decoded_by_the_childs_annotation(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        typed = await run_child(kit.greet, "ann", kwargs={"times": 2})
        plain = await run_child("kit.greet", "ann")
        return [type(typed).__name__, typed.times, type(plain).__name__]

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == ["Greeting", 2, "dict"]


def test_a_child_knows_its_family_and_what_it_was_given(engine: Engine, script: Any) -> None:
    @script
    async def middle(me: Scripted) -> Any:
        return await run_child(
            Scripted, "family", id="leaf", memo={"m": 1}, search_attributes={"color": "red"}
        )

    @script
    async def main(me: Scripted) -> Any:
        return await run_child(Scripted, "middle", id="middle", task_queue="elsewhere")

    handle = engine.start("main", id="root")
    engine.turns()

    assert handle.result(0) == ["middle", "root", {"m": 1}, {"color": "red"}, "elsewhere"]
    root = Run.objects.get(workflow_id="root")
    assert {run.root_run_id for run in Run.objects.all()} == {root.id}


def test_default_ids_differ(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        handles = [await workflow.start_child_workflow(Scripted, "double", 1) for _ in range(3)]
        await asyncio.gather(*handles)
        return [handle.workflow_id for handle in handles]

    first, second = engine.start("main"), engine.start("main")
    engine.turns()

    assert len({*first.result(0), *second.result(0)}) == 6


def test_a_started_child_exists_when_the_turn_commits(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        child = await workflow.start_child_workflow(Scripted, "nap", id="child")
        await workflow.wait_condition(lambda: me.notes)
        return [child.workflow_id, child.run_id]

    handle = engine.start("main")
    engine.turn()
    started = found(handle, events.ChildWorkflowStarted)[0]
    assert status("child") == "running"
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == ["child", started.run_id]


def test_a_child_that_continues_as_new_answers_once_with_its_last_result(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> Any:
        return await run_child(Scripted, "counting", 3, id="counting")

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "counted"
    assert len(chain("counting")) == 4
    assert len(found(handle, events.ChildOutcome)) == 1


# --- errors ---------------------------------------------------------------------------------------


def ended(engine: Engine, script: Any, child: str, *args: Any, **options: Any) -> WorkflowHandle:
    """A parent that gives how its child `child` ended, and the child running."""

    @script
    async def main(me: Scripted) -> list[Any]:
        try:
            return ["result", await run_child(Scripted, child, *args, id="child", **options)]
        except ChildWorkflowError as error:
            chain: list[Any] = []
            cause: BaseException | None = error
            while cause is not None:
                chain.append([type(cause).__name__, getattr(cause, "type", "") or str(cause)])
                cause = cause.__cause__
            return [[error.workflow_type, error.workflow_id, bool(error.run_id)], *chain]

    handle = engine.start("main")
    engine.go()
    return handle


ABOUT = ["kit.Scripted", "child", True]


def test_a_failed_child_gives_its_whole_chain_of_causes(engine: Engine, script: Any) -> None:
    handle = ended(engine, script, "failing")

    about, *causes = handle.result(0)
    assert about == ABOUT
    assert [name for name, _ in causes] == [
        "ChildWorkflowError",
        "ActivityError",
        "ApplicationError",
    ]
    assert causes[-1][1] == "Declined"


def test_a_child_cancelled_from_outside(engine: Engine, script: Any) -> None:
    handle = ended(engine, script, "nap")
    client.get_workflow_handle("child").cancel("enough")
    engine.turns()

    assert handle.result(0)[1:] == [
        ["ChildWorkflowError", "Child workflow 'child' was cancelled: enough"],
        ["CancelledError", "enough"],
    ]


def test_a_terminated_child(engine: Engine, script: Any) -> None:
    handle = ended(engine, script, "nap")
    client.get_workflow_handle("child").terminate("by hand")
    engine.turns()

    assert handle.result(0)[1:] == [
        ["ChildWorkflowError", "Child workflow 'child' was terminated: by hand"],
        ["TerminatedError", "by hand"],
    ]


@pytest.mark.parametrize("kind", ["run", "execution"])
def test_a_child_that_ran_out_of_time(
    engine: Engine, clock: StandingClock, script: Any, kind: str
) -> None:
    handle = ended(engine, script, "nap", **{f"{kind}_timeout": timedelta(seconds=5)})
    clock.move(5)
    engine.turns()

    assert [name for name, _ in handle.result(0)[1:]] == ["ChildWorkflowError", "TimeoutError"]
    assert isinstance(failure_of(client.get_workflow_handle("child")), AionTimeoutError)


def test_an_unhandled_child_error_fails_the_parent_with_the_chain(
    engine: Engine, script: Any
) -> None:
    @script
    async def middle(me: Scripted) -> None:
        await run_child(Scripted, "failing")

    @script
    async def main(me: Scripted) -> None:
        await run_child(Scripted, "middle")

    handle = engine.start("main")
    engine.go()

    error: BaseException | None = failure_of(handle)
    seen = []
    while error is not None:
        seen.append(type(error))
        error = error.__cause__
    assert seen == [ChildWorkflowError, ChildWorkflowError, ActivityError, ApplicationError]


def test_an_id_that_is_taken_fails_the_child(engine: Engine, script: Any) -> None:
    taken = engine.start("nap", id="child")
    engine.turns()
    handle = ended(engine, script, "nap")

    assert handle.result(0)[0] == ABOUT
    assert [line[1] for line in handle.result(0)[1:]][-1] == "WorkflowAlreadyStarted"
    assert str(taken.describe().status) == "running"
    assert len(found(handle, events.ChildOutcome)) == 1


def test_two_children_of_one_turn_may_clash_with_each_other(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        twins = [run_child(Scripted, "double", n, id="twin") for n in (1, 2)]
        outcomes = await asyncio.gather(*twins, return_exceptions=True)
        return [getattr(getattr(one, "cause", None), "type", str(one)) for one in outcomes]

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == ["2", "WorkflowAlreadyStarted"]


def test_an_id_may_be_used_again_when_the_first_has_closed(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> list[int]:
        return [await run_child(Scripted, "double", n, id="child") for n in range(3)]

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == [0, 2, 4]


def test_a_child_of_a_type_that_nobody_knows_is_held_not_lost(engine: Engine, script: Any) -> None:
    @script
    async def main(me: Scripted) -> None:
        await run_child("not.deployed.yet", id="child")

    handle = engine.start("main")
    engine.turns()

    assert str(handle.describe().status) == "running"
    assert client.get_workflow_handle("child").describe().problem_count == 1


def test_bad_options_and_arguments_are_errors_where_the_child_is_asked_for(
    engine: Engine, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        seen = []
        for ask in (
            lambda: run_child(Scripted),
            lambda: run_child(Scripted, "double", color="red"),
            lambda: run_child(Scripted, "double", run_timeout=5),
            lambda: run_child(Scripted, "double", run_timeout=timedelta(0)),
            lambda: run_child(Scripted, "double", parent_close_policy="adopt"),
            lambda: run_child(Scripted, object()),
            lambda: run_child(print),
            lambda: run_child(Scripted, "double", memo={"a": object()}),
        ):
            try:
                await ask()
            except Exception as error:
                seen.append(type(error).__name__)
        return seen

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == [
        *["TypeError"] * 3,
        *["ValueError"] * 2,
        "PayloadUnserializable",
        UnknownType.__name__,
        "PayloadUnserializable",
    ]
    assert issubclass(PayloadError, Exception)
    assert kinds(handle) == ["WorkflowStarted", "WorkflowCompleted"]


# --- cancelling -----------------------------------------------------------------------------------


def cancelled(
    script: Any, engine: Engine, kind: str, child: str = "nap", *args: Any
) -> WorkflowHandle:
    """A parent that was cancelled while it awaits its child, one turn after."""

    @script
    async def main(me: Scripted) -> str:
        try:
            return str(
                await run_child(
                    Scripted,
                    child,
                    *args,
                    id="child",
                    cancellation_type=kind,
                    parent_close_policy="abandon",
                )
            )
        except asyncio.CancelledError as error:
            return f"cancelled {error}"

    handle = engine.start("main")
    engine.turns()
    handle.cancel("why")
    engine.turn()
    return handle


def test_wait_asks_the_child_and_waits_for_its_end(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    handle = cancelled(script, engine, "wait", "stubborn", 5.0)
    engine.turns()
    assert str(handle.describe().status) == "running"
    rest(engine, clock)

    assert handle.result(0) == "finished all the same"  # it may still be a result
    assert len(found(handle, events.ExternalCancelRequested)) == 1


def test_wait_raises_when_the_child_was_cancelled(engine: Engine, script: Any) -> None:
    handle = cancelled(script, engine, "wait")
    engine.turns()

    assert handle.result(0).startswith("cancelled")
    assert status("child") == "cancelled"


def test_try_asks_the_child_and_goes_on(engine: Engine, clock: StandingClock, script: Any) -> None:
    handle = cancelled(script, engine, "try", "stubborn", 5.0)

    assert handle.result(0) == "cancelled why"
    assert status("child") == "running"
    rest(engine, clock)
    assert client.get_workflow_handle("child").result(0) == "finished all the same"
    assert found(handle, events.ChildOutcome) == []


def test_wait_requested_waits_until_the_child_has_the_request(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    handle = cancelled(script, engine, "wait_requested", "stubborn", 5.0)
    assert str(handle.describe().status) == "running"  # sent, and not yet taken
    engine.turns()

    assert handle.result(0).startswith("cancelled")
    assert status("child") == "running"
    assert kinds(handle)[-4:] == [
        "CancelRequested",
        "ExternalCancelRequested",
        "ExternalRequestDelivered",
        "WorkflowCompleted",
    ]
    rest(engine, clock)
    assert client.get_workflow_handle("child").result(0) == "finished all the same"


def test_wait_requested_of_a_child_that_ends_before_it_hears_of_it(
    engine: Engine, script: Any
) -> None:
    handle = cancelled(script, engine, "wait_requested")
    client.get_workflow_handle("child").terminate("by hand")
    engine.turns()

    assert handle.result(0).startswith("cancelled")  # nobody is left who could hear of it
    assert status("child") == "terminated"


def test_wait_requested_is_the_same_when_instances_are_lost(
    clock: StandingClock, script: Any
) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        cancelled(script, engine, "wait_requested", "stubborn", 5.0)
        rest(engine, clock)

    same_when_lost(story, clock)


def test_abandon_lets_the_child_run(engine: Engine, clock: StandingClock, script: Any) -> None:
    handle = cancelled(script, engine, "abandon")
    rest(engine, clock)

    assert handle.result(0) == "cancelled why"
    assert found(handle, events.ExternalCancelRequested) == []
    assert client.get_workflow_handle("child").result(0) == "rested"


@pytest.mark.parametrize("kind", ["wait", "wait_requested", "try", "abandon"])
def test_a_child_cancelled_in_the_turn_that_asked_for_it(
    engine: Engine, clock: StandingClock, script: Any, kind: str
) -> None:
    @script
    async def main(me: Scripted) -> str:
        task = asyncio.create_task(run_child(Scripted, "nap", id="child", cancellation_type=kind))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "never began"
        return "?"

    handle = engine.start("main")
    rest(engine, clock)

    assert handle.result(0) == "never began"
    abandoned = kind == "abandon"
    assert kinds(handle).count("ChildWorkflowStarted") == int(abandoned)
    assert Run.objects.filter(workflow_id="child").exists() is abandoned


def test_a_child_that_ends_while_it_is_asked_to_cancel_keeps_its_result(
    engine: Engine, script: Any
) -> None:
    @script
    async def listening(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return "done"

    @script
    async def main(me: Scripted) -> str:
        task = asyncio.ensure_future(run_child(Scripted, "listening", id="child"))
        await workflow.wait_condition(lambda: me.notes)
        task.cancel()
        return await task

    handle = engine.start("main")
    engine.turns()
    client.get_workflow_handle("child").signal("note", 1)
    handle.signal("note", 1)
    engine.turns()

    assert handle.result(0) == "done"
    assert status("child") == "completed"


def test_a_race_of_children_cancels_the_slower(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        return await workflow.race(
            run_child(Scripted, "nap", 50.0, id="slow"), run_child(Scripted, "nap", 5.0, id="quick")
        )

    handle = engine.start("main")
    rest(engine, clock)

    assert handle.result(0) == "rested"
    assert (status("slow"), status("quick")) == ("cancelled", "completed")
    assert issubclass(TerminatedError, Exception)


def test_the_same_history_when_instances_are_lost(
    clock: StandingClock, script: Any, acting: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[str]:
        async def attempt(child: str, *args: Any, **options: Any) -> str:
            try:
                return str(await run_child(Scripted, child, *args, **options))
            except ChildWorkflowError as error:
                return type(error.cause).__name__

        found = await asyncio.gather(
            attempt("double", 1),
            attempt("failing", id="f"),
            attempt("counting", 2, id="c"),
            attempt("nap", run_timeout=timedelta(seconds=3), id="n"),
            attempt("double", 1, id="f"),
        )
        task = asyncio.create_task(attempt("stubborn", 7.0, id="s"))
        await asyncio.sleep(4)
        task.cancel()
        return [*found, await task]

    def story(engine: Engine, clock: StandingClock) -> None:
        handle = engine.start("main", id="main")
        rest(engine, clock)
        assert handle.result(0) == [
            "2",
            "ActivityError",
            "counted",
            "TimeoutError",
            "ApplicationError",
            "finished all the same",
        ]

    same_when_lost(story, clock)


def test_many_children_do_not_wake_their_parent_one_by_one(engine: Engine, script: Any) -> None:
    """What has come by the time of a turn is folded in that turn: no storm of turns, each with a replay."""

    @script
    async def main(me: Scripted, count: int) -> int:
        return sum(
            await asyncio.gather(*(run_child(Scripted, "double", each) for each in range(count)))
        )

    handle = engine.start("main", 300)
    turns = 0
    while (batch := engine.turn()).seen:
        turns += handle.run_id in batch.seen

    assert handle.result(0) == 300 * 299
    assert turns <= 5
    assert kinds(handle).count("ChildWorkflowCompleted") == 300
