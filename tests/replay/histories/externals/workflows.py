"""Signals and cancel requests from one workflow to another: delivered, refused, given up, withdrawn."""

from __future__ import annotations

import asyncio
from typing import Any

from aion import workflow
from tests.support.recording import World


@workflow.defn(name="histories.externals.Receiver")
async def receiver() -> list[Any]:
    got = [await workflow.receive("mail")]
    try:
        await workflow.sleep(1000)
    except asyncio.CancelledError:
        got.append(workflow.cancel_reason())
    return got


@workflow.defn(name="histories.externals.Sender")
async def sender() -> list[str]:
    there = workflow.get_external_workflow_handle("receiver")
    nobody = workflow.get_external_workflow_handle("nobody")
    seen = []
    for send, *args in (
        (nobody.signal, "mail", 1),
        (there.signal, "mail", "hello"),
        (nobody.cancel, "why not"),
        (there.cancel, "enough"),
        (there.signal, "mail", "too late"),
    ):
        try:
            await send(*args)
        except Exception as error:
            seen.append(getattr(error, "type", type(error).__name__))
        else:
            seen.append("delivered")
    given_up = asyncio.create_task(nobody.signal("mail", 2))
    await asyncio.sleep(0)
    given_up.cancel()  # in the turn in which it was sent: it is not
    return seen


def story(world: World) -> None:
    world.start("receiver", receiver)
    world.start("sender", sender)
    world.turns()
