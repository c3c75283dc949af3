"""The tasks that are measured."""

from __future__ import annotations

import time

from celery import shared_task


@shared_task(name="benchmarks.echo")
def echo(number: int) -> int:
    return number


@shared_task(name="benchmarks.time")
def tell_time() -> float:
    return time.time()
