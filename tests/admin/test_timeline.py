"""The drawing of a history: bars in order, idle time shortened, nothing outside of the picture."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from aion.admin.timeline import MOST_ROWS, WIDTH, timeline
from aion.core import events
from aion.core.failures import Failure
from aion.core.history import Recorded

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def recorded(*pairs: tuple[float, events.Event]) -> list[Recorded]:
    return [
        Recorded(seq, START + dt.timedelta(seconds=at), event)
        for seq, (at, event) in enumerate(pairs, 1)
    ]


def scheduled(name: str) -> events.Event:
    return events.ActivityScheduled(activity_id=name, activity_type=name.upper())


def test_what_began_and_ended_is_one_bar() -> None:
    drawn = timeline(
        recorded(
            (0, scheduled("a")),
            (0, events.TimerStarted(timer_id="t", fire_at=START, summary="a nap")),
            (2, events.ActivityCompleted(activity_id="a")),
            (3, events.TimerCancelled(timer_id="t")),
        ),
        now=None,
    )

    assert [(bar.label, bar.outcome) for bar in drawn.bars] == [
        ("A", "completed"),
        ("a nap", "cancelled"),
    ]


def test_what_is_open_reaches_until_now() -> None:
    drawn = timeline(recorded((0, scheduled("a"))), now=START + dt.timedelta(hours=1))

    (bar,) = drawn.bars
    assert (bar.outcome, bar.x, bar.width) == ("open", 0, WIDTH)


def test_a_month_of_waiting_leaves_room_for_seconds() -> None:
    month = 30 * 86_400
    drawn = timeline(
        recorded(
            (0, scheduled("a")),
            (1, events.ActivityCompleted(activity_id="a")),
            (month, scheduled("b")),
            (
                month + 1,
                events.ActivityFailed(activity_id="b", failure=Failure(type="X", message="x")),
            ),
        ),
        now=None,
    )

    assert all(bar.width > WIDTH / 10 for bar in drawn.bars)


def test_a_local_activity_is_a_bar_of_its_own() -> None:
    event = events.ActivityCompleted(activity_id="a", activity_type="lookup", local=True)

    (bar,) = timeline(recorded((5, event)), now=None).bars

    assert (bar.label, bar.outcome) == ("lookup", "completed")


def test_nothing_is_drawn_of_nothing() -> None:
    assert timeline([], now=None).bars == ()
    assert timeline(recorded((0, events.MemoUpdated(memo=b"{}"))), now=None).bars in ((), [])


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=300))
def test_every_bar_lies_in_the_picture(moments: list[float]) -> None:
    pairs = [(at, scheduled(str(number))) for number, at in enumerate(sorted(moments))]
    drawn = timeline(recorded(*pairs), now=START + dt.timedelta(seconds=2e9))

    assert len(drawn.bars) == min(len(moments), MOST_ROWS)
    assert drawn.left_out == max(0, len(moments) - MOST_ROWS)
    for bar in drawn.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 0.001
        assert bar.y < drawn.height
    assert [tick.x for tick in drawn.ticks] == sorted(tick.x for tick in drawn.ticks)
