"""A report every working day at nine, on the clock of Berlin: each run hands the next what it found.

    client.start_workflow(
        DailyReport,
        "sales",
        id="daily-report-sales",
        cron="0 9 * * MON-FRI",
        time_zone="Europe/Berlin",
        retry=RetryPolicy(initial_interval=timedelta(minutes=5), maximum_attempts=2),
        run_timeout=timedelta(hours=8),
    )

The next run starts behind the end of the one before, never beside it. While it waits for its time it is a
row. To end the chain, cancel it by its id: `client.get_workflow_handle("daily-report-sales").cancel()`.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from aion import ApplicationError, activity, workflow


@dataclasses.dataclass
class Report:
    day: str
    total: int
    growth: int | None  # None where there is nothing to compare with
    remark: str = ""


@activity.defn(start_to_close_timeout=timedelta(minutes=10))
def total_of(department: str, day: str) -> int:
    if day.endswith("-04"):  # the figures of the fourth are lost, however often one asks
        raise ApplicationError("no figures", non_retryable=True)
    return sum(map(ord, department + day))


@workflow.defn
class DailyReport:
    def __init__(self) -> None:
        self.corrections: list[int] = []

    @workflow.run
    async def run(self, department: str) -> Report:
        day = f"{workflow.info().scheduled_at or workflow.now():%Y-%m-%d}"  # now, without a cron
        before = workflow.get_last_completion_result(Report)  # of the last run that completed
        failure = workflow.get_last_failure()  # of the run directly before, if it failed
        total = await total_of.execute(department, day) + sum(self.corrections)
        return Report(
            day,
            total,
            growth=None if before is None else total - before.total,
            remark="" if failure is None else f"the last report failed: {failure.__cause__}",
        )

    @workflow.signal
    def correct(self, amount: int) -> None:
        """Taken at any time: one that comes while the next run waits is there when it starts."""
        self.corrections.append(amount)
