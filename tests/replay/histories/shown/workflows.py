"""What is shown with a run: search attributes and memo, changed and unset, and details."""

from __future__ import annotations

from typing import Any

from aion import workflow
from tests.support.recording import World, work


@workflow.defn(name="histories.shown.Shop")
async def shop() -> list[Any]:
    workflow.upsert_search_attributes({"stage": "open", "n": 1, "tags": ["a", "b"]})
    workflow.upsert_memo({"note": {"by": "ann"}, "gone": None})
    workflow.set_current_details("working")
    await work.execute("sell")
    workflow.upsert_search_attributes({"n": 2, "tags": None})
    workflow.upsert_memo({"note": None, "more": 1})
    about = workflow.info()
    return [about.search_attributes, about.memo]


def story(world: World) -> None:
    world.start("shop", shop, memo={"given": 1, "gone": 2}, search_attributes={"color": "red"})
    world.go()
