"""What ends a cron chain, whose ids it takes, what is refused, cron children, and crashes."""

from __future__ import annotations

import asyncio
import datetime as dt
from datetime import timedelta
from typing import Any

import pytest

from aion import ApplicationError, ChildWorkflowError, client, workflow
from aion.core import events
from aion.core.errors import InvalidArgument, WorkflowAlreadyStarted, WrongState
from aion.models import Message, Run, Timer
from tests.language.cron_chains import DAILY, ONCE_MORE, days, planned, result_of
from tests.language.worlds import (
    chain,
    failure_of,
    found,
    kinds,
    rest,
    same_when_lost,
    status,
)
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cron_scripts")]

# --- the end of a chain ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_a_waiting_run_can_be_ended_and_its_chain_with_it(
    engine: Engine, clock: StandingClock, how: str
) -> None:
    handle = engine.start("count", 1, id="c", cron=DAILY)
    engine.turns()
    getattr(handle, how)(reason="enough")
    days(engine, clock, 5)

    assert len(chain("c")) == 1
    assert status("c") == {"cancel": "cancelled", "terminate": "terminated"}[how]
    assert str(failure_of(handle)) == "enough"
    assert (Timer.objects.count(), Message.objects.count()) == (0, 0)


@pytest.mark.parametrize("ending", ["through", "caught", "failed"])
def test_a_cancel_ends_the_chain_however_the_code_takes_it(
    engine: Engine, clock: StandingClock, script: Any, ending: str
) -> None:
    @script
    async def main(me: Scripted) -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if ending == "caught":
                return "caught"
            if ending == "failed":
                raise ApplicationError("failed") from None
            raise
        return "?"

    handle = engine.start("main", id="c", cron=DAILY, retry=ONCE_MORE)
    engine.turns()
    clock.at = planned(handle)
    engine.turns()
    handle.cancel()
    days(engine, clock, 5)

    assert len(chain("c")) == 1
    assert (
        status("c") == {"through": "cancelled", "caught": "completed", "failed": "failed"}[ending]
    )


def test_a_cancel_that_comes_with_the_end_of_a_run_ends_the_chain(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        await workflow.wait_condition(lambda: me.notes)
        return "over"

    handle = engine.start("main", id="c", cron=DAILY)
    engine.turns()
    clock.at = planned(handle)
    engine.turns()
    handle.signal("note", 1)
    handle.cancel("enough")
    days(engine, clock, 5)

    assert handle.result(0) == "over"
    assert [str(run.describe().status) for run in chain("c")] == ["completed", "cancelled"]


def test_the_execution_timeout_bounds_the_chain(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("nap", id="c", cron=DAILY, execution_timeout=timedelta(days=2, hours=1))
    days(engine, clock, 10)

    # 09:00, and twice more; the fourth would be behind the timeout.
    assert [str(run.describe().status) for run in chain("c")] == ["completed"] * 3
    assert chain("c")[-1].describe().next_start_at is None
    assert handle.result(0) == "slept"


def test_a_run_that_passes_the_execution_timeout_is_the_last(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start(
        "nap", 90_000.0, id="c", cron=DAILY, execution_timeout=timedelta(hours=10), retry=ONCE_MORE
    )
    days(engine, clock, 10)

    assert len(chain("c")) == 1
    assert failure_of(handle).kind == "execution"  # type: ignore[attr-defined]


def test_the_calendar_ends(engine: Engine, clock: StandingClock) -> None:
    clock.at = dt.datetime(9999, 12, 30, 10, tzinfo=dt.UTC)
    handle = engine.start("count", 1, id="c", cron=DAILY)
    clock.at = planned(handle)
    engine.turns()
    assert chain("c")[0].result(0) == 1
    assert status("c") == "completed"

    with pytest.raises(InvalidArgument, match="no time after"):
        engine.start("count", 1, cron=DAILY)


def test_a_paused_run_of_a_chain_goes_on_when_it_is_resumed(
    engine: Engine, clock: StandingClock
) -> None:
    handle = engine.start("count", 1, id="c", cron=DAILY)
    engine.turns()
    handle.pause()
    clock.move(3 * 86_400)
    engine.turns()
    assert kinds(handle) == ["WorkflowStarted", "WorkflowPaused"]
    handle.resume()
    engine.turns()

    assert handle.result(0) == 1
    assert planned(chain("c")[1]) > clock.at


# --- ids ------------------------------------------------------------------------------------------


def test_the_id_is_taken_while_a_run_waits_and_a_request_id_finds_the_chain(
    engine: Engine, clock: StandingClock
) -> None:
    first = engine.start("count", 1, id="c", cron=DAILY, request_id="r")
    days(engine, clock, 2)
    waiting = chain("c")[-1]

    with pytest.raises(WorkflowAlreadyStarted):
        engine.start("count", 1, id="c")
    again = engine.start("count", 1, id="c", cron=DAILY, request_id="r")
    assert (again.run_id, again.created) == (first.run_id, False)
    used = engine.start("count", 1, id="c", id_conflict_policy="use_existing")
    assert (used.run_id, used.created) == (waiting.run_id, False)
    clock.move(1)
    engine.start("count", 5, id="c", id_conflict_policy="terminate_existing")
    rest(engine, clock)

    assert str(waiting.describe().status) == "terminated"
    assert client.get_workflow_handle("c").result(0) == 5


def test_a_run_that_has_a_successor_is_not_reopened(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> None:
        raise ApplicationError("no")

    handle = engine.start("main", id="c", cron=DAILY)
    days(engine, clock, 1)

    with pytest.raises(WrongState):
        handle.reopen()


def test_a_cancelled_chain_can_be_reopened(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("count", 1, id="c", cron=DAILY)
    engine.turns()
    handle.cancel()
    engine.turns()
    handle.reopen()
    engine.turns()

    assert handle.result(0) == 1
    assert status("c") == "running"  # the next waits


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": 7}, "cron"),
        ({"cron": None}, "cron"),
        ({"cron": DAILY, "time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"cron": DAILY, "time_zone": 3}, "time_zone"),
        ({"time_zone": "UTC"}, "time_zone"),
        ({"cron": DAILY, "start_delay": timedelta(seconds=1)}, "start_delay"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.start_workflow(Scripted, "count", 1, **options)

    assert caught.value.field == field  # type: ignore[attr-defined]
    assert Run.objects.count() == 0


def test_a_worker_that_does_not_know_the_zone_holds_the_run(
    engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aion.schedules import cron

    handle = engine.start("count", 1, id="c", cron=DAILY, time_zone="Europe/Berlin")
    neighbour = engine.start("count", 5)
    clock.at = planned(handle)

    def unknown(name: object) -> Any:
        raise InvalidArgument(f"time_zone {name!r} is not known", field="time_zone")

    with monkeypatch.context() as patched:
        patched.setattr(cron, "find_zone", unknown)
        engine.turns()
    held = handle.describe()
    assert held.problem is not None
    assert "Europe/Berlin" in held.problem["message"]
    assert neighbour.result(0) == 5

    clock.move(60)
    engine.tick()
    engine.turns()
    assert handle.result(0) == 1


def test_a_paused_run_whose_zone_nobody_knows_ends_its_chain_and_harms_no_neighbour(
    engine: Engine,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from aion.schedules import cron

    options = {"cron": DAILY, "time_zone": "Europe/Berlin", "run_timeout": timedelta(hours=1)}
    handle = engine.start("nap", 90_000, id="c", **options)
    clock.at = found(handle, events.WorkflowStarted)[0].scheduled_at
    engine.turns()
    handle.pause()
    neighbour = engine.start("count", 5)
    clock.move(3_601)

    def unknown(name: object) -> Any:
        raise InvalidArgument(f"time_zone {name!r} is not known", field="time_zone")

    with monkeypatch.context() as patched:
        patched.setattr(cron, "find_zone", unknown)
        engine.turns()

    assert status("c") == "timed_out"
    assert neighbour.result(0) == 5
    assert "has no next run" in caplog.text


# --- children -------------------------------------------------------------------------------------


def test_a_cron_child_completes_for_its_parent_when_the_chain_ends(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        try:
            return await workflow.execute_child_workflow(
                Scripted, "count", 1, id="child", cron=DAILY, time_zone="Asia/Tokyo"
            )
        except ChildWorkflowError as error:
            return type(error.cause).__name__

    handle = engine.start("main")
    days(engine, clock, 3)
    assert len(chain("child")) == 4
    assert all(planned(run).hour == 0 for run in chain("child"))
    assert str(handle.describe().status) == "running"
    client.get_workflow_handle("child").cancel()
    days(engine, clock, 3)

    assert handle.result(0) == "CancelledError"
    assert len(found(handle, events.ChildOutcome)) == 1


def test_the_close_policy_reaches_a_cron_child_that_waits(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted, policy: str) -> str:
        await workflow.start_child_workflow(
            Scripted, "count", 1, id=policy, cron=DAILY, parent_close_policy=policy
        )
        return "over"

    for policy in ("terminate", "request_cancel", "abandon"):
        engine.start("main", policy)
    days(engine, clock, 2)

    assert status("terminate") == "terminated"
    assert status("request_cancel") == "cancelled"
    assert len(chain("abandon")) == 3


def test_a_bad_cron_is_the_failure_of_the_child(
    engine: Engine, clock: StandingClock, script: Any
) -> None:
    @script
    async def main(me: Scripted) -> str:
        try:
            await workflow.execute_child_workflow(
                Scripted, "count", 1, id="child", cron="every day"
            )
        except ChildWorkflowError as error:
            return f"{error.cause.type}: {error.cause}"  # type: ignore[union-attr]
        return "?"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0).startswith("InvalidArgument: cron 'every day'")
    assert not Run.objects.filter(workflow_id="child").exists()


# --- crashes --------------------------------------------------------------------------------------


def test_the_same_chain_when_instances_are_lost(clock: StandingClock, script: Any) -> None:
    @script
    async def main(me: Scripted, stage: int = 0) -> Any:
        if workflow.info().attempt == 1 and stage == 0:
            raise ApplicationError("first", str(workflow.get_last_failure()))
        if stage == 0:
            workflow.continue_as_new("main", 1)
        await asyncio.sleep(5)
        return [await workflow.receive("mail"), workflow.get_last_completion_result(list)]

    def story(engine: Engine, clock: StandingClock) -> None:
        engine.start("main", id="c", cron=DAILY, retry=ONCE_MORE, time_zone="Europe/Berlin")
        for number in range(3):
            days(engine, clock, 1)
            client.get_workflow_handle("c").signal("mail", number)
            client.get_workflow_handle("c").signal("mail", -number)
        days(engine, clock, 2)
        assert result_of(chain("c")[2]) == [0, None]

    same_when_lost(story, clock)


def test_a_commit_that_fails_leaves_neither_the_end_nor_a_successor(
    engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aion.store import turns

    handle = engine.start("count", 1, id="c", cron=DAILY)
    engine.turns()
    clock.at = planned(handle)
    write = turns.write

    def crash(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        raise ConnectionError("the process dies before the commit")

    with monkeypatch.context() as patched, pytest.raises(ConnectionError):
        patched.setattr(turns, "write", crash)
        engine.turn()
    assert kinds(handle) == ["WorkflowStarted"]
    assert len(chain("c")) == 1
    engine.turns()

    assert (handle.result(0), len(chain("c"))) == (1, 2)
