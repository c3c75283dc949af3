"""Onboarding a customer, written as a plain function: no `async`, no `await`, the same durability."""

from __future__ import annotations

from datetime import timedelta

from aion import ActivityError, RetryPolicy, activity, workflow


@activity.defn(retry=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=1)))
def prepare(what: str, customer: str) -> str:
    if customer == "nobody":
        raise LookupError(f"no customer to prepare a {what} for")
    return f"{what} of {customer}"


@activity.defn
def mail(customer: str, text: str) -> None:
    activity.logger.info("To %s: %s", customer, text)


def invite(customer: str, guest: str) -> str:
    """Plain functions call each other as always, and each may wait."""
    mail.execute(guest, f"{customer} invites you")
    return guest


@workflow.defn
def onboard(customer: str, guests: list[str]) -> list[str]:
    try:
        # Both at once: `start` gives futures, and `wait` their results.
        site, mailbox = prepare.start("site", customer), prepare.start("mailbox", customer)
        ready = [workflow.wait(site), workflow.wait(mailbox)]
    except ActivityError as error:
        return [f"not onboarded: {error.cause}"]
    ready += workflow.map_concurrent(lambda guest: invite(customer, guest), guests, limit=3)
    workflow.sleep(timedelta(days=7))
    mail.execute(customer, "How do you like it?")
    return ready
