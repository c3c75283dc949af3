"""The steps of the workload. Whatever happens exactly once is an `Entry`, the rest an `Effect`."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from django.db.models import F

from aion import RetryPolicy, activity
from tests.sample.models import Account, Effect, Entry

ACCOUNTS = ("wages", "rent", "sales", "travel")

# A worker that dies costs its attempts, and here they die all the time.
STUBBORN = RetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    maximum_interval=timedelta(seconds=1),
    maximum_attempts=1000,
)


def _enter(account: str, amount: int) -> None:
    """Book. The accounts are few and shared by all runs, so there is always somebody who waits for a lock."""
    about = activity.info()
    Entry.objects.create(
        account=account,
        amount=amount,
        run_id=uuid.UUID(about.run_id),
        activity_id=about.activity_id,
    )
    if not Account.objects.filter(name=account).update(balance=F("balance") + amount):
        raise LookupError(f"there is no account {account}")


@activity.defn(name="chaos.book", retry=STUBBORN, transactional=True)
def book(account: str, amount: int) -> int:
    _enter(account, amount)
    return amount


@activity.defn(name="chaos.book_here", retry=STUBBORN, transactional=True, local=True)
def book_here(account: str, amount: int) -> int:
    _enter(account, amount)
    return amount


def _leave() -> None:
    about = activity.info()
    Effect.objects.create(key=f"chaos:{about.run_id}:{about.activity_id}")


@activity.defn(name="chaos.note", retry=STUBBORN)
def note(value: int) -> int:
    _leave()
    return value


@activity.defn(name="chaos.note_here", retry=STUBBORN, local=True)
def note_here(value: int) -> int:
    _leave()
    return value


@activity.defn(name="chaos.stumble", retry=STUBBORN)
def stumble(times: int) -> int:
    attempt = activity.info().attempt
    if attempt <= times:
        raise ValueError(f"attempt {attempt} of at least {times + 1}")
    _leave()
    return times


@activity.defn(name="chaos.count", retry=STUBBORN, heartbeat_timeout=timedelta(seconds=10))
def count(steps: int) -> int:
    """Count where the last attempt stopped beating."""
    done = activity.info().heartbeat_details
    for step in range(int(done[0]) if done else 0, steps):
        activity.heartbeat(step + 1)
        time.sleep(0.1)
    _leave()
    return steps


@activity.defn(name="chaos.ask", retry=STUBBORN, start_to_close_timeout=timedelta(seconds=6))
def ask(question: str) -> str:
    """Be answered from elsewhere, by the token of the last attempt that asked."""
    Effect.objects.create(key=f"token:{question}:{activity.info().task_token}")
    activity.raise_complete_async()
