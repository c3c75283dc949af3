"""Workflows that the tests share."""

from __future__ import annotations

import asyncio
import ctypes
import os
from datetime import timedelta
from typing import Any

from aion import workflow
from aion.authoring.options import CancellationType
from tests.sample import activities


@workflow.defn
class Order:
    """A process with each kind of step; ends when it was approved."""

    @workflow.init
    def __init__(self, key: str) -> None:
        self.approved_by = ""

    @workflow.run
    async def run(self, key: str) -> str:
        await activities.leave_local_mark_once.execute(key)
        await asyncio.gather(
            activities.leave_mark.execute(key),
            activities.leave_mark_once.execute(key),
        )
        await workflow.wait_condition(lambda: self.approved_by, timeout=timedelta(minutes=10))
        await asyncio.sleep(0.05)
        await activities.leave_local_mark.execute(key)
        return f"{key} by {self.approved_by}"

    @workflow.signal
    def approve(self, by: str) -> None:
        self.approved_by = by


@workflow.defn
async def call(name: str, arguments: list[Any]) -> Any:
    """Run one of the sample activities."""
    return await getattr(activities, name).execute(*arguments)


@workflow.defn
class CallAndWait:
    """Run one of the sample activities, and wait for its end when this is cancelled."""

    @workflow.run
    async def run(self, name: str, arguments: list[Any]) -> str:
        waiting = getattr(activities, name).with_options(cancellation_type=CancellationType.WAIT)
        try:
            return str(await waiting.execute(*arguments))
        except asyncio.CancelledError:
            return "cancelled"


@workflow.defn
async def hurried() -> str:
    """Two turns and one attempt, without rows of its own."""
    return await activities.say_nothing.execute()


@workflow.defn
async def deadly(how: str) -> None:
    """Take the worker along."""
    match how:
        case "exit":
            os._exit(1)
        case "segfault":
            ctypes.string_at(0)


@workflow.defn
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"
