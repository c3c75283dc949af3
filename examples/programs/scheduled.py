"""A schedule: a report each working day, built on what the last one found."""

from __future__ import annotations

from datetime import timedelta

from aion import activity, client, workflow
from aion.client import ScheduleHandle, ScheduleSpec


@activity.defn
def count_orders(shop: str, day: str) -> int:
    return len(shop) * 100 + int(day[-2:])


@workflow.defn
async def daily_report(shop: str) -> str:
    day = f"{workflow.now():%Y-%m-%d}"
    return f"{day}: {await count_orders.execute(shop, day)} orders"


def schedule_reports(shop: str) -> ScheduleHandle:
    """Nine o'clock in Berlin from Monday to Friday; a failure stops it until somebody has looked."""
    return client.create_schedule(
        f"report-{shop}",
        daily_report,
        shop,
        spec=ScheduleSpec(
            crons=["0 9 * * MON-FRI"], time_zone="Europe/Berlin", jitter=timedelta(minutes=1)
        ),
        overlap="buffer_one",
        pause_on_failure=True,
        note="for the morning meeting",
    )
