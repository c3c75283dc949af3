"""What an operator sees: descriptions of runs, lists of what is pending, and who is alive."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from aion import RetryPolicy, activity, client, workflow
from aion.core.errors import InvalidArgument
from aion.models import Worker
from aion.store import workers
from aion.store.dialects import connection
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.rows import insert_activity, quiet_run, worker

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
PATIENT = RetryPolicy(initial_interval=dt.timedelta(minutes=5), maximum_attempts=4, jitter=0.0)


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@pytest.fixture
def waits(engine: Engine, script: Register, acting: Register) -> Callable[[Any], Any]:
    """Start a run of a script, and let it come to rest."""

    @acting
    def fail() -> None:
        raise ValueError("the bank is down")

    @acting
    def beat() -> None:
        activity.heartbeat("row", 7)
        activity.raise_complete_async()

    def start(function: Any) -> client.WorkflowHandle:
        script(function)
        handle = engine.start(function.__name__)
        engine.go()
        return handle

    return start


def test_a_pending_activity_shows_all_that_is_known(waits: Any, engine: Engine) -> None:
    async def main(me: kit.Scripted) -> None:
        options = {"retry": PATIENT, "summary": "charge", "task_queue": "money"}
        await kit.act.with_options(**options).execute("fail")

    handle = waits(main)
    about = handle.describe()
    [one] = about.pending_activities

    assert (one.activity_id, one.activity_type, one.summary) == ("1", "kit.act", "charge")
    assert (one.state, one.attempt, one.maximum_attempts) == ("backing_off", 2, 4)
    assert (one.task_queue, one.next_attempt_at, one.started_at) == ("money", after(300), None)
    assert one.last_failure is not None
    assert (one.last_failure.type, one.last_failure.message) == ("ValueError", "the bank is down")
    assert about.next_due_at == after(300)
    assert about.why == (
        "It waits for activity 1 (kit.act), attempt 2 of 4 due at 2026-03-01 12:05:00 UTC, "
        "last failure: ValueError: the bank is down."
    )


def test_a_running_activity_shows_its_worker(waits: Any, engine: Engine) -> None:
    async def main(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        await kit.act.execute("fail")

    handle = waits(main)
    handle.signal("note", 1)
    engine.turns()
    assert engine.begin() is not None
    [one] = handle.describe().pending_activities

    assert (one.state, one.worker, one.worker_id) == (
        "running",
        engine.worker.name,
        engine.worker.id,
    )
    assert one.worker_is_alive is True
    assert (one.started_at, one.heartbeat_at) == (START, START)
    assert f"running since 2026-03-01 12:00:00 UTC on {engine.worker.name}." in (
        handle.describe().why
    )


def test_heartbeat_details_and_states_are_shown(waits: Any) -> None:
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute("beat")

    handle = waits(main)
    [one] = handle.describe().pending_activities

    assert (one.state, one.heartbeat_details) == ("external", ("row", 7))
    assert handle.describe().why.endswith("to be completed by its token.")


def test_timers_children_and_updates_are_shown(waits: Any, engine: Engine) -> None:
    async def main(me: kit.Scripted) -> None:
        async def slow(x: int) -> None:
            await workflow.sleep(1000)

        workflow.set_update_handler("slow", slow)
        await workflow.start_child_workflow(kit.Waiting, id="kid")
        await workflow.sleep(50, summary="cool down")

    handle = waits(main)
    handle.start_update("slow", 1, id="u", wait_for="")
    engine.go()
    about = handle.describe()

    assert [(t.timer_id, t.kind, t.fire_at, t.summary) for t in about.timers] == [
        ("1", "timer", after(50), "cool down"),
        ("2", "timer", after(1000), ""),
    ]
    [child] = about.children
    assert (child.workflow_id, child.workflow_type, child.status) == (
        "kid",
        "kit.Waiting",
        "running",
    )
    [update] = about.pending_updates
    assert (update.update_id, update.name, update.state) == ("u", "slow", "accepted")
    assert about.next_due_at == after(50)
    assert about.why == (
        "It waits for timer 1 (cool down) until 2026-03-01 12:00:50 UTC; "
        "timer 2 until 2026-03-01 12:16:40 UTC; 1 child workflow."
    )
    kid = client.get_workflow_handle("kid").describe()
    assert (kid.parent_run_id, kid.parent_workflow_id) == (about.run_id, about.workflow_id)
    assert kid.root_run_id == about.run_id
    assert kid.why == "It waits for a signal, an update, or whatever else its code awaits."


def test_the_links_of_a_chain_are_shown(waits: Any) -> None:
    async def main(me: kit.Scripted, last: bool = False) -> None:
        if not last:
            workflow.continue_as_new("main", True)
        await workflow.wait_condition(lambda: me.notes)

    first = waits(main).describe()
    second = client.get_workflow_handle(first.workflow_id).describe()

    assert first.successor_run_id == second.run_id
    assert (second.continued_from_run_id, second.chain_position) == (first.run_id, 1)
    assert first.why == "It has ended: continued_as_new."


def test_a_paused_run_says_why(waits: Any, clock: StandingClock) -> None:
    async def main(me: kit.Scripted) -> None:
        await kit.act.with_options(retry=PATIENT).execute("fail")

    handle = waits(main)
    clock.move(60)
    handle.pause("stocktaking")
    about = handle.describe()

    assert (about.paused_at, about.pause_reason) == (after(60), "stocktaking")
    assert about.why == "It is paused since 2026-03-01 12:01:00 UTC: stocktaking."
    assert about.pending_activities[0].state == "paused"
    handle.resume()
    assert (handle.describe().paused_at, handle.describe().pause_reason) == (None, "")


def test_a_held_run_says_why(waits: Any) -> None:
    async def main(me: kit.Scripted) -> None:
        import random

        random.random()

    about = waits(main).describe()

    assert about.problem is not None
    assert about.held_until == about.next_due_at
    assert about.why.startswith("It is held after 1 failed try: ForbiddenInWorkflow: ")
    assert about.why.endswith("(next try at 2026-03-01 12:00:10 UTC).")


def test_a_delayed_start_says_when(engine: Engine) -> None:
    handle = client.start_workflow(kit.greet, "a", start_delay=dt.timedelta(hours=1))

    assert handle.describe().why == "It is to start at 2026-03-01 13:00:00 UTC."
    assert handle.describe().timers[0].kind == "start"


def test_that_nobody_is_alive_is_said(clock: StandingClock) -> None:
    handle = client.start_workflow(kit.greet, "a")

    assert handle.describe().mailbox_count == 1
    assert handle.describe().why == "1 message wait for a turn, and no worker is alive."


def test_a_queue_without_a_worker_is_named(waits: Any, engine: Engine) -> None:
    async def main(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        await kit.act.with_options(task_queue="fast").execute("fail")

    handle = waits(main)
    handle.signal("note", 1)
    engine.turns()
    Worker.objects.update(queues=["default"])
    assert "no worker on queue fast is alive" in handle.describe().why
    Worker.objects.update(queues=["default", "fast"])
    assert "no worker" not in handle.describe().why


def test_local_activities_are_named_by_their_worker(
    engine: Engine, script: Register, clock: StandingClock
) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        await kit.act.execute_local("fail")

    handle = engine.start("main")
    engine.turn()

    assert handle.describe().why == f"It waits for local activities on {engine.worker.name}."
    clock.move(60)
    assert "of a worker that is not alive" in handle.describe().why


def statements(handle: client.WorkflowHandle) -> int:
    with CaptureQueriesContext(connection()) as captured:
        handle.describe()
    return len(captured)


def test_a_description_costs_a_few_statements(waits: Any, engine: Engine) -> None:
    async def main(me: kit.Scripted, number: int = 1) -> None:
        for each in range(number):
            kit.act.with_options(retry=PATIENT).start("fail")
            await workflow.start_child_workflow(kit.Waiting, id=f"{number}-{each}")
        tasks = [asyncio.create_task(workflow.sleep(10)) for _ in range(number)]
        await asyncio.gather(*tasks)

    few = waits(main)
    many = engine.start("main", 120)
    engine.go()

    assert statements(few) == statements(many) == 8
    about = many.describe()
    assert len(about.pending_activities) == len(about.timers) == len(about.children) == 100
    assert about.pending_activity_count == about.timer_count == about.child_count == 120
    assert "further activities" in about.why
    few.terminate()
    engine.go()
    assert statements(few) == 3


# --- lists ----------------------------------------------------------------------------------------


def test_pending_activities_are_listed_in_pages(clock: StandingClock) -> None:
    run_id = quiet_run("order-1")
    made = [insert_activity(run_id, str(number)) for number in range(5)]
    seen, after = [], None
    sizes = []

    while True:
        page = client.list_pending_activities(after=after, limit=2)
        seen += [one.id for one in page.items]
        sizes.append(len(page.items))
        if page.next_cursor is None:
            break
        after = page.next_cursor

    assert (seen, sizes) == (made, [2, 2, 1])


def test_pending_activities_are_filtered(engine: Engine, clock: StandingClock) -> None:
    run_id = quiet_run("order-1")
    ids = {name: insert_activity(run_id, name) for name in ("due", "later", "paused", "running")}
    other = insert_activity(quiet_run("order-2"), "1", task_queue="fast")
    handle = client.get_workflow_handle("order-1")
    handle.activity("paused").pause()
    handle.activity("later").pause()
    handle.activity("later").unpause(jitter=dt.timedelta(hours=1))
    from aion_engine.runtime import execution

    assert execution.begin(ids["running"], 1, engine.worker) is not None

    def listed(**filters: Any) -> set[str]:
        page = client.list_pending_activities(**filters)
        return {one.activity_id for one in page.items}

    assert listed(state="scheduled", workflow_id="order-1") == {"due"}
    assert listed(state="backing_off") == {"later"}
    assert listed(state="paused") == {"paused"}
    assert listed(state="running") == {"running"}
    assert listed(state="external") == set()
    assert listed(workflow_id="order-1") == set(ids)
    assert [one.id for one in client.list_pending_activities(task_queue="fast").items] == [other]
    assert listed(activity_type="other") == set()


def test_timers_are_listed_in_pages_the_next_first(engine: Engine) -> None:
    for delay in (3, 1, 2, 1):
        client.start_workflow(kit.greet, "a", start_delay=dt.timedelta(seconds=delay))

    first = client.list_timers(limit=3)
    rest = client.list_timers(limit=3, after=first.next_cursor)

    assert [t.fire_at for t in first.items] == [after(1), after(1), after(2)]
    assert [t.fire_at for t in rest.items] == [after(3)]
    assert rest.next_cursor is None
    assert {t.kind for t in first.items} == {"start"}


def test_workers_are_listed_with_whether_they_live(clock: StandingClock) -> None:
    dead, alive = worker("dead"), worker("alive")
    workers.register(dead, now=START)
    clock.move(60)
    workers.register(alive, now=clock.at)

    listed = client.list_workers()

    assert [(one.name, one.alive, one.queues) for one in listed] == [
        ("dead", False, ("default",)),
        ("alive", True, ("default",)),
    ]
    assert (listed[1].host, listed[1].pid, listed[1].last_seen_at) == ("here", 1, after(60))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: client.list_pending_activities(state="odd"), "state"),
        (lambda: client.list_pending_activities(after="odd"), "after"),
        (lambda: client.list_pending_activities(after=3), "after"),  # type: ignore[arg-type]
        (lambda: client.list_pending_activities(limit=0), "limit"),
        (lambda: client.list_pending_activities(limit=10**6), "limit"),
        (lambda: client.list_pending_activities(task_queue=3), "task_queue"),  # type: ignore[arg-type]
        (lambda: client.list_timers(after="2026-01-01T00:00:00/1"), "after"),
        (lambda: client.list_timers(after="odd"), "after"),
    ],
)
def test_unusable_filters_are_named(call: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        call()

    assert caught.value.field == field  # type: ignore[attr-defined]
