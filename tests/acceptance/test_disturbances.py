"""Callers that die, brokers that forget or are away: it delays, and loses nothing."""

from __future__ import annotations

import time

import pytest

from aion import client
from aion.models import ActivityTask, Run
from tests.acceptance import invariants, orders
from tests.acceptance.processes import Cluster
from tests.acceptance.servers import OwnRedis
from tests.sample.models import Effect
from tests.sample.workflows import call
from tests.support.waiting import eventually

pytestmark = pytest.mark.postgres

DIES_AFTER_COMMIT = """
from django.db import transaction
from aion import client
from aion.operations import bell
from tests.sample.models import Effect
from tests.sample.workflows import call

bell.the_bell().ring_loops = lambda **_: os._exit(9)  # the first thing that follows the commit
with transaction.atomic():
    Effect.objects.create(key="the caller's own row")
    client.start_workflow(call, "leave_mark_once", ["abandoned"], id="abandoned")
"""


@pytest.mark.redis
def test_a_start_whose_caller_died_before_it_could_tell_anybody_runs(workers: Cluster) -> None:
    workers.celery("first")

    caller = workers.script("caller", DIES_AFTER_COMMIT)

    assert caller.popen.wait(60) == 9
    assert Effect.objects.filter(key="the caller's own row").exists()
    assert client.get_workflow_handle("abandoned").result(60) == "abandoned"


def test_a_flushed_redis_delays_and_loses_nothing(own_workers: Cluster, server: OwnRedis) -> None:
    keys = orders.start_orders(30)
    orders.approve(keys)
    own_workers.celery("first", "-B")
    eventually(
        lambda: Effect.objects.filter(key__startswith="once:").exists(), what="some are done"
    )
    waiting = ActivityTask.objects.count()

    server.flush()
    begin = time.monotonic()

    orders.assert_all_went_well(keys, timeout=60)
    print(
        f"{waiting} activities waited; all was done {time.monotonic() - begin:.1f} s after the flush"
    )
    assert orders.open_count() == 0


def test_a_broker_that_is_down_at_the_start_only_delays(
    own_workers: Cluster, server: OwnRedis
) -> None:
    server.stop()
    handles = [client.start_workflow(call, "leave_mark_once", [f"{n}"]) for n in range(5)]
    own_workers.celery("first", "-B", ready=False).wait_for("turn loop runs")
    # Turns need no broker: what they ask for waits in rows.
    eventually(lambda: ActivityTask.objects.count() == 5, timeout=60, what="turns were taken")
    assert Run.objects.filter(closed_at=None).count() == 5

    server.start()
    begin = time.monotonic()

    assert [handle.result(60) for handle in handles] == [f"{n}" for n in range(5)]
    print(f"all ran {time.monotonic() - begin:.1f} s after the broker came up")
    assert invariants.problems() == []
