"""Workers that stop, die or sleep hand their work over, and come back without harm."""

from __future__ import annotations

import os
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


def seen(prefix: str, count: int = 1, *, timeout: float = 60) -> None:
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

    assert stopped_in < 20, "they would have slept for 30"
    assert effects("told:") == 2, "those that ran were told"
    second.wait_for(" ready.")
    assert [handle.result(60) for handle in handles] == ["again", "again", "queued"]
    assert [worker.pid for worker in Worker.objects.all()] == [second.pid]
    assert invariants.problems() == []
    print(f"{pool}: stopped in {stopped_in:.1f} s; all done after {time.monotonic() - begin:.1f} s")


@pytest.mark.redis
def test_a_killed_worker_is_noticed_within_its_lease(workers: Cluster) -> None:
    """It and its pool at once: nobody is left to tell. A run and an attempt of it go to the other."""
    first = workers.celery("first")
    attempt = client.start_workflow(call, "sleep_until_told", ["killed"])
    owned = client.start_workflow(call, "wait_here", ["killed", 30.0])
    seen("began:", 2)
    workers.celery("second", "-B")

    os.killpg(first.pid, signal.SIGKILL)
    begin = time.monotonic()
    first.popen.wait(60)

    eventually(
        lambda: not Worker.objects.filter(pid=first.pid).exists(),
        timeout=QUICK["LEASE"] + 10,
        what="the dead worker is buried",
    )
    noticed = time.monotonic() - begin
    assert attempt.result(60) == "again"
    assert owned.result(60) == "killed"
    print(f"noticed after {noticed:.1f} s, all done after {time.monotonic() - begin:.1f} s")
    assert invariants.problems() == []


@pytest.mark.redis
def test_a_worker_that_slept_past_its_lease_does_no_harm(workers: Cluster) -> None:
    first = workers.celery("first", pool="threads")
    handles = [client.start_workflow(call, "sleep_through", ["slept", 1.0])]
    order = client.start_workflow(Order, "slept", id="order-slept")
    seen("try:slept:1")
    second = workers.celery("second", "-B", ready=False)
    seen("once:slept")
    first.send(signal.SIGSTOP)
    second.wait_for(" ready.")
    begin = time.monotonic()
    order.signal(Order.approve, "bob")

    assert handles[0].result(60) == 2
    assert order.result(60) == "slept by bob"
    print(f"taken over {time.monotonic() - begin:.1f} s after the second worker was ready")
    assert [worker.pid for worker in Worker.objects.all()] == [second.pid]

    first.send(signal.SIGCONT)
    first.wait_for("registers again")
    first.wait_for("is no longer the current one")
    fresh = [client.start_workflow(call, "leave_mark_once", [f"{n}"]) for n in range(10)]

    assert [handle.result(60) for handle in fresh] == [f"{n}" for n in range(10)]
    assert Worker.objects.count() == 2
    assert not ActivityTask.objects.exists()
    assert invariants.problems() == []
    assert effects("once:") == 11


def test_a_task_queue_is_a_celery_queue(own_workers: Cluster, server: OwnRedis) -> None:
    own_workers.configure(TASK_ROUTES={"sample.add": {"queue": "elsewhere"}})
    loop = own_workers.celery("loop", "-B", ready=False)
    routed = client.start_workflow(call, "work_elsewhere", ["routed"])
    task = client.start_workflow(call, "add", [2, 3])  # goes where the project routes that task
    loop.wait_for(" ready.")
    eventually(lambda: ActivityTask.objects.count() == 2, what="both were asked for")
    assert effects("elsewhere:") + effects("task:") == 0, "nobody consumes that queue yet"

    other = own_workers.celery("other", "-Q", "elsewhere", pool="solo")

    assert routed.result(60) == "routed"
    assert task.result(60) == 5
    assert effects(f"elsewhere:routed:{other.pid}") == 1
    assert "turn loop runs" in loop.output
    assert "turn loop runs" not in other.output
