"""The Redis bell: heard by all, silent when Redis is away, back when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from aion.core.ids import uuid7
from aion_engine.runtime import redis_bell
from aion_engine.runtime.redis_bell import RedisBell
from tests.acceptance.servers import OwnRedis, own_redis
from tests.support.waiting import eventually


@pytest.fixture
def server(settings: Any) -> Iterator[OwnRedis]:
    with own_redis() as started:
        settings.AION = {**settings.AION, "REDIS_URL": started.url}
        yield started


def rings_arrive(here: RedisBell, there: RedisBell, *, within: float) -> bool:
    """Ring on one side until the other hears it."""
    waiter = there.loop_waiter()
    until = time.monotonic() + within
    try:
        while time.monotonic() < until:
            waiter._event.clear()
            here.ring_loops()
            if waiter.wait(0.2):
                return True
    finally:
        waiter.close()
    return False


def test_a_ring_reaches_those_who_wait_for_it_and_nobody_else(server: OwnRedis) -> None:
    here, there = RedisBell(), RedisBell()
    mine, other = uuid7(), uuid7()
    waiter, stranger = there.result_waiter(mine), there.result_waiter(other)
    waiter._event.clear()
    stranger._event.clear()

    here.ring_closed([mine])

    assert waiter.wait(30)
    assert not stranger.wait(0.1)


def test_a_waiter_listens_before_it_is_given_out(server: OwnRedis) -> None:
    here, there = RedisBell(), RedisBell()
    there.loop_waiter()
    for _ in range(20):
        run_id = uuid7()
        waiter = there.result_waiter(run_id)
        waiter._event.clear()
        here.ring_closed([run_id])
        assert waiter.wait(30)
        waiter.close()


def test_an_outage_costs_no_time_and_ends_by_itself(server: OwnRedis) -> None:
    here, there = RedisBell(), RedisBell()
    assert rings_arrive(here, there, within=30)
    waiter = there.loop_waiter()

    server.stop()
    begin = time.monotonic()
    with mock.patch.object(here._client, "publish", wraps=here._client.publish) as tries:
        for _ in range(200):
            here.ring_loops()
    silences = (time.monotonic() - begin) / redis_bell._SILENCE
    assert tries.call_count <= 1 + silences, "an absent server is not tried again and again"

    server.start()
    assert rings_arrive(here, there, within=30)
    waiter.close()


def test_a_ring_that_is_not_urgent_disturbs_nobody_who_gathers(server: OwnRedis) -> None:
    here, there = RedisBell(), RedisBell()
    assert rings_arrive(here, there, within=30)
    waiter = there.loop_waiter()
    waiter.wait(0.1)

    here.ring_loops(urgent=False)
    eventually(waiter._event.is_set)
    assert not waiter._urgent.is_set()
    here.ring_loops()
    waiter.wait_for_urgent(30)
    assert waiter.wait(0), "it hears of the first all the same"
    waiter.close()


def test_a_bell_that_began_without_redis_hears_later(server: OwnRedis) -> None:
    server.stop()
    there = RedisBell()
    waiter = there.loop_waiter()
    assert not waiter.wait(0.1)

    server.start()

    assert rings_arrive(RedisBell(), there, within=30)
    waiter.close()


def test_rings_within_the_process_work_without_redis(server: OwnRedis) -> None:
    bell = RedisBell()
    waiter = bell.loop_waiter()
    waiter._event.clear()
    server.stop()

    bell.ring_loops()

    assert waiter.wait(30)
