"""Activities that leave a row for each time that they took effect."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from datetime import timedelta

from aion import RetryPolicy, activity
from tests.sample import tasks
from tests.sample.models import Effect

SOON = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=50)


def note(key: str) -> None:
    Effect.objects.create(key=key)


@activity.defn(retry=SOON)
def leave_mark(key: str) -> str:
    note(f"plain:{key}")
    return key


@activity.defn(retry=SOON)
def say_nothing() -> str:
    return ""


@activity.defn(retry=SOON, transactional=True)
def leave_mark_once(key: str) -> str:
    note(f"once:{key}")
    return key


@activity.defn(retry=SOON, local=True)
def leave_local_mark(key: str) -> str:
    note(f"local:{key}")
    return key


@activity.defn(retry=SOON, local=True, transactional=True)
def leave_local_mark_once(key: str) -> str:
    note(f"local-once:{key}")
    return key


@activity.defn(retry=SOON, task_queue="elsewhere")
def work_elsewhere(key: str) -> str:
    note(f"elsewhere:{key}:{os.getpid()}")
    return key


@activity.defn(retry=SOON)
def fail_times(key: str, times: int) -> int:
    attempt = activity.info().attempt
    note(f"try:{key}:{attempt}")
    if attempt <= times:
        raise ValueError(f"attempt {attempt} of {key}")
    return attempt


@activity.defn(retry=SOON)
async def wait_async(key: str, seconds: float) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.to_thread(note, f"told:{key}:{activity.cancel_reason()}")
        raise
    return key


@activity.defn(retry=SOON, start_to_close_timeout=timedelta(seconds=60))
def wait_until_told(key: str, seconds: float) -> str:
    """Block without heartbeats; leave a mark with the reason when told to stop."""
    note(f"began:{key}")
    if activity.wait_for_cancelled(seconds):
        note(f"told:{key}:{activity.cancel_reason()}")
        return "told"
    return "waited"


@activity.defn(retry=SOON)
def sleep_until_told(key: str) -> str:
    """At the first attempt, block until told to stop, and fail then."""
    if activity.info().attempt > 1:
        return "again"
    note(f"began:{key}")
    activity.wait_for_cancelled(30)
    note(f"told:{key}:{activity.cancel_reason()}")
    raise RuntimeError("told to stop")


@activity.defn(retry=SOON, local=True)
def wait_here(key: str, seconds: float) -> str:
    """Block where the run is owned, the first time; whoever runs it again gets through."""
    if not Effect.objects.filter(key=f"began:{key}:here").exists():
        note(f"began:{key}:here")
        activity.wait_for_cancelled(seconds)
    return key


@activity.defn(retry=SOON, heartbeat_timeout=timedelta(seconds=30))
def count_with_heartbeats(key: str, steps: int) -> list[int]:
    """Count up from where the last attempt stopped beating."""
    done = activity.info().heartbeat_details
    begin = int(done[0]) if done else 0
    for step in range(begin, steps):
        note(f"step:{key}:{step}")
        activity.heartbeat(step + 1)
        time.sleep(0.15)
    return [begin, steps]


@activity.defn(retry=SOON, heartbeat_timeout=timedelta(seconds=30))
def only_heartbeats(key: str, steps: int) -> int:
    """Say that it lives, and use no connection of its own after it has begun."""
    note(f"began:{key}")
    for step in range(steps):
        activity.heartbeat(step)
        time.sleep(0.15)
    return activity.info().attempt


@activity.defn(retry=SOON)
def die_once(key: str) -> int:
    """Take the process along at the first attempt."""
    attempt = activity.info().attempt
    note(f"try:{key}:{attempt}")
    if attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


@activity.defn(retry=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2))
def break_process(key: str) -> None:
    """Take the process along, by what no code can catch."""
    note(f"break:{key}")
    ctypes.string_at(0)


@activity.defn(retry=SOON)
def sleep_through(key: str, seconds: float) -> int:
    """Hear nothing, as much code does."""
    attempt = activity.info().attempt
    note(f"try:{key}:{attempt}")
    until = time.monotonic() + (seconds if attempt == 1 else 0)
    while time.monotonic() < until:
        time.sleep(0.05)
    return attempt


add = activity.celery_task(tasks.add, retry=SOON)
fail_task = activity.celery_task(tasks.fail_times, retry=SOON)
retry_task = activity.celery_task(tasks.ask_for_retry, retry=SOON)
slow_task = activity.celery_task(tasks.slow, retry=SOON)
