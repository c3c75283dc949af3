"""Celery tasks as projects have them, from before they knew of workflows."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from tests.sample.models import Effect


@shared_task(name="sample.add")
def add(a: int, b: int = 0) -> int:
    Effect.objects.create(key=f"task:add:{a}:{b}")
    return a + b


@shared_task(bind=True, name="sample.fail_times")
def fail_times(self: Any, key: str, times: int) -> list[int]:
    Effect.objects.create(key=f"task:{key}")
    if self.request.retries < times:
        raise ValueError(f"retry {self.request.retries} of {key}")
    return [self.request.retries]


@shared_task(bind=True, name="sample.ask_for_retry")
def ask_for_retry(self: Any, key: str) -> int:
    Effect.objects.create(key=f"task:{key}")
    if self.request.retries < 2:
        raise self.retry(countdown=0.2, exc=ConnectionError("not yet"))
    return int(self.request.retries)


@shared_task(bind=True, name="sample.slow", soft_time_limit=1)
def slow(self: Any, key: str) -> str:
    try:
        if self.request.retries == 0:
            time.sleep(20)
    except SoftTimeLimitExceeded:
        Effect.objects.create(key=f"task:{key}:limited")
        raise
    return key
