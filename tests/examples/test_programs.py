"""The small programs do what they say."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aion import RetryPolicy, client
from aion.authoring.registry import registry
from aion.client import WorkflowHandle
from aion.core.errors import UpdateFailed, UpdateRefused
from aion_engine.testing import WorkflowEnvironment
from examples import programs
from examples.programs.child import CountVotes, Election, fire_and_forget
from examples.programs.cron_chain import DailyReport
from examples.programs.hello import Hello, hello_twice
from examples.programs.human_approval import ExpenseReport
from examples.programs.parallel import CheapestCarrier, FirstAnswer, ManyQuotes
from examples.programs.plain_code import onboard
from examples.programs.polling import Retried, WaitForJob
from examples.programs.retries import Delivery
from examples.programs.saga import Trip
from examples.programs.scheduled import schedule_reports
from examples.programs.signal_and_query import Basket, tally
from examples.programs.sleep_for_days import Subscription, birthday
from examples.programs.sliding_window import ProcessRecords
from examples.programs.update_with_validator import Account
from tests.language.worlds import chain, check_everything, failure_of, found, kinds
from tests.support.clocks import START

HOUR = timedelta(hours=1)


def played(env: WorkflowEnvironment, workflow: Any, *args: Any) -> WorkflowHandle:
    """Start a program and let it go as far as it goes by itself within an hour."""
    handle = env.start_workflow(workflow, *args)
    env.skip(HOUR)
    return handle


def result(env: WorkflowEnvironment, workflow: Any, *args: Any) -> Any:
    value = env.execute_workflow(workflow, *args)
    check_everything()
    return value


def test_the_app_is_found_and_each_program_is_short() -> None:
    folder = Path(programs.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    ours = {
        d.origin.split(".")[2]
        for d in registry.workflows.values()
        if "examples.programs" in d.origin
    }

    assert ours == modules - {"__init__", "apps", "activities", "workflows"}
    assert max(len(path.read_text().splitlines()) for path in folder.glob("*.py")) < 100
    assert not any("examples" in clash for clash in registry.clashes)


def test_hello(aion_env: WorkflowEnvironment) -> None:
    assert result(aion_env, Hello, "Ann") == "Hello, Ann!"
    assert result(aion_env, hello_twice, "Ann") == ["Hello, Ann!", "Good day, Ann!"]


@pytest.mark.parametrize(
    ("address", "works_at", "outcome", "seconds"),
    [
        ("Main St", 1, "delivered at attempt 1", 0),
        ("Main St", 3, "delivered at attempt 3", 61),
        ("Main St", 9, "given up: nobody at home", 61 + 4 + 8),
        ("", 1, "given up: where to?", 0),
    ],
)
def test_retries(
    aion_env: WorkflowEnvironment, address: str, works_at: int, outcome: str, seconds: int
) -> None:
    began = aion_env.now

    assert result(aion_env, Delivery, address, works_at) == outcome
    passed = (aion_env.now - began).total_seconds()
    assert seconds * 0.85 <= passed <= seconds  # jitter shortens the pauses


def test_parallel(aion_env: WorkflowEnvironment) -> None:
    carriers = ["post", "express", "ups"]

    assert result(aion_env, CheapestCarrier, carriers, 10) == "ups"
    assert result(aion_env, FirstAnswer, carriers, 10) in (430, 730, 330)
    assert result(aion_env, ManyQuotes, [*range(25)], 4) == 25 * 400 + 3 * 300


def test_signal_and_query(aion_env: WorkflowEnvironment) -> None:
    basket = client.start_workflow(Basket, "ann", id="basket-ann")
    basket.signal(Basket.put, "tea", 2)
    basket.signal(Basket.put, "milk")
    aion_env.run_until_idle()
    basket.signal(Basket.remove, "milk")
    aion_env.run_until_idle()
    assert basket.query(Basket.content) == {"tea": 2}
    basket.signal(Basket.check_out)
    aion_env.run_until_idle()

    assert basket.result(0) == basket.query(Basket.content) == {"tea": 2}


def test_a_mailbox(aion_env: WorkflowEnvironment) -> None:
    handle = client.start_workflow(tally, 3)
    for name in ("ann", "bob"):
        handle.signal("arrived", name)

    assert handle.result() == ["ann", "bob"]


def test_update_with_validator(aion_env: WorkflowEnvironment) -> None:
    mine = client.start_workflow(Account, 100, id="account-1")
    yours = client.start_workflow(Account, 0, id="account-2")

    assert mine.execute_update(Account.withdraw, 30, id="w") == 70
    assert mine.execute_update(Account.withdraw, 30, id="w") == 70
    for bad in (300, 0, -1):
        with pytest.raises(UpdateRefused):
            mine.execute_update(Account.withdraw, bad)
    assert mine.execute_update(Account.transfer, "account-2", 50) == 20
    with pytest.raises(UpdateFailed, match="no account 'nowhere'"):
        mine.execute_update(Account.transfer, "nowhere", 20)
    with pytest.raises(UpdateRefused, match="only 20 left"):
        mine.execute_update(Account.transfer, "account-2", 21)
    for account in (mine, yours):
        account.signal(Account.close)
    aion_env.run_until_idle()
    assert (mine.result(0), yours.result(0)) == (20, 50)


def test_human_approval(aion_env: WorkflowEnvironment) -> None:
    assert result(aion_env, ExpenseReport, 20, "boss") == "approved by rule"
    assert result(aion_env, ExpenseReport, 70, "boss").startswith("refused: nobody")

    report = client.start_workflow(ExpenseReport, 70, "boss")
    aion_env.skip(timedelta(days=4))
    assert report.query(ExpenseReport.status) == "waiting"
    assert kinds(report).count("ActivityCompleted") == 2  # the mail and the reminder
    first = report.start_update(ExpenseReport.decide, True, "ann", wait_for="")
    second = report.start_update(ExpenseReport.decide, False, "bob", wait_for="")
    aion_env.run_until_idle()
    assert first.result(0) == "approved"
    with pytest.raises(UpdateRefused):
        second.result(0)
    assert report.result(0) == "approved by ann"


def test_sleep_for_days(aion_env: WorkflowEnvironment) -> None:
    began = aion_env.now
    assert len(result(aion_env, Subscription, "ann", 12)) == 12
    assert (aion_env.now - began).days == 360

    customer = client.start_workflow(Subscription, "bob")
    aion_env.skip(timedelta(days=65))
    customer.signal(Subscription.end)
    aion_env.run_until_idle()
    assert customer.result(0) == customer.query(Subscription.invoices)
    assert len(customer.result(0)) == 3

    assert result(aion_env, birthday, "Ann", 100).endswith("happy birthday, Ann!")


def test_polling(aion_env: WorkflowEnvironment) -> None:
    ready_at = f"{aion_env.now + timedelta(minutes=7):%H:%M}"
    assert result(aion_env, WaitForJob, "report") == ["ready after 4 questions", ready_at]
    retried = played(aion_env, Retried, "report")

    assert retried.result(0) == "ready at attempt 4"
    assert kinds(retried).count("ActivityScheduled") == 1


def test_child(aion_env: WorkflowEnvironment) -> None:
    districts = {"north": ["ann", "bob", "ann"], "south": ["bob"], "west": []}
    handle = client.start_workflow(Election, districts, id="election")

    assert handle.result() == {"ann": 2, "bob": 2}
    assert failure_of(client.get_workflow_handle("election/west"))
    left = result(aion_env, fire_and_forget, "east", ["ann"])
    assert client.get_workflow_handle(left).result(0) == {"ann": 1}
    assert client.get_workflow_handle(left).describe().workflow_type == CountVotes.__name__


def test_saga(aion_env: WorkflowEnvironment) -> None:
    assert result(aion_env, Trip, "ann", ["car", "hotel"]) == ["car for ann", "hotel for ann"]

    trip = played(aion_env, Trip, "ann", ["car", "hotel", "flight to the moon"])
    assert "no such flight" in str(failure_of(trip).__cause__)
    assert trip.query(Trip.booked) == []
    from aion.core.events import ActivityScheduled

    undone = [e for e in found(trip, ActivityScheduled) if e.activity_type == "cancel_booking"]
    assert [b"hotel" in bytes(event.input) for event in undone] == [True, False]


def test_plain_code(aion_env: WorkflowEnvironment) -> None:
    assert result(aion_env, onboard, "ann", ["bob", "cy"]) == [
        "site of ann",
        "mailbox of ann",
        "bob",
        "cy",
    ]
    (refused,) = result(aion_env, onboard, "nobody", [])
    assert refused.startswith("not onboarded: no customer to prepare a ")


def test_sliding_window(aion_env: WorkflowEnvironment) -> None:
    handle = client.start_workflow(ProcessRecords, 3, id="records")
    handle.signal(ProcessRecords.widen, 8)

    assert handle.result() == 12
    check_everything()
    runs = chain("records")
    assert len(runs) == 4
    assert client.get_workflow_handle("records").query(ProcessRecords.progress) == [25, 12]
    assert runs[-1].describe().memo == {"processed": 25}


@pytest.mark.django_db
def test_a_schedule_reports_on_working_days() -> None:
    with WorkflowEnvironment(start=START) as env:
        schedule = schedule_reports("lisboa")  # on a Sunday at noon
        env.skip(timedelta(days=8))

    runs = [client.get_workflow_handle(each.workflow_id) for each in schedule.describe().recent]
    assert [run.result(0) for run in reversed(runs)] == [
        *(f"2026-03-{day:02}: {600 + day} orders" for day in (2, 3, 4, 5, 6, 9))
    ]
    assert [f"{each:%a %H}" for each in schedule.describe().next_times[:2]] == ["Tue 08", "Wed 08"]
    check_everything()


@pytest.mark.django_db
def test_a_cron_chain() -> None:
    with WorkflowEnvironment(start=dt.datetime(2026, 6, 2, 12, tzinfo=dt.UTC)) as env:  # a Tuesday
        retry = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(minutes=5), jitter=0.0)
        env.start_workflow(
            DailyReport,
            "sales",
            id="daily",
            cron="0 9 * * MON-FRI",
            time_zone="Europe/Berlin",
            retry=retry,
        )
        env.skip(timedelta(days=0.8))
        client.get_workflow_handle("daily").signal(DailyReport.correct, 1000)
        env.skip(timedelta(days=5.5))
        client.get_workflow_handle("daily").cancel()
        env.run_until_idle()

    runs = chain("daily")
    check_everything()
    assert [str(run.describe().status) for run in runs] == [
        "completed",  # Wednesday
        "failed",  # Thursday, the fourth
        "failed",  # five minutes later
        "completed",  # Friday
        "completed",  # Monday
        "cancelled",
    ]
    wednesday, friday, monday = (runs[place].result(0) for place in (0, 3, 4))
    assert (wednesday.day, wednesday.growth) == ("2026-06-03", None)
    assert (friday.day, friday.growth) == ("2026-06-05", friday.total - wednesday.total)
    assert friday.remark == "the last report failed: no figures"
    assert (monday.day, monday.remark) == ("2026-06-08", "")
