"""Every pool on every broker: what a team meets on its first day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aion import client
from aion.models import ActivityTask, Worker
from tests.acceptance import invariants
from tests.acceptance.conftest import QUICK, celery_cluster
from tests.acceptance.processes import Cluster
from tests.acceptance.servers import forget_queues, need_rabbitmq
from tests.sample.models import Effect
from tests.sample.workflows import CallAndWait, call
from tests.support.waiting import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture(params=["redis", "rabbitmq"])
def workers(
    request: pytest.FixtureRequest,
    environment: dict[str, str],
    redis_url: str,
    queue: str,
    tmp_path: Path,
    settings: Any,
) -> Iterator[Cluster]:
    broker = redis_url if request.param == "redis" else need_rabbitmq()
    yield from celery_cluster(environment, broker, redis_url, queue, tmp_path, settings)
    forget_queues(broker, [queue])


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_with_beat_is_a_complete_installation(workers: Cluster, pool: str) -> None:
    worker = workers.celery("only", "-B", pool=pool)

    run_a_handful(soft_limits=pool == "prefork")
    assert sometimes(lambda n: seconds_until_told(f"cancelled-{n}", pool=pool) < 2)
    if pool == "prefork":
        assert sometimes(lambda n: seconds_until_tried_again(f"dying-{n}") < QUICK["LEASE"])
    stopped_in = worker.terminate()

    assert stopped_in < 20
    assert not Worker.objects.exists()
    assert invariants.problems() == []
    assert Effect.objects.filter(key="once:once").count() == 1


def run_a_handful(*, soft_limits: bool) -> None:
    """A remote activity, a transactional one, a Celery task, a coroutine, and some that fail first."""
    wanted: list[tuple[str, list[Any], Any]] = [
        ("leave_mark", ["marked"], "marked"),
        ("leave_mark_once", ["once"], "once"),
        ("add", [2, 3], 5),
        ("wait_async", ["waited", 0.05], "waited"),
        ("fail_times", ["failing", 1], 2),
        ("fail_task", ["failing", 1], [1]),
    ]
    if soft_limits:  # Celery enforces them in this pool only
        wanted.append(("slow_task", ["slow"], "slow"))
    handles = [client.start_workflow(call, name, arguments) for name, arguments, _ in wanted]
    assert [handle.result(60) for handle in handles] == [result for *_, result in wanted]
    assert Effect.objects.filter(key="task:slow:limited").exists() is soft_limits


def sometimes(is_quick: Callable[[int], bool]) -> bool:
    """Whether something that a busy machine may delay is quick in one of five tries."""
    return any(is_quick(attempt) for attempt in range(5))


def seconds_until_tried_again(key: str) -> float:
    """How long it takes when an attempt takes its pool process along; the worker itself lives on."""
    begin = time.monotonic()
    assert client.execute_workflow(call, "die_once", [key], result_timeout=60) == 2
    took = time.monotonic() - begin
    print(f"tried again {took:.2f} s after its process died")
    return took


def seconds_until_told(key: str, *, pool: str) -> float:
    """How long a cancel takes to reach a running attempt that does not heartbeat."""
    handle = client.start_workflow(CallAndWait, "wait_until_told", [key, 30])
    eventually(lambda: Effect.objects.filter(key=f"began:{key}").exists(), what="it runs")
    begin = time.monotonic()
    handle.cancel()
    eventually(
        lambda: Effect.objects.filter(key=f"told:{key}:cancelled").exists(), what="it is told"
    )
    took = time.monotonic() - begin
    assert handle.result(60) == "told"
    assert not ActivityTask.objects.exists()
    print(f"{pool}: told {took:.2f} s after the cancel")
    return took
