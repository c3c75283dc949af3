"""The tasks that are measured."""

from __future__ import annotations

import time

from celery import shared_task


@shared_task(name="benchmarks.echo")
def echo(number: int) -> int:
    return number


@shared_task(name="benchmarks.count_all")
def count_all(results: list[int]) -> int:
    return len(results)


@shared_task(name="benchmarks.time")
def tell_time() -> float:
    return time.time()
