"""What `activity.defn` makes of a function."""

from __future__ import annotations

import asyncio
import pickle
import types
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aion import RetryPolicy, activity, workflow
from aion.authoring.registry import registry
from aion.core.errors import NotInActivity, NotInWorkflow, UnknownType
from aion.core.events import ActivityScheduled
from tests.support.driver import Driver

Play = Callable[..., Driver]


@activity.defn
def charge(order: int, *, currency: str = "EUR") -> str:
    """Charge the card."""
    return f"{order} {currency}"


@activity.defn(name="orders.ship", start_to_close_timeout=timedelta(minutes=5), task_queue="dock")
async def ship(order: int) -> str:
    return f"shipped {order}"


def test_a_function_becomes_an_activity() -> None:
    assert charge.name == "charge"
    assert charge.origin == f"{__name__}.charge"
    assert charge.__doc__ == "Charge the card."
    assert not charge.is_async
    assert charge.problems == ()
    assert registry.activity("charge") is charge
    assert repr(charge) == f"<activity charge from {__name__}.charge>"


def test_name_and_options_are_taken() -> None:
    assert ship.name == "orders.ship"
    assert ship.is_async
    assert ship.options.start_to_close_timeout == timedelta(minutes=5)
    assert ship.options.task_queue == "dock"
    assert registry.activity("orders.ship") is ship


def test_called_directly_it_just_runs() -> None:
    assert charge(7, currency="USD") == "7 USD"
    assert asyncio.run(ship(7)) == "shipped 7"  # type: ignore[arg-type]


def test_with_options_gives_a_changed_copy() -> None:
    retry = RetryPolicy(maximum_attempts=2)
    changed = ship.with_options(retry=retry, task_queue="air")

    assert changed.options.retry == retry
    assert changed.options.task_queue == "air"
    assert changed.options.start_to_close_timeout == timedelta(minutes=5)
    assert ship.options.task_queue == "dock"
    assert changed.name == ship.name


@pytest.mark.parametrize("use", [charge.start, charge.execute_local])
def test_outside_of_a_workflow_it_says_so(use: Callable[..., Any]) -> None:
    with pytest.raises(NotInWorkflow, match="charge"):
        outcome = use(7)
        outcome.send(None)


def test_a_local_function_is_a_problem() -> None:
    @activity.defn
    def inner() -> None: ...

    assert "defined inside a function" in inner.problems[0]


def test_transactional_and_async_is_a_problem() -> None:
    async def writes() -> None: ...

    found = activity.defn(transactional=True)(writes)

    assert any("transactional and async" in each for each in found.problems)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="Unknown activity option 'timeout'"):

        @activity.defn(timeout=5)
        def wrong() -> None: ...


def test_a_celery_task_becomes_an_activity() -> None:
    task = types.SimpleNamespace(name="shop.tasks.mail", run=lambda to: f"mailed {to}")

    found = activity.celery_task(task, start_to_close_timeout=timedelta(seconds=9))

    assert found.name == "celery:shop.tasks.mail"
    assert found.celery_task == "shop.tasks.mail"
    assert found.options.start_to_close_timeout == timedelta(seconds=9)
    assert registry.activity("celery:shop.tasks.mail") is found


# --- calls from workflows -------------------------------------------------------------------------


def scheduled(run: Driver) -> ActivityScheduled:
    event = run.events[1]
    assert isinstance(event, ActivityScheduled)
    return event


def test_execute_and_start_take_the_functions_own_arguments(play: Play) -> None:
    async def calls() -> list[str]:
        future = charge.start(2, currency="USD")
        return [await charge.execute(1), await future]

    run = play(calls)
    assert bytes(scheduled(run).input) == b'{"args":[2],"kwargs":{"currency":"USD"}}'
    run.run(lambda name, args: str(args[0]))

    assert run.result == ["1", "2"]


def test_by_reference_with_options(play: Play) -> None:
    async def calls() -> str:
        return str(
            await workflow.execute_activity(
                charge, 7, kwargs={"currency": "USD"}, task_queue="fast", summary="the charge"
            )
        )

    event = scheduled(play(calls))

    assert event.activity_type == "charge"
    assert event.task_queue == "fast"
    assert event.summary == "the charge"
    assert bytes(event.input) == b'{"args":[7],"kwargs":{"currency":"USD"}}'


def test_by_name(play: Play) -> None:
    async def calls() -> Any:
        return await workflow.execute_activity("other.service", 7, schedule_to_close_timeout=_HOUR)

    run = play(calls)
    event = scheduled(run)
    assert (event.activity_type, event.schedule_to_close_timeout) == ("other.service", _HOUR)
    run.complete(1, {"any": ["json", 1]})

    assert run.result == {"any": ["json", 1]}


_HOUR = timedelta(hours=1)


def test_local_by_name_and_reference(play: Play) -> None:
    async def calls() -> list[Any]:
        return [
            await workflow.execute_local_activity("other", 1),
            await workflow.execute_local_activity(charge, 2, kwargs={"currency": "USD"}),
            await charge.execute_local(3),
            await charge.with_options(local=True).execute(4),
        ]

    run = play(calls).run(lambda name, args: f"{name} {args[0]}")

    assert run.result == ["other 1", "charge 2", "charge 3", "charge 4"]
    assert "ActivityScheduled" not in run.kinds


@pytest.mark.parametrize("wrong", [print, 7, None])
def test_what_is_no_activity_is_refused(play: Play, wrong: Any) -> None:
    async def calls() -> str:
        try:
            await workflow.execute_activity(wrong)
        except TypeError as error:
            return str(error)
        return "fine"

    assert "is it decorated?" in play(calls).result


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"unknown": 1}), ((1,), {"order": 2})]
)
def test_arguments_that_do_not_fit_are_refused(
    play: Play, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    async def calls() -> str:
        try:
            charge.start(*args, **kwargs)
        except TypeError as error:
            return str(error)
        return "fine"

    assert "activity charge" in play(calls).result


# --- inside of an attempt, from outside -----------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        activity.info,
        activity.heartbeat,
        activity.is_cancelled,
        activity.cancel_reason,
        activity.wait_for_cancelled,
        activity.raise_complete_async,
    ],
)
def test_outside_of_an_attempt_the_error_says_so(call: Callable[[], object]) -> None:
    with pytest.raises(NotInActivity, match=r"activity\.\w+\(\)"):
        call()
    assert not activity.in_activity()


def test_the_logger_works_outside_of_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    activity.logger.warning("hello")

    assert caplog.messages == ["hello"]


def test_errors_of_authoring_can_be_pickled() -> None:
    with pytest.raises(UnknownType) as caught:
        registry.activity("nothing")

    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.name, str(copy)) == ("nothing", str(caught.value))
