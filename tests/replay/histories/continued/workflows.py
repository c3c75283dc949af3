"""Continue-as-new: with signals that nobody has read, memo and search attributes, and as another type."""

from __future__ import annotations

from typing import Any

from aion import workflow
from tests.language.worlds import chain
from tests.support.recording import World, work


@workflow.defn(name="histories.continued.Rounds")
async def rounds(number: int, seen: list[Any]) -> list[Any]:
    workflow.upsert_memo({"round": number})
    workflow.upsert_search_attributes({"n": number})
    seen = [*seen, await workflow.receive("mail"), workflow.info().memo.get("given")]
    seen.append(await work.execute(f"round {number}"))
    if number < 2:
        workflow.continue_as_new(number + 1, seen)
    workflow.continue_as_new(seen, workflow=last)


@workflow.defn(name="histories.continued.Last")
async def last(seen: list[Any]) -> list[Any]:
    return [*seen, await workflow.receive("mail"), workflow.info().memo]


def story(world: World) -> None:
    handle = world.start("rounds", rounds, 1, [], memo={"given": "kept"})
    handle.signal("mail", "one")
    handle.signal("mail", "two")
    world.turns()
    handle.signal("mail", "three")
    world.go()
    for number, run in enumerate(chain("rounds"), 1):
        world.keep(f"round-{number}", run)
    del world.kept["rounds"]
