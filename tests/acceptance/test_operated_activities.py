"""Operators reach attempts that run in other processes."""

from __future__ import annotations

from typing import Any

import pytest

from aion import client
from aion.client import PendingActivity
from tests.acceptance import invariants
from tests.acceptance.processes import Cluster
from tests.sample.models import Effect
from tests.sample.workflows import call
from tests.support.waiting import eventually


def pending(handle: client.WorkflowHandle) -> PendingActivity:
    [one] = handle.describe().pending_activities
    return one


def seen(key: str) -> None:
    eventually(lambda: Effect.objects.filter(key=key).exists(), what=key)


def is_paused(handle: client.WorkflowHandle) -> Any:
    return eventually(lambda: pending(handle).state == "paused", what="it is paused")


def pause_and_go_on() -> None:
    """An attempt with heartbeats stops when it is paused, and the next goes on where it stood."""
    handle = client.start_workflow(call, "count_with_heartbeats", ["k", 12])
    seen("step:k:2")
    handle.activity("1").pause("too loud", by="ada")
    is_paused(handle)
    steps = Effect.objects.filter(key__startswith="step:k:").count()
    assert 3 <= steps < 12
    assert pending(handle).attempt == 1

    handle.activity("1").unpause()

    begin, end = handle.result(60)
    assert (begin > 0, end) == (True, 12)


def complete_one_that_runs() -> None:
    handle = client.start_workflow(call, "sleep_until_told", ["told"])
    seen("began:told")
    handle.activity("1").complete("by hand", reason="done on paper")

    assert handle.result(60) == "by hand"
    seen("told:told:lost")


def reset_one_without_heartbeats() -> None:
    """It hears of the reset without asking, and fails: that does not count."""
    handle = client.start_workflow(call, "sleep_until_told", ["reset"])
    seen("began:reset")
    handle.activity("1").reset()
    seen("told:reset:reset")
    eventually(
        lambda: Effect.objects.filter(key="began:reset").count() == 2, what="it is begun anew"
    )
    assert pending(handle).attempt == 1
    handle.terminate()


def test_an_embedded_worker_hears_of_it(transactional_db: None, embedded_workers: Cluster) -> None:
    embedded_workers.aion_worker("one")

    pause_and_go_on()
    complete_one_that_runs()
    reset_one_without_heartbeats()
    assert invariants.problems() == []


@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_celery_pool_hears_of_it(workers: Cluster, pool: str) -> None:
    workers.celery("one", "-B", pool=pool)

    pause_and_go_on()
    complete_one_that_runs()
    reset_one_without_heartbeats()
    assert invariants.problems() == []
