"""Exceptions become data that can always be stored, and come back as Aion's own."""

from __future__ import annotations

import asyncio
import pickle
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core import errors
from aion.core.failures import (
    Failure,
    decode_failure,
    encode_failure,
    exception_from,
    failure_from,
)


class CardDeclined(errors.ApplicationError):
    pass


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Shapeless:
    def __repr__(self) -> str:
        raise RuntimeError("no shape")


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


def stored(exc: BaseException) -> Failure:
    """What storage gives back for an exception."""
    failure = failure_from(exc)
    assert decode_failure(encode_failure(failure)) == failure
    return decode_failure(encode_failure(failure))


def chain_of(failure: Failure | None) -> list[str]:
    types = []
    while failure is not None:
        types.append(failure.type)
        failure = failure.cause
    return types


# --- exceptions to data ---------------------------------------------------------------------------


def test_an_ordinary_exception() -> None:
    failure = stored(raised(ValueError("no such order")))

    assert (failure.type, failure.message, failure.kind) == (
        "ValueError",
        "no such order",
        "application",
    )
    assert failure.traceback.startswith("Traceback (most recent call last):\n  File ")
    assert "in raised" in failure.traceback
    assert failure.traceback.endswith("\nValueError: no such order")
    assert (failure.cause, failure.details, failure.info) == (None, (), {})
    assert not failure.non_retryable
    assert failure.next_retry_delay is None


def test_the_stored_form_leaves_out_what_is_not_there() -> None:
    assert encode_failure(failure_from(ValueError("no"))) == b'{"type":"ValueError","message":"no"}'


def test_an_exception_without_message_or_traceback() -> None:
    failure = stored(KeyError())

    assert (failure.type, failure.message, failure.traceback) == ("KeyError", "", "")
    assert failure_from(raised(KeyError())).traceback.endswith("\nKeyError")


def test_an_application_error_keeps_what_it_says() -> None:
    failure = stored(
        errors.ApplicationError(
            "declined",
            {"code": 51},
            [1, None],
            type="Declined",
            non_retryable=True,
            next_retry_delay=timedelta(seconds=1.5),
        )
    )

    assert failure.type == "Declined"
    assert failure.details == (msgspec.Raw(b'{"code":51}'), msgspec.Raw(b"[1,null]"))
    assert failure.non_retryable
    assert failure.next_retry_delay == 1.5


def test_the_type_of_a_subclass_is_its_name() -> None:
    assert failure_from(CardDeclined("no")).type == "CardDeclined"


def test_a_senseless_delay_is_not_kept() -> None:
    error = errors.ApplicationError("no", next_retry_delay=timedelta(seconds=-3))
    assert failure_from(error).next_retry_delay == 0.0

    error.next_retry_delay = 5  # type: ignore[assignment]
    assert failure_from(error).next_retry_delay is None


def test_errors_in_data_are_not_retried() -> None:
    error = errors.PayloadTooLarge("too large", field="the result", size=3, limit=2)

    assert failure_from(error).non_retryable


@pytest.mark.parametrize(
    ("exc", "kind", "info"),
    [
        (asyncio.CancelledError("stop"), "cancelled", {}),
        (errors.TimeoutError("late", kind="heartbeat"), "timeout", {"timeout_kind": "heartbeat"}),
        (TimeoutError("late"), "application", {}),
        (errors.TerminatedError("by hand"), "terminated", {}),
        (
            errors.ActivityError("no", activity_type="pay", activity_id="7", attempt=3),
            "activity",
            {"activity_type": "pay", "activity_id": "7", "attempt": 3},
        ),
        (
            errors.ChildWorkflowError("no", workflow_type="W", workflow_id="w", run_id="r"),
            "child_workflow",
            {"workflow_type": "W", "workflow_id": "w", "run_id": "r"},
        ),
        (
            errors.WorkflowFailureError("no", workflow_id="w", run_id="r"),
            "workflow",
            {"workflow_id": "w", "run_id": "r"},
        ),
        (
            errors.NonDeterminismError("no", seq=4, expected="a", found="b", where=None),
            "non_determinism",
            {"seq": 4, "expected": "a", "found": "b"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_kind_keeps_its_own(exc: BaseException, kind: str, info: dict[str, Any]) -> None:
    failure = stored(exc)

    assert (failure.kind, failure.info) == (kind, info)
    assert failure.type == type(exc).__name__


def test_the_details_of_a_timeout_are_the_last_heartbeat() -> None:
    failure = stored(errors.TimeoutError("late", kind="heartbeat", details=({"done": 3},)))

    assert failure.details == (msgspec.Raw(b'{"done":3}'),)


# --- causes ---------------------------------------------------------------------------------------


def test_causes_are_kept_in_order() -> None:
    def fail() -> None:
        try:
            try:
                raise KeyError("a")
            except KeyError as error:
                raise ValueError("b") from error
        except ValueError:
            raise RuntimeError("c")  # noqa: B904 (its context is the point)

    with pytest.raises(RuntimeError) as caught:
        fail()

    assert chain_of(stored(caught.value)) == ["RuntimeError", "ValueError", "KeyError"]


def test_a_suppressed_context_is_no_cause() -> None:
    def fail() -> None:
        try:
            raise KeyError("a")
        except KeyError:
            raise ValueError("b") from None

    with pytest.raises(ValueError, match="b") as caught:
        fail()

    assert chain_of(failure_from(caught.value)) == ["ValueError"]


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first

    assert chain_of(stored(first)) == ["ValueError", "KeyError"]


def test_a_long_chain_is_cut() -> None:
    exc = ValueError("0")
    for number in range(1, 50):
        outer = ValueError(str(number))
        outer.__cause__ = exc
        exc = outer

    assert len(chain_of(stored(exc))) == 10


def test_a_group_lists_its_leaves_and_the_first_is_the_cause() -> None:
    inner = ValueError("a")
    inner.__cause__ = OSError("disk")
    group = ExceptionGroup(
        "two failed", [ExceptionGroup("inside", [inner, KeyError("b")]), TypeError("c")]
    )

    failure = stored(raised(group))

    assert failure.type == "ExceptionGroup"
    assert failure.message.splitlines() == [
        "two failed (2 sub-exceptions)",
        "- ValueError: a",
        "- KeyError: 'b'",
        "- TypeError: c",
    ]
    assert chain_of(failure) == ["ExceptionGroup", "ValueError", "OSError"]
    assert failure.details == ()


def test_a_group_of_many_lists_some() -> None:
    group = ExceptionGroup("many", [ValueError(str(number)) for number in range(60)])

    assert failure_from(group).message.endswith("\n- ValueError: 49\n- and 10 more")


# --- whatever they contain ------------------------------------------------------------------------


def test_an_exception_that_cannot_say_what_is_wrong() -> None:
    failure = stored(raised(Mute()))

    assert failure.message == "<message unavailable: __str__ raised RuntimeError>"


def test_details_without_json_form_are_kept_as_text() -> None:
    failure = stored(errors.ApplicationError("no", {1j}, Shapeless(), float("nan"), "\ud800", 5))

    assert [msgspec.json.decode(each) for each in failure.details] == [
        "{1j}",
        "<Shapeless whose __repr__ raised RuntimeError>",
        "nan",
        "'\\ud800'",
        5,
    ]


def test_details_that_are_too_large_are_cut() -> None:
    failure = stored(errors.ApplicationError("no", "x" * 3_000_000))

    assert len(failure.details[0]) < 11_000


def test_lone_surrogates_are_escaped() -> None:
    failure = stored(raised(errors.ApplicationError("a\ud800b", type="T\udfff")))

    assert (failure.message, failure.type) == ("a\\ud800b", "T\\udfff")


@pytest.mark.parametrize("letter", ["x", "é", "😀", "\ud800", "\0"])
def test_messages_and_tracebacks_are_bounded(letter: str) -> None:
    failure = stored(raised(ValueError("begin" + letter * 1_000_000)))

    assert failure.message.startswith("begin")
    assert "characters left out ...]" in failure.message
    assert len(failure.message.encode()) < 10_400
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    assert len(failure.traceback.encode()) < 20 * 1024 + 100


def test_a_deep_recursion_is_bounded() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        climb(depth)

    def climb(depth: int) -> None:
        dig(depth - 1)

    with pytest.raises(ValueError, match="bottom") as caught:
        dig(300)

    traceback = stored(caught.value).traceback
    assert len(traceback) <= 20 * 1024 + 100
    assert traceback.endswith("ValueError: bottom")


def own_module(name: str, call: Any) -> Any:
    """Give a function that calls another and seems to be of one of Aion's modules."""
    scope = {"__name__": name, "call": call}
    exec(compile("def within_aion():\n    call()\n", f"{name}.py", "exec"), scope)
    return scope["within_aion"]


def test_frames_of_aion_at_the_top_are_left_out() -> None:
    def of_user() -> None:
        own_module("aion_engine.replay", lambda: raised_here())()

    def raised_here() -> None:
        raise ValueError("no")

    outer = own_module("aion.core.thing", own_module("aion_engine.runtime", of_user))
    try:
        outer()
    except ValueError as error:
        # What is above the outer function is the test itself.
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        traceback = failure_from(error).traceback

    lines = [line for line in traceback.splitlines() if line.startswith("  File")]
    assert "of_user" in lines[0]
    # Aion's frames further down are part of the story.
    assert any("within_aion" in line for line in lines[1:])


def test_an_error_of_aions_own_keeps_its_frames() -> None:
    fail = own_module("aion.core.thing", own_module("aion.core.other", None))
    try:
        fail()
    except TypeError as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        traceback = failure_from(error).traceback

    assert traceback.count("within_aion") == 2


# --- data to exceptions ---------------------------------------------------------------------------


def test_an_ordinary_exception_comes_back_as_an_application_error() -> None:
    failure = stored(raised(ValueError("no such order")))

    back = exception_from(failure)

    assert type(back) is errors.ApplicationError
    assert (back.type, str(back), back.details) == ("ValueError", "no such order", ())
    assert back.failure is failure
    assert back.__cause__ is None


def test_an_application_error_comes_back_whole() -> None:
    error = CardDeclined(
        "no", {"code": 51}, non_retryable=True, next_retry_delay=timedelta(seconds=2)
    )

    back = exception_from(stored(error))

    assert type(back) is errors.ApplicationError
    assert back.type == "CardDeclined"
    assert back.details == ({"code": 51},)
    assert back.non_retryable
    assert back.next_retry_delay == timedelta(seconds=2)


@pytest.mark.parametrize(
    "exc",
    [
        asyncio.CancelledError(),
        asyncio.CancelledError("stop"),
        errors.TimeoutError("late", kind="heartbeat", details=(1, "a")),
        errors.TerminatedError("by hand"),
        errors.ActivityError("no", activity_type="pay", activity_id="7", attempt=3),
        errors.ChildWorkflowError("no", workflow_type="W", workflow_id="w", run_id="r"),
        errors.WorkflowFailureError("no", workflow_id="w", run_id="r"),
        errors.NonDeterminismError("no", seq=4, expected="a", found="b", where="f.py:3"),
        errors.NonDeterminismError("no", seq=4, expected="a", found="b", where=None),
    ],
    ids=repr,
)
def test_aions_own_errors_come_back_as_themselves(exc: BaseException) -> None:
    back = exception_from(stored(exc))

    assert type(back) is type(exc)
    assert back.args == exc.args
    kept = {name: value for name, value in vars(back).items() if name not in ("failure", "context")}
    assert kept == {name: value for name, value in vars(exc).items() if name != "context"}


def test_causes_come_back() -> None:
    error = errors.ActivityError("activity failed", activity_type="pay")
    error.__cause__ = ValueError("no")

    back = exception_from(stored(error))

    assert isinstance(back, errors.ActivityError)
    assert isinstance(back.cause, errors.ApplicationError)
    assert back.cause.type == "ValueError"
    assert back.cause.failure.message == "no"


def test_an_exception_can_travel_on() -> None:
    first = failure_from(raised(ValueError("no")))
    back = raised(exception_from(first))
    error = errors.ActivityError("activity failed")
    error.__cause__ = back

    second = stored(raised(error))

    assert second.cause == first
    assert "in raised" in second.traceback


def test_what_comes_back_can_be_pickled() -> None:
    back = exception_from(stored(CardDeclined("no", 5)))

    copy = pickle.loads(pickle.dumps(back))

    assert isinstance(copy, errors.ApplicationError)
    assert (copy.type, copy.details, str(copy)) == ("CardDeclined", (5,), "no")


def test_a_kind_of_a_later_version_is_an_application_error() -> None:
    failure = decode_failure(b'{"type":"X","message":"m","kind":"quota","added_later":1}')

    assert isinstance(exception_from(failure), errors.ApplicationError)


def test_a_failure_from_elsewhere_may_hold_anything() -> None:
    failure = Failure(
        type="X", message="m", kind="activity", info={"attempt": "many", "activity_type": 3}
    )
    back = exception_from(failure)

    assert isinstance(back, errors.ActivityError)
    assert (back.attempt, back.activity_type) == (0, "3")
    slow = exception_from(Failure(type="X", message="m", next_retry_delay=1e300))
    assert slow.next_retry_delay == timedelta(days=36_500)  # type: ignore[attr-defined]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"type":1,"message":""}', b'"\xff"'])
def test_what_is_no_failure_is_refused(raw: bytes) -> None:
    with pytest.raises(errors.PayloadUndecodable, match="the failure"):
        decode_failure(raw)


failures = st.recursive(
    st.none(),
    lambda cause: st.builds(
        Failure,
        type=st.sampled_from(["ValueError", "X"]),
        message=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        cause=cause,
        details=st.lists(st.sampled_from([msgspec.Raw(b"1"), msgspec.Raw(b'{"a":[]}')])).map(tuple),
        non_retryable=st.booleans(),
        next_retry_delay=st.none() | st.floats(0, 1e6),
    ),
    max_leaves=3,
).filter(bool)


@given(failures)
def test_any_failure_survives_storage_and_the_way_through_an_exception(failure: Failure) -> None:
    assert decode_failure(encode_failure(failure)) == failure

    back = failure_from(exception_from(failure))

    assert (back.type, back.message, back.details) == (
        failure.type,
        failure.message,
        failure.details,
    )
    assert chain_of(back) == chain_of(failure)[:10]
