"""Many starts in one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from aion import client
from aion.conf import settings
from aion.core.errors import InvalidArgument, WorkflowAlreadyStarted
from aion.models import Event, Message, Run
from aion.store.pipelines import Pipeline
from tests.support.engine import Engine
from tests.support.kit import greet

pytestmark = pytest.mark.django_db


def test_each_tuple_of_arguments_is_a_run(engine: Engine) -> None:
    handles = client.start_workflows(greet, [("Ada",), ("Bob", 2)], ids=["a", "b"])
    engine.turns()

    assert [handle.workflow_id for handle in handles] == ["a", "b"]
    assert [handle.result(0).times for handle in handles] == [1, 2]


@pytest.mark.postgres
def test_they_cost_as_many_statements_as_one(django_assert_num_queries: Any) -> None:
    with transaction.atomic(), django_assert_num_queries(5):  # with the savepoint
        client.start_workflows(greet, [(str(number),) for number in range(15)])

    assert (Run.objects.count(), Event.objects.count(), Message.objects.count()) == (15, 15, 15)


def test_one_that_is_refused_undoes_all() -> None:
    client.start_workflow(greet, "Ada", id="taken")

    with pytest.raises(WorkflowAlreadyStarted):
        client.start_workflows(greet, [("Bob",), ("Cid",)], ids=["free", "taken"])

    assert list(Run.objects.values_list("workflow_id", flat=True)) == ["taken"]


def test_an_id_twice_in_the_list_is_taken_the_second_time() -> None:
    with pytest.raises(WorkflowAlreadyStarted):
        client.start_workflows(greet, [("Bob",), ("Cid",)], ids=["same", "same"])

    assert not Run.objects.exists()


def test_open_runs_may_be_used() -> None:
    first = client.start_workflow(greet, "Ada", id="taken")

    handles = client.start_workflows(
        greet, [("Bob",), ("Cid",)], ids=["taken", "free"], id_conflict_policy="use_existing"
    )

    assert [handle.created for handle in handles] == [False, True]
    assert handles[0].run_id == first.run_id


def test_ids_and_inputs_must_match_and_inputs_fit() -> None:
    with pytest.raises(InvalidArgument, match="2 inputs have 1 ids"):
        client.start_workflows(greet, [("Bob",), ("Cid",)], ids=["one"])
    with pytest.raises(TypeError):
        client.start_workflows(greet, [("Bob",), ()])

    assert not Run.objects.exists()


def test_none_is_none() -> None:
    assert client.start_workflows(greet, []) == []


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_no_trace() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        client.start_workflows(greet, [("Ada",)])
        raise RuntimeError

    assert not Run.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("prepared", [True, False])
def test_a_start_alone_is_one_statement(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch, *, prepared: bool
) -> None:
    """It needs no transaction around it, and is all or nothing all the same."""
    monkeypatch.setattr(settings, "TUNE_SESSION", prepared)
    sent: list[str] = []
    run = Pipeline.run

    def noted(self: Any, sql: str, parameters: Any, **options: Any) -> Any:
        sent.append(sql)
        return run(self, sql, parameters, **options)

    monkeypatch.setattr(Pipeline, "run", noted)

    with django_assert_num_queries(0 if prepared else 1) as captured:
        client.start_workflow(greet, "Ada", id="a")

    [statement] = sent + [query["sql"] for query in captured.captured_queries]
    assert statement.startswith("WITH new AS (INSERT INTO aion_run")
    with pytest.raises(WorkflowAlreadyStarted):
        client.start_workflow(greet, "Ada", id="a")
    assert (Run.objects.count(), Event.objects.count(), Message.objects.count()) == (1, 1, 1)
