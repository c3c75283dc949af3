"""Waiting for a service that has no callbacks: ask, sleep, ask again.

The workflow sleeps between the questions. For short intervals let the activity fail and its retry policy do
the asking instead: that leaves no events in the history (`Retried` below).
"""

from __future__ import annotations

from datetime import timedelta

from aion import ActivityError, ApplicationError, RetryPolicy, activity, workflow


@activity.defn
def job_status(job: str, question: int) -> str:
    """Ask the service; here a job is ready at the fourth question."""
    return "ready" if question >= 4 else "working"


@workflow.defn
class WaitForJob:
    """Asks at growing intervals, for at most a day."""

    @workflow.run
    async def run(self, job: str) -> list[str]:
        try:
            asked = await workflow.with_timeout(self._ask_until_ready(job), timedelta(days=1))
        except TimeoutError:
            return ["given up"]
        return [f"ready after {asked} questions", f"{workflow.now():%H:%M}"]

    async def _ask_until_ready(self, job: str) -> int:
        pause, asked = timedelta(minutes=1), 1
        while await job_status.execute(job, asked) != "ready":
            await workflow.sleep(pause)
            pause, asked = min(pause * 2, timedelta(hours=1)), asked + 1
        return asked


@activity.defn(
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=5), backoff_coefficient=1.0, maximum_attempts=100
    ),
    schedule_to_close_timeout=timedelta(minutes=5),
)
def wait_until_ready(job: str) -> str:
    attempt = activity.info().attempt
    if job_status(job, attempt) != "ready":
        raise ApplicationError("not ready yet")
    return f"ready at attempt {attempt}"


@workflow.defn
class Retried:
    @workflow.run
    async def run(self, job: str) -> str:
        try:
            return await wait_until_ready.execute(job)
        except ActivityError:
            return "given up"
