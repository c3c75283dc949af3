"""Interceptors around workflow code: they see and change calls, and are workflow code themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest

from aion import workflow
from aion.core import events
from aion.core.errors import ForbiddenInWorkflow, QueryError, ReadOnlyContext, WorkflowCodeError
from aion.core.failures import exception_from
from aion.interceptors import Interceptor, after_commit, using
from aion_engine.replay.updates import UpdateRequest
from tests.support.driver import Driver, arguments

Play = Callable[..., Driver]


class Watch(Interceptor):
    """Notes every call in and out of workflow code, with its arguments."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.seen: list[tuple[Any, ...]] = []

    def note(self, *what: Any) -> None:
        self.seen.append((self.name, *what) if self.name else what)

    async def execute_workflow(self, input: Any, next: Any) -> Any:
        self.note("run", *input.args)
        result = await next(input)
        self.note("returned", result)
        return result

    async def handle_signal(self, input: Any, next: Any) -> None:
        self.note("signal", input.name, *input.args)
        await next(input)

    def handle_query(self, input: Any, next: Any) -> Any:
        self.note("query", input.name, *input.args)
        return next(input)

    def validate_update(self, input: Any, next: Any) -> None:
        self.note("validate", input.id, input.name, *input.args)
        next(input)

    async def handle_update(self, input: Any, next: Any) -> Any:
        self.note("update", input.id, input.name, *input.args)
        return await next(input)

    def start_activity(self, input: Any, next: Any) -> Any:
        self.note("activity", input.activity_type, *input.args)
        return next(input)

    def start_local_activity(self, input: Any, next: Any) -> Any:
        self.note("local", input.activity_type, *input.args)
        return next(input)

    async def start_child_workflow(self, input: Any, next: Any) -> Any:
        self.note("child", input.workflow_type, input.options.id, *input.args)
        return await next(input)

    async def signal_external(self, input: Any, next: Any) -> None:
        self.note("external signal", input.workflow_id, input.name, *input.args)
        await next(input)

    async def cancel_external(self, input: Any, next: Any) -> None:
        self.note("external cancel", input.workflow_id, input.reason)
        await next(input)

    def continue_as_new(self, input: Any, next: Any) -> Any:
        self.note("as new", *input.args)
        next(input)


@pytest.fixture
def install() -> Iterator[Callable[..., None]]:
    """Have interceptors until the end of the test, its final replay included."""
    left: list[Any] = []

    def put(*interceptors: Any) -> None:
        context = using(*interceptors)
        context.__enter__()
        left.append(context)

    yield put
    for context in reversed(left):
        context.__exit__(None, None, None)


@pytest.fixture
def play(install: Any, play: Play) -> Play:  # so that the replay comes first
    return play


@workflow.defn(name="Talking")
class Talking:
    def __init__(self) -> None:
        self.got: list[Any] = []

    @workflow.run
    async def run(self, want: int) -> list[Any]:
        await workflow.execute_activity("first", 1)
        await workflow.wait_condition(lambda: len(self.got) >= want)
        await workflow.execute_local_activity("second", 2)
        return self.got

    @workflow.signal
    def plain(self, value: Any) -> None:
        self.got.append(value)

    @workflow.signal
    async def slow(self, value: Any) -> None:
        await workflow.execute_activity("for signal", value)
        self.got.append(value)

    @workflow.query
    def read(self, index: int) -> Any:
        return self.got[index]

    @workflow.update
    def add(self, value: int) -> int:
        self.got.append(value)
        return len(self.got)

    @add.validator
    def positive(self, value: int) -> None:
        if value < 0:
            raise ValueError("negative")

    @workflow.update
    def free(self) -> None:
        self.got.append("free")


def talk(run: Driver) -> Driver:
    run.signal("plain", "a")
    run.signal("slow", "b")
    run.arrive(events.UpdateAccepted(update_id="u1", name="add", input=arguments(3)))
    run.complete(2)
    run.complete(1)
    run.complete(3, "x")
    return run


def test_each_call_is_seen_once_in_its_order(play: Play, install: Any) -> None:
    watch = Watch()
    install(watch)

    run = talk(play(Talking, 3))

    assert run.result == ["a", 3, "b"]
    assert watch.seen == [
        ("run", 3),
        ("activity", "first", 1),
        ("signal", "plain", "a"),
        ("signal", "slow", "b"),
        ("activity", "for signal", "b"),
        ("update", "u1", "add", 3),
        ("local", "second", 2),
        ("returned", ["a", 3, "b"]),
    ]


def test_several_are_nested_in_the_order_of_the_setting(play: Play, install: Any) -> None:
    outer, inner = Watch("outer"), Watch("inner")
    inner.seen = outer.seen
    install(outer, inner)

    async def short() -> str:
        return "done"

    play(short)

    assert outer.seen == [
        ("outer", "run"),
        ("inner", "run"),
        ("inner", "returned", "done"),
        ("outer", "returned", "done"),
    ]


def test_the_history_is_the_same_as_without(play: Play, install: Any) -> None:
    lines = talk(play(Talking, 3)).lines
    install(Watch())

    assert talk(play(Talking, 3)).lines == lines


def test_a_history_made_without_replays_with(play: Play, install: Any) -> None:
    run = talk(play(Talking, 4))
    watch = Watch()
    install(watch)

    run.crash()

    assert ("signal", "slow", "b") in watch.seen


def test_a_plain_handler_registered_late_takes_what_was_kept_at_once(
    play: Play, install: Any
) -> None:
    async def late() -> list[Any]:
        got: list[Any] = []
        await workflow.sleep(1)
        workflow.set_signal_handler("note", got.append)
        first = list(got)
        await asyncio.sleep(0)
        return first

    watch = Watch()
    install(watch)
    run = play(late)
    run.signal("note", 1)
    run.signal("note", 2)

    run.fire()

    assert run.result == [1, 2]


def test_a_handler_that_continues_as_new_from_inside_interceptors(play: Play, install: Any) -> None:
    @workflow.defn(name="Again")
    class Again:
        @workflow.run
        async def run(self, count: int = 0) -> None:
            await workflow.wait_condition(lambda: False)

        @workflow.signal
        def again(self) -> None:
            workflow.continue_as_new(7)

    watch = Watch()
    install(watch)
    run = play(Again)

    run.signal("again")

    assert isinstance(run.events[-1], events.WorkflowContinuedAsNew)
    assert watch.seen[-1] == ("as new", 7)


def test_arguments_and_results_can_be_changed(play: Play, install: Any) -> None:
    class Twice(Interceptor):
        async def execute_workflow(self, input: Any, next: Any) -> Any:
            return 2 * await next(dataclasses.replace(input, args=(2 * input.args[0],)))

        def start_activity(self, input: Any, next: Any) -> Any:
            options = dataclasses.replace(input.options, summary="changed")
            return next(dataclasses.replace(input, args=("other",), options=options))

        async def handle_update(self, input: Any, next: Any) -> Any:
            return 100 * await next(input)

        def handle_query(self, input: Any, next: Any) -> Any:
            return f"answer {next(input)}"

    install(Twice())
    run = play(Talking, 1)
    scheduled = run.events[1]
    assert isinstance(scheduled, events.ActivityScheduled)
    assert msgspec.json.decode(scheduled.input) == {"args": ["other"]}
    assert scheduled.summary == "changed"

    run.arrive(events.UpdateAccepted(update_id="u", name="add", input=arguments(5)))
    answer = run.events[-1]
    assert isinstance(answer, events.UpdateCompleted)
    assert bytes(answer.result) == b"100"
    assert run.query("read", 0) == "answer 5"


def test_children_and_other_workflows_are_seen(play: Play, install: Any) -> None:
    async def parent() -> None:
        other = workflow.get_external_workflow_handle("o")
        sent = asyncio.ensure_future(other.signal("go", 1))
        cancelled = asyncio.ensure_future(other.cancel("enough"))
        await workflow.start_child_workflow("Kid", 5, id="kid")
        await asyncio.gather(sent, cancelled)

    watch = Watch()
    install(watch)
    run = play(parent)

    assert watch.seen[1:] == [
        ("child", "Kid", "kid", 5),
        ("external signal", "o", "go", 1),
        ("external cancel", "o", "enough"),
    ]
    assert run.kinds[1:] == ["ChildWorkflowStarted", "SignalSent", "ExternalCancelRequested"]


# --- updates and queries ---


def refuse(run: Driver, name: str, *args: Any) -> BaseException | None:
    request = UpdateRequest(update_id="u", name=name, input=arguments(*args), headers={"h": "1"})
    failure = run.instance.refuse_update(request)
    return exception_from(failure) if failure is not None else None


def test_validation_is_seen_also_without_a_validator(play: Play, install: Any) -> None:
    watch = Watch()
    install(watch)
    run = play(Talking, 9)

    assert refuse(run, "free") is None
    assert refuse(run, "add", 1) is None
    assert str(refuse(run, "add", -1)) == "negative"

    assert [each for each in watch.seen if each[0] == "validate"] == [
        ("validate", "u", "free"),
        ("validate", "u", "add", 1),
        ("validate", "u", "add", -1),
    ]


def test_an_interceptor_may_refuse_an_update_and_must_not_act(play: Play, install: Any) -> None:
    class Guarding(Interceptor):
        def validate_update(self, input: Any, next: Any) -> None:
            if input.headers.get("h") != "2":
                raise PermissionError("not yours")

        def handle_query(self, input: Any, next: Any) -> Any:
            workflow.start_activity("something")

    install(Guarding())
    run = play(Talking, 9)

    assert "not yours" in str(refuse(run, "free"))
    with pytest.raises(QueryError, match="tried to change the run"):
        run.query("read", 0)


def test_a_validating_interceptor_that_acts_holds_the_run(play: Play, install: Any) -> None:
    class Acting(Interceptor):
        def validate_update(self, input: Any, next: Any) -> None:
            workflow.start_activity("something")

    install(Acting())
    run = play(Talking, 9)

    with pytest.raises(ReadOnlyContext):
        refuse(run, "free")


# --- errors ---


@pytest.mark.parametrize("where", ["execute_workflow", "handle_signal"])
def test_an_error_is_one_of_the_workflow(play: Play, install: Any, where: str) -> None:
    async def refuse(self: Any, input: Any, next: Any) -> Any:
        raise ValueError("not today")

    install(type("Refusing", (Interceptor,), {where: refuse})())
    run = play(Talking, 1)
    if where == "handle_signal":
        run.signal("plain", 1)

    assert str(run.error) == "not today"


def test_an_error_around_an_update_is_its_answer(play: Play, install: Any) -> None:
    class Refusing(Interceptor):
        async def handle_update(self, input: Any, next: Any) -> Any:
            raise ValueError("not today")

    install(Refusing())
    run = play(Talking, 1)

    run.arrive(events.UpdateAccepted(update_id="u", name="add", input=arguments(5)))

    answer = run.events[-1]
    assert isinstance(answer, events.UpdateCompleted)
    assert answer.failure is not None
    assert answer.failure.message == "not today"


def test_the_guards_hold_in_interceptors(play: Play, install: Any) -> None:
    class Clock(Interceptor):
        async def execute_workflow(self, input: Any, next: Any) -> Any:
            time.time()

    install(Clock())

    with pytest.raises(ForbiddenInWorkflow, match=r"time\.time"):
        play(Talking, 1)


def test_continuing_as_new_must_be_passed_on(play: Play, install: Any) -> None:
    class Swallowing(Interceptor):
        def continue_as_new(self, input: Any, next: Any) -> Any:
            return None

    async def again() -> None:
        workflow.continue_as_new()

    install(Swallowing())

    with pytest.raises(WorkflowCodeError, match="must call next"):
        play(again)


def test_headers_that_are_too_large_are_an_error_of_the_code(play: Play, install: Any) -> None:
    class Large(Interceptor):
        def start_activity(self, input: Any, next: Any) -> Any:
            return next(input.with_headers({"h": "x" * 9000}))

    install(Large())
    run = play(Talking, 1)

    assert "8,192 are the most" in str(run.error)
    assert run.kinds == ["WorkflowStarted", "WorkflowFailed"]


# --- waiting, awaiting ---


def test_an_interceptor_may_wait_and_ask_for_activities(play: Play, install: Any) -> None:
    class Patient(Interceptor):
        async def handle_signal(self, input: Any, next: Any) -> None:
            await workflow.sleep(5)
            await next(input)

    install(Patient())
    run = play(Talking, 1)
    run.complete(1)
    run.signal("plain", "late")
    assert run.query("__stack_trace") != ""
    run.crash()

    run.fire()
    run.complete(2)

    assert run.result == ["late"]


def test_timeouts_work_around_plain_handlers(play: Play, install: Any) -> None:
    class Timed(Interceptor):
        async def handle_signal(self, input: Any, next: Any) -> None:
            async with asyncio.timeout(60):
                await next(input)

    install(Timed())
    run = play(Talking, 1)
    run.complete(1)

    run.signal("plain", "in time")

    run.complete(2)
    assert run.result == ["in time"]
    assert "TimerStarted" not in run.kinds


def test_plain_workflows_are_intercepted_too(play: Play, install: Any) -> None:
    pytest.importorskip("greenlet")
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

    class Setting(Watch):
        async def execute_workflow(self, input: Any, next: Any) -> Any:
            tenant.set("acme")
            return await super().execute_workflow(input, next)

    def plainly(name: str) -> str:
        return f"{workflow.execute_activity('greet', name)} at {tenant.get()}"  # type: ignore[str-bytes-safe]

    watch = Setting()
    install(watch)
    run = play(plainly, "Ada")

    run.complete(1, "hello Ada")

    assert run.result == "hello Ada at acme"
    assert watch.seen[-1] == ("returned", "hello Ada at acme")


# --- replay and the commit ---


def test_what_waits_for_the_commit_is_asked_for_live_only(play: Play, install: Any) -> None:
    done: list[str] = []

    class Telling(Interceptor):
        async def handle_signal(self, input: Any, next: Any) -> None:
            after_commit(lambda: done.append(f"{input.args[0]}"))
            await next(input)

    install(Telling())
    run = play(Talking, 5)
    run.signal("plain", 1)
    assert len(run.instance.context.to_commit) == 1

    run.crash()
    assert run.instance.context.to_commit == []

    run.signal("plain", 2)
    assert len(run.instance.context.to_commit) == 1


def test_closing_an_instance_asks_for_nothing(play: Play, install: Any) -> None:
    class Telling(Interceptor):
        async def execute_workflow(self, input: Any, next: Any) -> Any:
            try:
                return await next(input)
            finally:
                after_commit(lambda: None)

    install(Telling())
    run = play(Talking, 1)

    run.instance.close()

    assert run.instance.context.to_commit == []
    run.crash()
