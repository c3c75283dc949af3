"""Request ids: once in a chain of runs, whatever other chains have taken."""

from __future__ import annotations

import uuid

import pytest
from django.db import connections

from aion.models import Request, Run
from aion.store import claims, requests
from aion.store.dialects import alias, atomic, connection
from aion.store.rows import RunRow
from tests.support.rows import new_run, quiet_run

pytestmark = pytest.mark.django_db


def row(run_id: uuid.UUID) -> RunRow:
    with atomic():
        found = claims.lock_run(run_id)
    assert found is not None
    return found


def going_on(before: uuid.UUID, *, workflow_id: str = "w") -> uuid.UUID:
    """A run that continues another."""
    Run.objects.filter(id=before).update(closed_at="2030-01-01T00:00:00Z", status="completed")
    run_id = quiet_run(workflow_id, continued_from_run_id=str(before))
    position = Run.objects.get(id=before).chain_position + 1
    Run.objects.filter(id=run_id).update(chain_position=position)
    return run_id


def test_a_request_is_taken_once_for_each_run() -> None:
    first, second = row(quiet_run("a")), row(quiet_run("b"))

    assert requests.take(first, "pay-1") is True
    assert requests.take(first, "pay-1") is False
    assert requests.take(first, "pay-2") is True
    assert requests.take(second, "pay-1") is True
    assert Request.objects.count() == 3


def test_a_request_that_was_rolled_back_is_free_again() -> None:
    run = row(quiet_run())

    with pytest.raises(RuntimeError):
        with atomic():
            requests.take(run, "pay-1")
            raise RuntimeError

    assert requests.take(run, "pay-1") is True


def test_a_run_has_taken_what_those_before_it_took() -> None:
    first = quiet_run("w")
    requests.take(row(first), "early")
    last = going_on(going_on(going_on(first)))

    assert requests.is_taken(last, "w", "early")
    assert requests.take(row(last), "early") is False
    assert requests.take(row(last), "late") is True
    assert not requests.is_taken(first, "w", "late")  # what came later is not its own


def test_another_chain_of_the_same_workflow_id_has_taken_nothing() -> None:
    first = quiet_run("w")
    requests.take(row(first), "k")
    Run.objects.filter(id=first).update(closed_at="2030-01-01T00:00:00Z", status="completed")
    other = going_on(quiet_run("w"))

    assert not requests.is_taken(other, "w", "k")
    assert requests.take(row(other), "k") is True


def test_the_first_run_of_a_chain_asks_one_statement(
    django_assert_num_queries: object,
) -> None:
    run = row(quiet_run("w"))

    with django_assert_num_queries(1, using=alias()):  # type: ignore[operator]
        requests.take(run, "k")


def test_many_are_remembered_in_one_statement() -> None:
    run_id = quiet_run("w")

    with connection().cursor() as cursor:
        requests.remember(cursor, [(run_id, "w", f"k{number}") for number in range(50)])
        requests.remember(cursor, [])

    assert requests.is_taken(run_id, "w", "k49")
    assert Request.objects.count() == 50


def test_the_migration_names_the_workflows() -> None:
    from importlib import import_module

    run_id = quiet_run("named")
    Request.objects.create(run_id=run_id, workflow_id="", request_id="k")
    Request.objects.create(run_id=new_run().id, workflow_id="", request_id="orphan")
    statement = import_module("aion.migrations.0007_message_keys").NAME_THE_WORKFLOWS

    with connections[alias()].cursor() as cursor:
        cursor.execute(statement)

    found = dict(Request.objects.values_list("request_id", "workflow_id"))
    assert found == {"k": "named", "orphan": ""}
