"""A type has no more open runs than the settings allow, however many start them at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core.errors import OpenRunLimitReached
from aion.models import Run, Schedule
from aion.store import open_runs
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, in_thread
from tests.support.kit import Scripted, Waiting
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limited(settings: Any) -> None:
    settings.AION = {**settings.AION, "OPEN_RUN_LIMITS": {"kit.Waiting": 2}}


def start(name: str = "", **options: Any) -> Any:
    return client.start_workflow(Waiting, id=name, **options)


def test_a_start_beyond_the_limit_is_refused_and_changes_nothing() -> None:
    start("a")
    start("b")
    before = counts()

    with transaction.atomic():
        with pytest.raises(OpenRunLimitReached, match=r"kit\.Waiting.*allows: 2") as refused:
            start("c")
        assert counts() == before, "the caller's transaction is usable"

    assert refused.value.code == "open_run_limit"
    assert (refused.value.workflow_type, refused.value.limit) == ("kit.Waiting", 2)
    client.start_workflow(kit.greet, "of another type")


def test_a_run_that_ends_makes_room(engine: Engine) -> None:
    first, _ = start("a"), start("b")
    first.terminate()

    start("c")

    with pytest.raises(OpenRunLimitReached):
        start("d")


def test_what_makes_no_further_run_is_not_refused() -> None:
    first, _ = start("a", request_id="r"), start("b")

    assert start("a", request_id="r").run_id == first.run_id
    assert start("a", id_conflict_policy="use_existing").run_id == first.run_id
    assert start("a", id_conflict_policy="terminate_existing").run_id != first.run_id
    client.signal_with_start(Waiting, id="a", signal="note", signal_args=(1,))
    assert Run.objects.filter(closed_at=None).count() == 2


def test_many_are_started_together_or_none() -> None:
    before = counts()
    with pytest.raises(OpenRunLimitReached):
        client.start_workflows(Waiting, [(1,), (2,), (3,)])
    assert counts() == before

    assert len(client.start_workflows(Waiting, [(1,), (2,)])) == 2


def test_children_and_successors_count_and_are_not_refused(engine: Engine, script: Any) -> None:
    @script
    async def family(me: Scripted) -> None:
        for number in range(3):
            await workflow.start_child_workflow(Waiting, id=f"child {number}")
        await workflow.wait_condition(lambda: False)

    engine.start("family")
    engine.turns()
    assert Run.objects.filter(workflow_type="kit.Waiting", limited=True).count() == 3

    with pytest.raises(OpenRunLimitReached):
        start("of a client")


def test_a_schedule_waits_until_there_is_room(engine: Engine, clock: StandingClock) -> None:
    first, _ = start("a"), start("b")
    client.create_schedule("s", Waiting, spec="* * * * *")
    clock.move(60)
    engine.tick()

    schedule = Schedule.objects.get()
    assert (schedule.started_count, schedule.problem_count) == (0, 1)
    assert "OPEN_RUN_LIMITS" in schedule.problem
    first.terminate()
    clock.move(600)
    engine.tick()
    assert Schedule.objects.get().started_count == 1


def test_what_was_open_before_is_counted_once_a_worker_has_started(settings: Any) -> None:
    with_limit = settings.AION
    settings.AION = {**with_limit, "OPEN_RUN_LIMITS": {}}
    for name in ("a", "b"):
        start(name)
    start("closed").terminate()
    settings.AION = with_limit

    open_runs.include_earlier()

    assert set(Run.objects.filter(limited=True).values_list("workflow_id", flat=True)) == {"a", "b"}
    with pytest.raises(OpenRunLimitReached):
        start("c")


def test_a_type_without_a_limit_costs_no_statement_more(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        open_runs.lock(["kit.greet"])
        open_runs.check(["kit.greet"])
    client.start_workflow(kit.greet, "ada")
    assert not Run.objects.get().limited, "its index does not hold it"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_those_who_start_at_once_do_not_pass_the_limit() -> None:
    ready = threading.Barrier(6)

    def race() -> None:
        ready.wait(10)
        start()

    threads = [in_thread(race) for _ in range(6)]
    for thread in threads:
        thread.join(20)
    refused = [thread.error for thread in threads if thread.error is not None]

    assert Run.objects.filter(closed_at=None).count() == 2
    assert [type(error) for error in refused] == [OpenRunLimitReached] * 4


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_start_that_is_not_committed_yet_counts_when_it_is() -> None:
    start("a")
    with transaction.atomic():
        start("b")
        other = in_thread(start, "c")
        other.join(0.2)
        assert other.is_alive(), "it waits"
    other.join(20)

    assert isinstance(other.error, OpenRunLimitReached)
