"""Options of activities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aion.authoring.options import ActivityOptions, CancellationType

TIMEOUTS = [
    "start_to_close_timeout",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "heartbeat_timeout",
]


def test_the_defaults_leave_everything_open() -> None:
    options = ActivityOptions()

    assert all(getattr(options, name) is None for name in TIMEOUTS)
    assert options.cancellation_type is CancellationType.TRY
    assert not options.local


def test_override_keeps_the_rest() -> None:
    options = ActivityOptions(task_queue="a", summary="s").override(task_queue="b")

    assert (options.task_queue, options.summary) == ("b", "s")


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize(
    ("value", "error"),
    [(5, TypeError), ("5", TypeError), (timedelta(0), ValueError), (timedelta(-1), ValueError)],
)
def test_a_timeout_is_a_positive_timedelta(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        ActivityOptions(**{name: value})
    with pytest.raises(error, match=name):
        ActivityOptions().override(**{name: value})


def test_an_unknown_option_lists_those_that_there_are() -> None:
    with pytest.raises(
        TypeError, match=r"'retries'. Options are: cancellation_type, heart.*"
    ) as one:
        ActivityOptions().override(retries=3)

    assert "retry" in str(one.value)


@pytest.mark.parametrize("kind", ["try", "wait", "abandon"])
def test_cancellation_types_are_text(kind: str) -> None:
    assert CancellationType(kind) == kind
