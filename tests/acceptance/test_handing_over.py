"""Workers that stop, die or sleep hand their work over, and come back without harm."""

from __future__ import annotations

import signal
import time

import pytest

from aion import client
from aion.models import ActivityTask, Worker
from tests.acceptance import invariants
from tests.acceptance.conftest import QUICK
from tests.acceptance.processes import Cluster
from tests.acceptance.servers import OwnRedis
from tests.sample.models import Effect
from tests.sample.workflows import Order, call
from tests.support.waiting import eventually

pytestmark = pytest.mark.postgres


def effects(prefix: str) -> int:
    return Effect.objects.filter(key__startswith=prefix).count()


def seen(prefix: str, count: int = 1, *, timeout: float = 10) -> None:
    eventually(lambda: effects(prefix) >= count, timeout=timeout, what=f"{count} x {prefix}")


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_warm_shutdown_hands_over_within_seconds(workers: Cluster, pool: str) -> None:
    first = workers.celery("first", "-B", pool=pool)
    handles = [client.start_workflow(call, "sleep_until_told", [f"{n}"]) for n in range(2)]
    seen("began:", 2)
    handles += [client.start_workflow(call, "leave_mark", ["queued"])]  # there is no slot for it
    begin = time.monotonic()
    second = workers.celery("second", "-B", ready=False)

    stopped_in = first.terminate()

    assert stopped_in < 5
    assert effects("told:") == 2, "those that ran were told"
    second.wait_for(" ready.")
    assert [handle.result(10) for handle in handles] == ["again", "again", "queued"]
    assert [worker.pid for worker in Worker.objects.all()] == [second.pid]
    assert invariants.problems() == []
    print(f"{pool}: stopped in {stopped_in:.1f} s; all done after {time.monotonic() - begin:.1f} s")


@pytest.mark.redis
def test_an_attempt_whose_process_died_is_tried_again_at_once(workers: Cluster) -> None:
    workers.celery("first", "-B")
    begin = time.monotonic()

    assert client.execute_workflow(call, "die_once", ["dying"], result_timeout=15) == 2

    assert time.monotonic() - begin < QUICK["LEASE"] + 3
    assert Worker.objects.count() == 1


@pytest.mark.redis
def test_a_worker_that_slept_past_its_lease_does_no_harm(workers: Cluster) -> None:
    first = workers.celery("first", pool="threads")
    handles = [client.start_workflow(call, "sleep_through", ["slept", 1.0])]
    order = client.start_workflow(Order, "slept", id="order-slept")
    seen("try:slept:1")
    seen("once:slept")
    first.send(signal.SIGSTOP)
    second = workers.celery("second", "-B")
    begin = time.monotonic()
    order.signal(Order.approve, "bob")

    assert handles[0].result(20) == 2
    assert order.result(20) == "slept by bob"
    print(f"taken over {time.monotonic() - begin:.1f} s after the second worker was ready")
    assert [worker.pid for worker in Worker.objects.all()] == [second.pid]

    first.send(signal.SIGCONT)
    first.wait_for("registers again")
    first.wait_for("is no longer the current one")
    fresh = [client.start_workflow(call, "leave_mark_once", [f"{n}"]) for n in range(10)]

    assert [handle.result(10) for handle in fresh] == [f"{n}" for n in range(10)]
    assert Worker.objects.count() == 2
    assert not ActivityTask.objects.exists()
    assert invariants.problems() == []
    assert effects("once:") == 11


def test_a_task_queue_is_a_celery_queue(own_workers: Cluster, server: OwnRedis) -> None:
    loop = own_workers.celery("loop", "-B")
    handle = client.start_workflow(call, "work_elsewhere", ["routed"])
    eventually(lambda: ActivityTask.objects.count() == 1, what="it was asked for")
    time.sleep(0.5)
    assert effects("elsewhere:") == 0, "nobody consumes that queue yet"

    other = own_workers.celery("other", "-Q", "elsewhere", pool="solo")

    assert handle.result(10) == "routed"
    assert effects(f"elsewhere:routed:{other.pid}") == 1
    assert "turn loop runs" in loop.output
    assert "turn loop runs" not in other.output
