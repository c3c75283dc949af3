"""What happens when an activity fails: it is tried again, later and later, until its policy says stop.

The attempts are counted in the database, so a worker that dies between two of them changes nothing. Only the
outcome is an event of the history.
"""

from __future__ import annotations

from datetime import timedelta

from aion import ActivityError, ApplicationError, RetryPolicy, activity, workflow


class BadAddress(Exception):
    """Trying again will not help."""


@activity.defn(
    start_to_close_timeout=timedelta(seconds=10),  # of one attempt
    schedule_to_close_timeout=timedelta(hours=1),  # of all of them, with the pauses
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_attempts=5,
        non_retryable=(BadAddress,),
    ),
)
def deliver(address: str, works_at_attempt: int) -> str:
    if not address:
        raise BadAddress("where to?")
    attempt = activity.info().attempt
    if attempt < works_at_attempt:
        # An error may ask for a pause of its own, as a service's Retry-After does.
        delay = timedelta(minutes=1) if attempt == 2 else None
        raise ApplicationError("nobody at home", next_retry_delay=delay)
    return f"delivered at attempt {attempt}"


@workflow.defn
class Delivery:
    @workflow.run
    async def run(self, address: str, works_at_attempt: int = 3) -> str:
        try:
            return await deliver.execute(address, works_at_attempt)
        except ActivityError as error:
            # Always an ActivityError, whatever went wrong; its cause says what.
            return f"given up: {error.cause}"
