"""Patches in every stage of their life: runs from before, with the mark, with a deprecated one, and after.

`DEPLOYED` is which code is deployed: the story records with earlier code what the newest must replay.
"""

from __future__ import annotations

from typing import Any

from aion import workflow
from tests.support.recording import World, work

NEWEST = 3
DEPLOYED = NEWEST


@workflow.defn(name="histories.patches.Patched")
async def patched() -> list[str]:
    """Had `old` first; then `new` under a patch, which is still there for the runs from before."""
    seen = [await work.execute("begin")]
    if DEPLOYED >= 2 and workflow.patched("newer-work"):
        seen.append(await work.execute("new"))
    else:
        seen.append(await work.execute("old"))
    if DEPLOYED >= 2 and workflow.patched("a-nap"):
        await workflow.sleep(1)
    return seen


@workflow.defn(name="histories.patches.Deprecated")
async def deprecated() -> list[str]:
    """Had a patch, then its deprecation."""
    if DEPLOYED == 2:
        workflow.patched("done-with")
    elif DEPLOYED == 3:
        workflow.deprecate_patch("done-with")
    return [await work.execute("new"), await work.execute("end")]


@workflow.defn(name="histories.patches.Removed")
async def removed() -> list[str]:
    """Had a deprecated patch, of which the newest code knows nothing any more."""
    if DEPLOYED == 2:
        workflow.deprecate_patch("long-gone")
    return [await work.execute("new"), await work.execute("end")]


@workflow.defn(name="histories.patches.Looping")
async def looping() -> list[Any]:
    """A patch that is asked for again and again, also on the way."""
    seen: list[Any] = []
    for number in range(3):
        seen.append(await work.execute(f"round {number}"))
        if workflow.patched("in-a-loop"):
            seen.append(await work.execute("more"))
    return seen


def story(world: World) -> None:
    global DEPLOYED  # a deploy
    for name, flow, deployed in (
        ("patched-before", patched, 1),
        ("patched-since", patched, 3),
        ("deprecated-before", deprecated, 2),
        ("deprecated-since", deprecated, 3),
        ("removed-before", removed, 2),
        ("removed-since", removed, 3),
        ("looping", looping, 3),
    ):
        DEPLOYED = deployed
        try:
            world.start(name, flow)
            world.go()
            world.go(1)
        finally:
            DEPLOYED = NEWEST
