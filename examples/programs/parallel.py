"""Several things at once, with asyncio's own tools: they are deterministic in a workflow."""

from __future__ import annotations

import asyncio

from aion import activity, workflow


@activity.defn
def quote(carrier: str, weight: int) -> int:
    """Ask a carrier for a price, in cents."""
    return 100 * len(carrier) + 3 * weight


@workflow.defn
class CheapestCarrier:
    """Asks all carriers at the same time."""

    @workflow.run
    async def run(self, carriers: list[str], weight: int) -> str:
        prices = await asyncio.gather(*(quote.execute(carrier, weight) for carrier in carriers))
        return min(zip(prices, carriers, strict=True))[1]


@workflow.defn
class FirstAnswer:
    """Takes the first answer; the activities that lost are cancelled."""

    @workflow.run
    async def run(self, carriers: list[str], weight: int) -> int:
        return await workflow.race(*(quote.execute(carrier, weight) for carrier in carriers))


@workflow.defn
class ManyQuotes:
    """Asks for thousands of prices, never for more than `limit` at a time."""

    @workflow.run
    async def run(self, weights: list[int], limit: int = 10) -> int:
        async def one(weight: int) -> int:
            return await quote.execute("post", weight)

        return sum(await workflow.map_concurrent(one, weights, limit=limit))
