"""Publishing never holds anybody up, loses nothing while the broker is away, and repeats little."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from aion.conf import settings
from aion.core.ids import uuid7
from aion.core.ports import Handover
from aion_engine.runtime import backlog, dispatch
from aion_engine.runtime.backlog import Backlog
from aion_engine.runtime.bundles import HOLD
from aion_engine.runtime.dispatch import CeleryDispatcher
from aion_engine.runtime.here import here
from config.celery import app
from tests.support.waiting import eventually


def handover(queue: str = "q", *, doubtful: bool = False) -> Handover:
    return Handover(uuid7(), 1, queue, "kit.act", doubtful)


class Broker:
    """Takes what is sent; may be away, may refuse one message, may be slow."""

    def __init__(self) -> None:
        self.messages: list[list[Handover]] = []
        self.away = False
        self.backlog = 0
        self.refused: Handover | None = None
        self.slow = threading.Event()
        self.slow.set()
        self.tries = 0

    @property
    def sent(self) -> list[Handover]:
        return list(chain.from_iterable(self.messages))

    def send(self, message: list[Handover], producer: Any) -> None:
        self.tries += 1
        self.slow.wait(10)
        if self.away:
            raise OperationalError("nobody there")
        if self.refused in message:
            raise KeyError("no such task")
        self.messages.append(message)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    made = Broker()
    monkeypatch.setattr(dispatch, "send", made.send)
    monkeypatch.setattr(Backlog, "waits", lambda self, queue, connection: made.backlog)
    monkeypatch.setattr(dispatch, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(dispatch, "_LAST_PAUSE", 0.02)
    yield made
    made.slow.set()


def test_all_are_sent_in_order(broker: Broker) -> None:
    many = [handover() for _ in range(20)]

    CeleryDispatcher().publish(many)

    eventually(lambda: broker.sent == many)


def test_few_travel_alone_and_many_together(broker: Broker) -> None:
    few, many = [handover() for _ in range(15)], [handover("full") for _ in range(400)]
    dispatcher = CeleryDispatcher()

    dispatcher.publish(few)
    eventually(lambda: dispatcher.flush(0))
    dispatcher.publish(many)
    eventually(lambda: dispatcher.flush(0))

    assert [len(each) for each in broker.messages] == [1] * 15 + [16] * 25
    assert broker.sent == few + many


def cut(handovers: list[Handover], *, age: float = 0.0, backlog: bool = False) -> Any:
    waiting = [(each, 0.0) for each in handovers]
    return dispatch.messages_of(waiting, now=age, has_backlog=lambda queue: backlog)


def test_a_message_holds_one_queue_in_the_order_of_arrival() -> None:
    mixed = [handover("qr"[number % 2]) for number in range(64)]
    mixed[3] = handover("r", doubtful=True)

    found, pause = cut(mixed)

    assert pause == 0
    assert [mixed[3]] in found
    for message in found:
        assert len({each.task_queue for each in message}) == 1
        assert len(message) <= 4
        assert message == sorted(message, key=mixed.index)
    assert sorted(chain.from_iterable(found), key=mixed.index) == mixed


def test_behind_a_backlog_a_message_waits_a_moment_until_it_is_full() -> None:
    many = [handover() for _ in range(20)]

    found, pause = cut(many, backlog=True)
    assert [len(each) for each in found] == [16]
    assert pause == HOLD

    found, pause = cut(many, backlog=True, age=HOLD)
    assert [len(each) for each in found] == [16, 4]
    assert pause == 0


def test_what_waits_for_more_is_sent_after_a_moment(broker: Broker) -> None:
    broker.backlog = 100
    few = [handover() for _ in range(3)]

    CeleryDispatcher().publish(few)

    eventually(lambda: broker.messages == [few])


def test_long_activities_travel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here.durations, "is_long", lambda name: name == "kit.act")

    found, pause = cut([handover() for _ in range(99)], backlog=True)

    assert {len(each) for each in found} == {1}
    assert pause == 0


def test_a_setting_makes_each_travel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ACTIVITY_BUNDLE", 1)

    for backlog_ in (True, False):
        found, _ = cut([handover() for _ in range(99)], backlog=backlog_)
        assert {len(each) for each in found} == {1}


def test_the_most_urgent_are_sent_first(broker: Broker) -> None:
    broker.slow.clear()
    dispatcher = CeleryDispatcher()
    begun = handover()
    dispatcher.publish([begun])
    eventually(lambda: broker.tries == 1)
    each = {
        name: Handover(uuid7(), 1, "q", "kit.act", priority=priority)
        for name, priority in (("low", 5), ("usual", 3), ("urgent", 1), ("as usual", 3))
    }

    dispatcher.publish(list(each.values()))
    broker.slow.set()

    order = [begun, *(each[name] for name in ("urgent", "usual", "as usual", "low"))]
    eventually(lambda: broker.sent == order)


def test_publishing_returns_at_once_and_sends_each_attempt_once(broker: Broker) -> None:
    dispatcher = CeleryDispatcher()
    first, second = handover(), handover()
    broker.slow.clear()

    dispatcher.publish([first, second])
    dispatcher.publish([second, first])
    broker.slow.set()

    eventually(lambda: dispatcher.flush(0))
    assert broker.sent == [first, second]
    dispatcher.publish([first])
    eventually(lambda: broker.sent == [first, second, first], what="it is sent again later")


def test_what_cannot_be_sent_now_waits_for_the_broker(broker: Broker) -> None:
    dispatcher = CeleryDispatcher()
    broker.away = True
    many = [handover() for _ in range(3)]

    dispatcher.publish(many)
    eventually(lambda: broker.tries > 3)
    broker.away = False

    eventually(lambda: broker.sent == many)


def test_a_process_that_ends_may_wait_until_all_is_sent(broker: Broker) -> None:
    dispatcher = CeleryDispatcher()
    assert dispatcher.flush(0), "there is nothing to send"
    broker.away = True
    dispatcher.publish([handover()])
    assert not dispatcher.flush(0.05)
    broker.away = False

    assert dispatcher.flush(10)
    assert len(broker.sent) == 1


def test_a_message_that_can_never_be_sent_does_not_stop_the_others(broker: Broker) -> None:
    bad, good = handover(), handover()
    broker.refused = bad

    CeleryDispatcher().publish([bad, good])

    eventually(lambda: broker.sent == [good])


def test_of_doubtful_attempts_as_many_are_sent_as_the_broker_lacks(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = settings.ACTIVITY_BUNDLE
    counts = [("q", "kit.act", 3 * full + 2)]
    monkeypatch.setattr(backlog.publishing, "published_counts", lambda: counts)
    monkeypatch.setattr(Backlog, "message_count", lambda self, queue, connection: 3)
    certain = handover()
    dispatcher = CeleryDispatcher()

    dispatcher.publish([handover(doubtful=True) for _ in range(4)] + [certain])

    eventually(lambda: dispatcher.flush(0))
    assert len(broker.sent) == 3
    assert broker.sent[-1] is certain


def test_a_look_into_the_broker_counts_messages_and_knows_no_queue_that_is_not_there() -> None:
    queue = f"counted-{uuid7()}"
    with app.connection_for_write() as connection:
        assert Backlog().message_count(queue, connection) == 0
        bound = connection.SimpleQueue(queue)
        for _ in range(3):
            bound.put({})
        assert Backlog().message_count(queue, connection) == 3
        bound.clear()
        bound.close()


def test_activities_are_looked_for_where_celery_routes_them() -> None:
    from tests.sample import activities

    assert backlog.queue_of("default", "kit.act") == app.conf.task_default_queue
    assert backlog.queue_of("fast", "kit.act") == "fast"
    assert backlog.queue_of("fast", activities.add.name) == app.conf.task_default_queue


def test_what_waits_in_the_broker_is_looked_at_through_one_channel() -> None:
    queue, look = f"waits-{uuid7()}", Backlog()
    with app.connection_for_write() as connection:
        assert look.waits(queue, connection) == 0, "there is no such queue"
        bound = connection.SimpleQueue(queue)
        for _ in range(3):
            bound.put({})
        assert look.waits(queue, connection) == 0, "a look holds for a moment"
        eventually(lambda: look.waits(queue, connection) == 3)
        channel = look._channel
        bound.clear()
        eventually(lambda: look.waits(queue, connection) == 0)
        assert look._channel == channel
        connection.close()
        eventually(lambda: look.waits(queue, connection) == 0, what="it connects again")
        bound.close()


def test_a_look_holds_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(backlog.publishing, "published_counts", lambda: [("q", "kit.act", 1)])
    monkeypatch.setattr(
        Backlog, "message_count", lambda self, queue, connection: looks.append(queue) or 0
    )
    look = Backlog()

    assert [look.lacks("q", "kit.act", None) for _ in range(3)] == [True, False, False]
    assert looks == ["q"]
