"""A workflow as a thing that lives: signals change it, queries read it.

    basket = client.start_workflow(Basket, "ann", id="basket-ann")
    basket.signal(Basket.put, "tea", 2)
    basket.query(Basket.content)
    basket.signal(Basket.check_out)

A signal that was accepted is never lost, also when no worker is running. A query changes nothing; it is
answered after the basket is closed, too.
"""

from __future__ import annotations

from aion import workflow


@workflow.defn
class Basket:
    # `init` gives the constructor the input, so that no handler sees a half-built object: a signal may come
    # before the first line of `run`.
    @workflow.init
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.items: dict[str, int] = {}
        self.checked_out = False

    @workflow.run
    async def run(self, owner: str) -> dict[str, int]:
        await workflow.wait_condition(lambda: self.checked_out)
        return self.items

    @workflow.signal
    def put(self, item: str, count: int = 1) -> None:
        self.items[item] = self.items.get(item, 0) + count

    @workflow.signal
    def remove(self, item: str) -> None:
        self.items.pop(item, None)

    @workflow.signal
    def check_out(self) -> None:
        self.checked_out = True

    @workflow.query
    def content(self) -> dict[str, int]:
        return self.items


# The same without handlers: signals as a mailbox that the code reads when it likes.
@workflow.defn
async def tally(most: int) -> list[str]:
    names = []
    while len(names) < most:
        try:
            names.append(await workflow.receive("arrived", timeout=3600, type=str))
        except TimeoutError:
            break
    return names
