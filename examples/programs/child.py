"""Workflows that start workflows: each child has a history, an id and a life of its own."""

from __future__ import annotations

import asyncio

from aion import ChildWorkflowError, workflow


@workflow.defn
class CountVotes:
    """One district."""

    @workflow.run
    async def run(self, district: str, votes: list[str]) -> dict[str, int]:
        if not votes:
            raise ValueError(f"{district} has sent nothing")
        return {name: votes.count(name) for name in sorted(set(votes))}


@workflow.defn
class Election:
    """All districts at once. A district that fails does not spoil the others."""

    @workflow.run
    async def run(self, districts: dict[str, list[str]]) -> dict[str, int]:
        total: dict[str, int] = {}
        counts = await asyncio.gather(*(self._count(*each) for each in districts.items()))
        for count in counts:
            for name, votes in count.items():
                total[name] = total.get(name, 0) + votes
        return total

    async def _count(self, district: str, votes: list[str]) -> dict[str, int]:
        try:
            return await workflow.execute_child_workflow(
                CountVotes,
                district,
                votes,
                id=f"{workflow.info().workflow_id}/{district}",
                # What becomes of it when this workflow ends first:
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
        except ChildWorkflowError as error:
            workflow.logger.warning("%s is left out: %s", district, error.cause)
            return {}


@workflow.defn
async def fire_and_forget(district: str, votes: list[str]) -> str:
    """Starts a child and leaves: with ABANDON it goes on alone. It exists when this turn has committed."""
    child = await workflow.start_child_workflow(
        CountVotes, district, votes, parent_close_policy=workflow.ParentClosePolicy.ABANDON
    )
    return child.workflow_id
