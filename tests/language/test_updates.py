"""Updates: refused or accepted, answered once, whatever becomes of handler and run."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from aion import ApplicationError, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import (
    PayloadError,
    ResultTimeout,
    RunClosed,
    UpdateAbandoned,
    UpdateFailed,
    UpdateRefused,
)
from aion.models import Update
from tests.language.worlds import Forgetful, found, kinds, rest, same_when_lost
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, running_worker

pytestmark = pytest.mark.django_db


@workflow.defn(name="updates.Account")
class Account:
    @workflow.init
    def __init__(self, balance: int) -> None:
        self.balance = balance
        self.log: list[Any] = []
        self.closed = False

    @workflow.run
    async def run(self, balance: int) -> int:
        await workflow.wait_condition(lambda: self.closed)
        return self.balance

    @workflow.update
    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @add.validator  # type: ignore[attr-defined]
    def check_add(self, amount: int) -> None:
        if amount < 0:
            raise ValueError("negative")

    @workflow.update
    async def convert(self, amounts: list[int]) -> list[Any]:
        about = workflow.current_update_info()
        assert about is not None
        first = await kit.act.execute("double", amounts[0])
        await asyncio.sleep(5)
        later = workflow.current_update_info()
        assert later is not None
        self.balance += first
        return [first, amounts, about.id, about.name, later.id]

    @convert.validator  # type: ignore[attr-defined]
    def check_convert(self, amounts: list[int]) -> None:
        amounts.append(99)  # must not reach the handler

    @workflow.update(name="spelled differently")
    def misuse(self, what: str) -> str:
        return what

    @misuse.validator  # type: ignore[attr-defined]
    def check_misuse(self, what: str) -> None:
        if what == "act":
            kit.act.start("double", 1)
        if what == "random":
            workflow.random()
        if what == "swallow":
            try:
                workflow.uuid4()
            except Exception:
                raise ValueError("hidden") from None

    @workflow.update
    async def fail(self, how: str) -> Any:
        if how == "later":
            await asyncio.sleep(1)
        if how == "cancel":
            raise asyncio.CancelledError
        if how == "continue":
            workflow.continue_as_new(self.balance)
        if how == "result":
            return object()
        if how == "outside":
            asyncio.get_running_loop().run_in_executor(None, print)
        raise ApplicationError("no", type="Mine")

    @workflow.update
    async def endless(self) -> None:
        await asyncio.sleep(10_000)

    @workflow.update
    def close(self) -> str:
        self.closed = True
        return "closing"

    @workflow.signal
    def stop(self) -> None:
        self.closed = True

    @workflow.query
    def get(self) -> int:
        return self.balance


@pytest.fixture(autouse=True)
def _doubling(acting: Any) -> None:
    @acting
    def double(value: int) -> int:
        return value * 2


@pytest.fixture
def account(engine: Engine) -> WorkflowHandle:
    handle = client.start_workflow(Account, 10, id="account")
    engine.turns()
    return handle


def send(handle: WorkflowHandle, name: Any, *args: Any, **options: Any) -> client.UpdateHandle:
    return handle.start_update(name, *args, wait_for="", **options)


# --- taken ----------------------------------------------------------------------------------------


def test_an_update_is_answered(engine: Engine, account: WorkflowHandle) -> None:
    update = send(account, Account.add, 5)
    with pytest.raises(ResultTimeout):
        update.result(0)
    engine.turns()

    assert update.result(0) == 15
    assert kinds(account)[-2:] == ["UpdateAccepted", "UpdateCompleted"]


def test_an_update_may_come_before_the_first_turn(engine: Engine) -> None:
    handle = client.start_workflow(Account, 10)
    update = send(handle, Account.add, 5)
    engine.turns()

    assert update.result(0) == 15


def test_an_async_handler_works_and_knows_its_update(
    engine: Engine, clock: StandingClock, account: WorkflowHandle
) -> None:
    first = send(account, Account.convert, [4], id="first")
    second = send(account, Account.convert, [5], id="second")
    engine.turns()
    account.start_update("add", 1, id="sync", wait_for="")
    rest(engine, clock)

    assert first.result(0) == [8, [4], "first", "convert", "first"]
    assert second.result(0) == [10, [5], "second", "convert", "second"]
    assert account.query("get") == 29


def test_acceptance_is_known_before_the_result(engine: Engine, account: WorkflowHandle) -> None:
    send(account, Account.endless, id="u")
    engine.turns()

    again = account.start_update(Account.endless, id="u", wait_for="accepted", timeout=0)
    with pytest.raises(ResultTimeout):
        again.result(0)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "cause"),
    [
        ("add", (-1,), "negative"),
        ("add", ("text",), ""),
        ("add", (), ""),
        ("nothing", (), "It has: add, close, convert, endless, fail, spelled differently"),
        ("misuse", ("x",), "has no update 'misuse'"),
    ],
)
def test_a_refused_update_leaves_no_event(
    engine: Engine, account: WorkflowHandle, name: str, args: tuple[Any, ...], cause: str
) -> None:
    update = send(account, name, *args)
    engine.turns()

    with pytest.raises(UpdateRefused) as caught:
        update.result(0)
    assert cause in str(caught.value.__cause__)
    with pytest.raises(UpdateRefused):
        account.start_update(name, *args, id=update.id, wait_for="accepted")
    assert kinds(account) == ["WorkflowStarted"]
    assert account.query("get") == 10


@pytest.mark.parametrize("what", ["act", "random"])
def test_a_validator_that_acts_holds_the_run(
    engine: Engine, account: WorkflowHandle, what: str
) -> None:
    send(account, "spelled differently", what)
    engine.turns()

    about = account.describe()
    assert about.problem is not None
    assert about.problem["code"] == "read_only"
    assert kinds(account) == ["WorkflowStarted"]


def test_a_validator_that_continues_as_new_holds_the_run(engine: Engine, script: Any) -> None:
    def validate(value: int) -> None:
        workflow.continue_as_new("main")

    def take(value: int) -> None: ...

    @script
    async def main(me: kit.Scripted) -> None:
        take.__dict__["__aion_validator__"] = validate
        workflow.set_update_handler("take", take)
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    engine.turns()
    send(handle, "take", 1)
    engine.turns()

    assert handle.describe().problem_count == 1


def test_arguments_must_fit_the_method(account: WorkflowHandle) -> None:
    with pytest.raises(TypeError):
        account.start_update(Account.add, wait_for="")
    with pytest.raises(PayloadError):
        account.start_update("add", object(), wait_for="")
    assert Update.objects.count() == 0


# --- once -----------------------------------------------------------------------------------------


def test_the_same_id_has_one_effect_also_after_completion(
    engine: Engine, account: WorkflowHandle
) -> None:
    for _ in range(2):
        send(account, Account.add, 1, id="u")
        send(account, Account.add, 1, id="u")
        engine.turns()

    assert send(account, Account.add, 1, id="u").result(0) == 11
    assert account.query("get") == 11
    assert len(found(account, events.UpdateAccepted)) == 1


def test_the_same_id_attaches_after_the_run_has_closed(
    engine: Engine, account: WorkflowHandle
) -> None:
    send(account, Account.add, 1, id="u")
    account.signal(Account.stop)
    engine.turns()

    assert send(account, Account.add, 1, id="u").result(0) == 11
    with pytest.raises(RunClosed):
        send(account, Account.add, 1, id="another")


def test_another_run_takes_the_same_id_anew(engine: Engine, account: WorkflowHandle) -> None:
    other = client.start_workflow(Account, 20)
    first, second = send(account, Account.add, 1, id="u"), send(other, Account.add, 1, id="u")
    engine.turns()

    assert (first.result(0), second.result(0)) == (11, 21)


# --- handlers that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "kind"), [("now", "Mine"), ("later", "Mine")])
def test_an_error_of_the_handler_is_the_answer_and_the_run_goes_on(
    engine: Engine, clock: StandingClock, account: WorkflowHandle, how: str, kind: str
) -> None:
    update = send(account, Account.fail, how)
    engine.turns()
    clock.move(1)
    engine.turns()

    with pytest.raises(UpdateFailed) as caught:
        update.result(0)
    assert type(caught.value) is UpdateFailed
    assert getattr(caught.value.__cause__, "type", "") == kind
    # Who waits for the acceptance does not hear of it: the update was accepted.
    account.start_update(Account.fail, how, id=update.id, wait_for="accepted", timeout=0)
    with pytest.raises(UpdateFailed):
        account.start_update(Account.fail, how, id=update.id, wait_for="completed", timeout=0)
    assert str(account.describe().status) == "running"


@pytest.mark.parametrize("how", ["cancel", "result"])
def test_other_ends_of_the_handler_are_answers_too(
    engine: Engine, account: WorkflowHandle, how: str
) -> None:
    update = send(account, Account.fail, how)
    engine.turns()

    with pytest.raises(UpdateFailed) as caught:
        update.result(0)
    cause = caught.value.__cause__
    assert isinstance(cause, asyncio.CancelledError if how == "cancel" else ApplicationError)
    assert str(account.describe().status) == "running"


def test_a_handler_that_leaves_the_loop_holds_the_run(
    engine: Engine, account: WorkflowHandle
) -> None:
    update = send(account, Account.fail, "outside")
    engine.turns()

    assert account.describe().problem_count == 1
    assert kinds(account) == ["WorkflowStarted"]
    with pytest.raises(ResultTimeout):
        update.result(0)


# --- the end of the run ---------------------------------------------------------------------------


def test_an_update_may_end_the_run_and_is_answered(engine: Engine, account: WorkflowHandle) -> None:
    update = send(account, Account.close)
    engine.turns()

    assert update.result(0) == "closing"
    assert account.result(0) == 10
    assert kinds(account)[-3:] == ["UpdateAccepted", "UpdateCompleted", "WorkflowCompleted"]


@pytest.mark.parametrize(
    "end", ["complete", "cancel", "terminate", "timeout", "continue", "non-determinism"]
)
def test_a_run_that_closes_answers_what_it_leaves_open(
    engine: Engine, clock: StandingClock, end: str, settings: Any, script: Any
) -> None:
    settings.AION = {**settings.AION, "ON_NON_DETERMINISM": "fail"}

    @script
    async def main(me: kit.Scripted) -> None:
        async def endless() -> None:
            await asyncio.sleep(1000)

        workflow.set_update_handler("endless", endless)
        await workflow.wait_condition(lambda: me.notes)
        if me.notes == ["again"]:
            workflow.continue_as_new("main")

    handle = engine.start("main", run_timeout=__import__("datetime").timedelta(seconds=50))
    accepted = send(handle, "endless")
    engine.turns()
    assert kinds(handle)[-2:] == ["UpdateAccepted", "TimerStarted"]
    admitted = None
    match end:
        case "complete":
            handle.signal("note", "over")
        case "continue":
            handle.signal("note", "again")
        case "cancel":
            handle.cancel()
        case "terminate":
            admitted = send(handle, "endless")
            handle.terminate()
        case "timeout":
            clock.move(50)
        case "non-determinism":

            @script
            async def main(me: kit.Scripted) -> None:  # a deploy
                await asyncio.sleep(7)

            engine.loop.turns.cache.clear()
            admitted = send(handle, "endless")
    engine.turns()

    assert not handle.describe().status.is_open
    with pytest.raises(UpdateAbandoned) as caught:
        accepted.result(0)
    assert "ended before it completed the update" in str(caught.value.__cause__)
    if admitted is not None:
        with pytest.raises(UpdateRefused) as refused:
            admitted.result(0)
        assert "ended before it took the update" in str(refused.value.__cause__)


def test_an_abandoned_update_was_accepted_nevertheless(
    engine: Engine, account: WorkflowHandle
) -> None:
    update = send(account, Account.endless)
    account.signal(Account.stop)
    engine.turns()

    again = account.start_update(Account.endless, id=update.id, wait_for="accepted", timeout=0)
    with pytest.raises(UpdateAbandoned):
        again.result(0)


def test_an_update_that_comes_with_the_end_is_refused(
    engine: Engine, account: WorkflowHandle
) -> None:
    account.signal(Account.stop)
    update = send(account, Account.add, 1)
    engine.turns()

    with pytest.raises(UpdateRefused) as caught:
        update.result(0)
    assert "has ended" in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", [Engine, Forgetful], ids=["kept", "lost"])
@pytest.mark.parametrize("until", ["", "accepted"])
def test_an_update_behind_a_continue_as_new_is_the_successors(
    kind: type[Engine], script: Any, until: str
) -> None:
    engine = kind()

    @script
    async def main(me: kit.Scripted, rounds: int) -> Any:
        async def ask(value: int) -> list[Any]:
            if value < 0:
                raise ValueError("not below zero")
            await asyncio.sleep(0)
            me.notes.append("end")
            return [rounds, value, workflow.info().run_id]

        workflow.set_update_handler("ask", ask, validator=lambda value: None)
        await workflow.wait_condition(lambda: me.notes)
        if rounds:
            workflow.continue_as_new("main", rounds - 1)
        return "over"

    handle = engine.start("main", 1, id="m")
    engine.turns()
    handle.signal("note", 1)
    failing = handle.start_update("ask", -1, id="b", wait_for="")
    first = handle.start_update("ask", 7, id="a", wait_for="")
    engine.turns()

    successor = client.get_workflow_handle("m")
    assert successor.describe().run_id != handle.run_id
    assert first.result(0) == [0, 7, str(successor.describe().run_id)]
    with pytest.raises(UpdateFailed, match="not below zero"):
        failing.result(0)
    assert "UpdateAccepted" not in kinds(handle)
    assert kinds(successor).count("UpdateAccepted") == 2
    again = successor.start_update("ask", 7, id="a", wait_for=until)
    assert again.result(0)[1] == 7
    assert kinds(successor).count("UpdateAccepted") == 2
    engine.close()


@pytest.mark.django_db(transaction=True)
def test_a_worker_hands_an_update_on_and_who_waits_gets_its_answer(script: Any) -> None:
    @script
    async def main(me: kit.Scripted, rounds: int) -> None:
        workflow.set_update_handler("ask", lambda: rounds)
        await workflow.wait_condition(lambda: me.notes)
        workflow.continue_as_new("main", rounds + 1)

    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Scripted, "main", 0)
        handle.pause()
        handle.signal("note", "again")
        update = handle.start_update("ask", wait_for="")
        handle.resume()  # one turn meets both

        assert update.result(20) == 1


def test_continuing_as_new_from_a_handler(engine: Engine, account: WorkflowHandle) -> None:
    update = send(account, Account.fail, "continue")
    engine.turns()

    assert str(account.describe().status) == "continued_as_new"
    with pytest.raises(UpdateAbandoned) as caught:
        update.result(0)
    assert caught.value.code == "update_abandoned"
    now = client.get_workflow_handle("account")
    assert now.query("get") == 10


# --- handlers registered while the code runs ------------------------------------------------------


def test_dynamic_and_late_handlers(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> list[Any]:
        workflow.set_update_handler(None, lambda name, args: [name, *args])
        await workflow.wait_condition(lambda: me.notes)
        workflow.set_update_handler("own", lambda value: value * 2)
        await workflow.wait_condition(lambda: len(me.notes) > 1)
        workflow.set_update_handler(None, None)
        await workflow.wait_condition(lambda: len(me.notes) > 2)

    handle = engine.start("main")
    answers = []
    for note in (1, 2, 3):
        update = send(handle, "own", 4)
        other = send(handle, "other", 1, 2)
        engine.turns()
        answers.append(update.result(0))
        if note < 3:
            assert other.result(0) == ["other", 1, 2]
        else:
            with pytest.raises(UpdateRefused):
                other.result(0)
        handle.signal("note", note)
        engine.turns()

    assert answers == [["own", 4], 8, 8]


def test_an_accepted_update_without_handler_after_a_deploy_is_answered(
    engine: Engine, script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Accepted updates are facts: code that lost the handler does not lose the run."""

    @script
    async def main(me: kit.Scripted) -> None:
        workflow.set_update_handler("own", lambda: 1)
        await workflow.wait_condition(lambda: me.notes)

    handle = engine.start("main")
    update = send(handle, "own")
    engine.turns()
    assert update.result(0) == 1

    @script
    async def main(me: kit.Scripted) -> None:  # noqa: F811
        await workflow.wait_condition(lambda: me.notes)

    handle.signal("note", 1)
    with caplog.at_level(logging.ERROR):
        engine.turns()

    assert handle.result(0) is None


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        handle = client.start_workflow(Account, 1, id="account")
        for number in range(3):
            send(handle, Account.convert, [number], id=f"convert {number}")
            send(handle, Account.add, number - 1, id=f"add {number}")
            engine.turns()
            send(handle, Account.fail, "later", id=f"fail {number}")
        rest(engine, clock)
        send(handle, Account.close, id="close")
        rest(engine, clock)
        assert handle.result(0) == 1 + 6 + 1

    same_when_lost(story, clock)
