"""Endless work in bounded histories: after each page the run continues as new, with what it has learnt.

The old run closes and the new one begins in the same commit. Its arguments are all that goes over, besides
memo, search attributes and the signals that nobody has read yet. For callers it is still one workflow: ids,
handles and results follow the chain.
"""

from __future__ import annotations

from aion import activity, workflow


@activity.defn
def page_of_records(offset: int, size: int) -> list[int]:
    """Read the next records; here there are 25."""
    return [*range(offset, min(offset + size, 25))]


@activity.defn
def process(record: int) -> int:
    return record % 2


@workflow.defn
class ProcessRecords:
    """Processes records page by page, at most `window` of them at a time."""

    @workflow.init
    def __init__(self, window: int, page: int = 10, offset: int = 0, found: int = 0) -> None:
        self.found = found
        self.offset = offset
        self.window = window

    @workflow.run
    async def run(self, window: int, page: int = 10, offset: int = 0, found: int = 0) -> int:
        records = await page_of_records.execute(offset, page)
        if records:
            results = await workflow.map_concurrent(process.execute, records, limit=self.window)
            self.found += sum(results)
            workflow.upsert_memo({"processed": offset + len(records)})
            # Where pages differ in length, ask `workflow.continue_as_new_suggested()` first.
            workflow.continue_as_new(self.window, page, offset + len(records), self.found)
        return self.found

    @workflow.signal
    def widen(self, window: int) -> None:
        """Change the window from the next page on."""
        self.window = window

    @workflow.query
    def progress(self) -> list[int]:
        return [self.offset, self.found]
