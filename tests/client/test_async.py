"""The async twins do what their originals do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from aion import activity, client
from aion.core.errors import ActivityNotFound, RunNotFound
from aion.models import ActivityTask
from tests.support import kit
from tests.support.engine import Engine, running_worker


def run(function: Callable[[], Awaitable[Any]]) -> Any:
    """Run async code and close the connection of its synchronous thread."""

    async def run_and_close() -> Any:
        try:
            return await function()
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(run_and_close())


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.django_db(transaction=False)
def test_every_function_has_a_twin() -> None:
    functions = [name for name in client.__all__ if inspect.isfunction(getattr(client, name))]
    at_once = {"get_schedule_handle", "get_workflow_handle", "runs_on_other_code"}  # ask nothing
    plain = {name for name in functions if not name.startswith("a")} - at_once
    methods = {
        name
        for name, _ in inspect.getmembers(client.WorkflowHandle, inspect.isfunction)
        if not name.startswith("_")
    }

    assert {f"a{name}" for name in plain} <= set(functions)
    assert {
        f"a{name}" for name in methods if f"a{name}" in methods or not name.startswith("a")
    } <= methods


def test_a_run_is_driven_without_leaving_async_code() -> None:
    async def drive() -> list[Any]:
        handle = await client.astart_workflow(kit.Waiting, 2, id="a")
        await handle.asignal("go", 1, request_id="r")
        await handle.asignal("go", 1, request_id="r")
        described = await handle.adescribe()
        first = await handle.afetch_history(limit=1)
        await handle.asignal(kit.Waiting.on_go, kwargs={"value": 2})
        result = await handle.aresult(10)
        return [described.workflow_id, first[0].kind, result, await handle.aquery("got")]

    with running_worker(activity_threads=0):
        assert run(drive) == ["a", "WorkflowStarted", [1, 2], [1, 2]]


def test_runs_are_cancelled_and_terminated() -> None:
    async def drive() -> list[str]:
        handles = [await client.astart_workflow(kit.Waiting) for _ in range(2)]
        await handles[0].acancel("a")
        await handles[1].aterminate("b")
        results = await asyncio.gather(*(h.aresult(10) for h in handles), return_exceptions=True)
        return [str(result) for result in results]

    with running_worker(activity_threads=0):
        cancelled, terminated = run(drive)

    assert cancelled.endswith("cancelled: a")
    assert terminated.endswith("terminated: b")


def test_executing_gives_the_result() -> None:
    async def drive() -> Any:
        return await client.aexecute_workflow(kit.greet, "ann", result_timeout=10)

    with running_worker(activity_threads=0):
        assert run(drive) == kit.Greeting("hello ann", 1)


def test_many_wait_at_once_and_hold_up_nobody() -> None:
    async def drive() -> list[Any]:
        handles = [await client.astart_workflow(kit.Waiting) for _ in range(8)]
        waiting = [asyncio.ensure_future(handle.aresult(20)) for handle in handles]
        for handle in reversed(handles):
            await handle.asignal("go", handle.workflow_id)
        return [handle.workflow_id for handle in handles] == [
            r[0] for r in await asyncio.gather(*waiting)
        ]

    with running_worker(activity_threads=0):
        assert run(drive) is True


def test_errors_are_those_of_the_originals() -> None:
    async def drive() -> None:
        with pytest.raises(RunNotFound):
            await client.get_workflow_handle("none").adescribe()
        with pytest.raises(TypeError):
            await client.astart_workflow(kit.greet)

    run(drive)


def test_tokens(engine: Engine, script: Callable[[Any], Any], acting: Callable[[Any], Any]) -> None:
    tokens: list[str] = []

    @acting
    def ask() -> None:
        tokens.append(activity.info().task_token)
        activity.raise_complete_async()

    @script
    async def main(me: kit.Scripted) -> Any:
        return await asyncio.gather(
            *(kit.act.execute("ask") for _ in range(3)), return_exceptions=True
        )

    handle = engine.start("main")
    engine.go()

    async def settle() -> None:
        complete, fail, cancel = tokens
        assert await client.aheartbeat_activity(complete, 1) is None
        await client.acomplete_activity(complete, {"n": 1})
        assert await client.afail_activity(fail, ValueError("no")) is True
        await client.acancel_activity(cancel, "gone")
        with pytest.raises(ActivityNotFound):
            await client.acomplete_activity(complete)

    run(settle)
    ActivityTask.objects.all().delete()
    handle.terminate()
    assert handle.describe().status == "terminated"
