"""The handlers that are measured, as an ASGI application: `hypercorn benchmarks.on_restate.service:app`."""

from __future__ import annotations

import time
from datetime import timedelta

import restate

bench = restate.Service("Bench")
answering = restate.Workflow("Answering")


def _step(number: int) -> int:
    return number


def _now() -> float:
    return time.time()


@bench.handler()
async def trivial(context: restate.Context, number: int) -> int:
    return number


@bench.handler()
async def steps(context: restate.Context, count: int) -> int:
    for number in range(count):
        await context.run_typed("step", _step, number=number)
    return count


@bench.handler()
async def children(context: restate.Context, count: int) -> int:
    calls = [context.service_call(steps, arg=1) for _ in range(count)]
    for call in calls:
        await call
    return count


@bench.handler()
async def alarm(context: restate.Context, at: float) -> float:
    """Sleep until then, in seconds since the epoch, and tell how much later it was."""
    begin = await context.run_typed("begin", _now)
    await context.sleep(timedelta(seconds=max(at - begin, 0)))
    return await context.run_typed("end", _now) - at


@answering.main()
async def run(context: restate.WorkflowContext, _: int) -> int:
    return await context.promise("ask", type_hint=int).value()


@answering.handler()
async def ask(context: restate.WorkflowSharedContext, number: int) -> None:
    await context.promise("ask", type_hint=int).resolve(number)


app = restate.app(services=[bench, answering])
