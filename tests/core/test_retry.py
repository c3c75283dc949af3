"""When a failed attempt is tried again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.failures import Failure
from aion.core.retry import RetryPolicy, next_delay

FAILURE = Failure(type="ValueError", message="no")
PLAIN = RetryPolicy(jitter=0.0)


def delay(policy: RetryPolicy, attempt: int = 1, failure: Failure = FAILURE) -> timedelta | None:
    return next_delay(policy, attempt=attempt, failure=failure, seed="run/1")


def test_the_wait_doubles_up_to_a_hundred_times_the_first() -> None:
    waits = [delay(PLAIN, attempt) for attempt in range(1, 10)]

    assert waits == [timedelta(seconds=each) for each in (1, 2, 4, 8, 16, 32, 64, 100, 100)]


def test_the_wait_stops_at_the_maximum_interval() -> None:
    policy = RetryPolicy(maximum_interval=timedelta(seconds=3), jitter=0.0)

    assert [delay(policy, attempt) for attempt in (1, 2, 3)] == [
        timedelta(seconds=1),
        timedelta(seconds=2),
        timedelta(seconds=3),
    ]


def test_a_coefficient_of_one_keeps_the_wait() -> None:
    policy = RetryPolicy(backoff_coefficient=1.0, jitter=0.0)

    assert delay(policy, 1) == delay(policy, 15) == timedelta(seconds=1)


def test_the_attempts_run_out() -> None:
    policy = RetryPolicy(maximum_attempts=3)

    assert delay(policy, 2) is not None
    assert delay(policy, 3) is None
    assert delay(policy, 4) is None


def test_the_default_is_bounded() -> None:
    assert delay(RetryPolicy(), 20) is None


def test_one_attempt_means_no_retry() -> None:
    assert delay(RetryPolicy(maximum_attempts=1)) is None


@given(st.integers(1, 10**30), st.floats(1.0, 1e300), st.floats(0.0, 1.0))
def test_no_attempt_overflows_or_passes_the_maximum(
    attempt: int, coefficient: float, jitter: float
) -> None:
    policy = RetryPolicy(maximum_attempts=0, backoff_coefficient=coefficient, jitter=jitter)

    wait = delay(policy, attempt)

    assert wait is not None
    assert timedelta(0) <= wait <= policy.longest_interval


@pytest.mark.parametrize("listed", [ValueError, "ValueError"])
def test_listed_types_are_not_retried(listed: Any) -> None:
    assert delay(RetryPolicy(non_retryable=(KeyError, listed))) is None


def test_a_listed_class_does_not_stand_for_its_subclasses() -> None:
    policy = RetryPolicy(non_retryable=(OSError,))

    assert delay(policy, failure=Failure(type="TimeoutError", message="")) is not None


def test_a_failure_may_refuse_to_be_retried() -> None:
    assert delay(PLAIN, failure=Failure(type="X", message="", non_retryable=True)) is None


def test_a_failure_may_name_its_delay() -> None:
    failure = Failure(type="X", message="", next_retry_delay=7.5)

    assert delay(RetryPolicy(), 5, failure) == timedelta(seconds=7.5)
    assert delay(RetryPolicy(maximum_attempts=5), 5, failure) is None


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        (-5.0, timedelta(0)),
        (0.0, timedelta(0)),
        (1e300, timedelta(days=36_500)),
        (float("nan"), timedelta(0)),
    ],
)
def test_a_senseless_delay_is_bounded(asked: float, given_: timedelta) -> None:
    assert delay(PLAIN, failure=Failure(type="X", message="", next_retry_delay=asked)) == given_


def test_jitter_only_shortens_and_is_the_same_everywhere() -> None:
    policy = RetryPolicy(jitter=0.5)
    waits = [
        next_delay(policy, attempt=1, failure=FAILURE, seed=f"run/{number}")
        for number in range(200)
    ]

    assert all(timedelta(seconds=0.5) <= each <= timedelta(seconds=1) for each in waits if each)
    assert len(set(waits)) > 150
    # A fixed number: another process, version or platform must come to the same.
    assert str(waits[0]) == "0:00:00.866393"


def test_jitter_differs_by_attempt() -> None:
    policy = RetryPolicy(jitter=1.0, backoff_coefficient=1.0)

    assert len({delay(policy, attempt) for attempt in range(1, 11)}) == 10


def test_a_seed_may_be_any_text() -> None:
    assert next_delay(RetryPolicy(), attempt=1, failure=FAILURE, seed="\ud800") is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initial_interval", timedelta(0)),
        ("initial_interval", timedelta(seconds=-1)),
        ("initial_interval", timedelta.max),
        ("initial_interval", 5),
        ("maximum_interval", timedelta(0)),
        ("maximum_interval", timedelta(milliseconds=999)),
        ("maximum_interval", "1s"),
        ("backoff_coefficient", 0.99),
        ("backoff_coefficient", float("nan")),
        ("backoff_coefficient", float("inf")),
        ("backoff_coefficient", "2"),
        ("backoff_coefficient", True),
        ("maximum_attempts", -1),
        ("maximum_attempts", 1.0),
        ("maximum_attempts", True),
        ("jitter", -0.1),
        ("jitter", 1.1),
        ("jitter", None),
        ("non_retryable", "ValueError"),
        ("non_retryable", ValueError),
        ("non_retryable", None),
        ("non_retryable", (int,)),
        ("non_retryable", ("",)),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        RetryPolicy(**{field: value})


def test_classes_read_back_as_names() -> None:
    assert RetryPolicy(non_retryable=[KeyError, "Gone"]).non_retryable == ("KeyError", "Gone")


def test_a_huge_first_interval_has_a_bounded_maximum() -> None:
    assert RetryPolicy(initial_interval=timedelta(days=30_000)).longest_interval == timedelta(
        days=36_500
    )


policies = st.builds(
    RetryPolicy,
    initial_interval=st.timedeltas(timedelta(microseconds=1), timedelta(days=1)),
    backoff_coefficient=st.floats(1.0, 100.0),
    maximum_interval=st.none() | st.timedeltas(timedelta(days=1), timedelta(days=900)),
    maximum_attempts=st.integers(0, 10**6),
    non_retryable=st.lists(st.sampled_from([ValueError, "Gone", OSError]), max_size=3).map(tuple),
    jitter=st.floats(0.0, 1.0),
)


@given(policies)
def test_policies_survive_storage(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert msgspec.json.decode(msgspec.json.encode(policy), type=RetryPolicy) == policy


def test_the_stored_form_is_compact_but_holds_the_numbers() -> None:
    assert RetryPolicy().to_json() == {
        "initial_interval": "PT1S",
        "backoff_coefficient": 2.0,
        "maximum_attempts": 20,
        "jitter": 0.1,
    }


def test_a_form_of_another_version_is_read() -> None:
    stored = {"maximum_attempts": 3, "added_later": {"x": 1}}

    assert RetryPolicy.from_json(stored) == RetryPolicy(maximum_attempts=3)


@pytest.mark.parametrize(
    "stored", [{"maximum_attempts": "x"}, {"maximum_attempts": -1}, {"initial_interval": 3}]
)
def test_a_broken_stored_form_is_refused_by_name(stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(stored))):
        RetryPolicy.from_json(stored)


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RetryPolicy().jitter = 0.5
