"""Mailboxes: posting, request ids, parking."""

from __future__ import annotations

import pytest

from aion.core.events import ActivityCompleted, SignalReceived
from aion.core.history import decode_event
from aion.models import Message, Timer
from aion.store import mailbox
from aion.store.dialects import connection
from tests.support.clocks import START
from tests.support.rows import mailbox_of, quiet_run

pytestmark = pytest.mark.django_db


def test_messages_are_kept_in_the_order_of_posting() -> None:
    run_id = quiet_run()
    events = [
        SignalReceived(name="a"),
        ActivityCompleted(activity_id="1"),
        SignalReceived(name="b"),
    ]

    mailbox.post([mailbox.message(run_id, event) for event in events], now=START)
    mailbox.post([(run_id, mailbox.WAKE, "{}")], now=START)

    assert mailbox_of(run_id) == ["SignalReceived", "ActivityCompleted", "SignalReceived", "wake"]
    rows = Message.objects.filter(run_id=run_id).order_by("id")[:3]
    assert [decode_event(row.kind, row.body) for row in rows] == events
    assert {(row.created_at, row.parked) for row in rows} == {(START, False)}


def test_many_messages_are_one_statement(django_assert_num_queries: object) -> None:
    ids = [quiet_run() for _ in range(3)]

    with django_assert_num_queries(1):  # type: ignore[operator]
        mailbox.post([(run_id, mailbox.WAKE, "{}") for run_id in ids * 30], now=START)

    assert Message.objects.count() == 90


def test_posting_nothing_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        mailbox.post([], now=START)


def test_parking_takes_messages_and_timers_of_the_named_runs_only() -> None:
    parked, other = quiet_run(), quiet_run()
    for run_id in (parked, other):
        mailbox.post([(run_id, mailbox.WAKE, "{}")], now=START)
        Timer.objects.create(run_id=run_id, timer_id="1", fire_at=START)

    with connection().cursor() as cursor:
        mailbox.set_parked([parked], parked=True, cursor=cursor)

    assert list(Message.objects.filter(parked=True).values_list("run_id", flat=True)) == [parked]
    assert list(Timer.objects.filter(parked=True).values_list("run_id", flat=True)) == [parked]

    with connection().cursor() as cursor:
        mailbox.set_parked([parked, other], parked=False, cursor=cursor)

    assert not Message.objects.filter(parked=True).exists()
    assert not Timer.objects.filter(parked=True).exists()
