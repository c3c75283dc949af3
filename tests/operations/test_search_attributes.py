"""The registry of search attributes: settings, rows, and what callers give at a start."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from aion import client
from aion.core.errors import InvalidArgument, InvalidSearchAttribute, WrongState
from aion.models import Event, Message, Run, SearchAttribute, SearchValue
from aion.store.attribute_registry import registry
from tests.support import kit

pytestmark = pytest.mark.django_db


def start(**values: Any) -> client.WorkflowHandle:
    return client.start_workflow(kit.greet, "ann", search_attributes=values)


def test_a_registered_attribute_is_accepted_and_listed() -> None:
    made = client.register_search_attribute("CustomerId", "int")
    handle = start(CustomerId=42)

    assert made == client.RegisteredAttribute("CustomerId", client.AttributeKind.INT, "table")
    listed = {one.name: one.source for one in client.list_search_attributes()}
    assert listed["CustomerId"] == "table"
    assert listed["AionPatches"] == "engine"
    assert listed["n"] == "settings"
    assert SearchValue.objects.get(run=handle.run_id).integer == 42


def test_registering_twice_changes_nothing_and_another_kind_is_refused() -> None:
    client.register_search_attribute("CustomerId", "int")
    client.register_search_attribute("CustomerId", "int")

    assert SearchAttribute.objects.count() == 1
    with pytest.raises(WrongState, match="registered with kind int"):
        client.register_search_attribute("CustomerId", "keyword")
    with pytest.raises(WrongState, match="in AION"):
        client.register_search_attribute("n", "keyword")
    assert client.register_search_attribute("n", "int").source == "settings"
    assert SearchAttribute.objects.count() == 1


@pytest.mark.parametrize(("name", "kind"), [("WorkflowId", "int"), ("a b", "int"), ("A", "number")])
def test_bad_names_and_kinds_are_refused(name: str, kind: str) -> None:
    with pytest.raises(InvalidArgument):
        client.register_search_attribute(name, kind)

    assert not SearchAttribute.objects.exists()


def test_an_attribute_in_use_is_removed_by_force_only_and_keeps_its_kind() -> None:
    client.register_search_attribute("CustomerId", "int")
    start(CustomerId=42)

    with pytest.raises(WrongState, match="in use"):
        client.unregister_search_attribute("CustomerId")
    assert SearchAttribute.objects.exists()
    client.unregister_search_attribute("CustomerId", force=True)

    with pytest.raises(InvalidSearchAttribute):
        start(CustomerId=42)
    with pytest.raises(WrongState, match="values of another kind"):
        client.register_search_attribute("CustomerId", "keyword")
    client.register_search_attribute("CustomerId", "int")
    start(CustomerId=43)


def test_an_unused_attribute_is_removed() -> None:
    client.register_search_attribute("CustomerId", "int")
    client.unregister_search_attribute("CustomerId")

    assert not SearchAttribute.objects.exists()
    for name in ("CustomerId", "n", "AionPatches", None):
        with pytest.raises(InvalidArgument, match="name"):
            client.unregister_search_attribute(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"Unknown": 1}, {"n": "x"}, {"AionPatches": []}, {1: 2}])
def test_a_start_with_what_is_not_registered_changes_nothing(values: dict[Any, Any]) -> None:
    with pytest.raises(InvalidSearchAttribute) as caught:
        client.start_workflow(kit.greet, "ann", search_attributes=values)

    assert isinstance(caught.value, InvalidArgument)
    assert caught.value.context["field"] == "search_attributes"
    for table in (Run, Event, Message, SearchValue):
        assert not table._default_manager.exists()


def test_a_start_finds_what_another_process_registered(
    django_assert_num_queries: Any, settings: Any
) -> None:
    registry.reload()
    SearchAttribute.objects.create(name="CustomerId", kind="int", created_at="2030-01-01T00:00:00Z")

    start(CustomerId=1)

    assert SearchValue.objects.count() == 1


def test_settings_need_no_statement_and_values_need_one(
    django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as without:
        start()
    with CaptureQueriesContext(connection) as one:
        start(n=1)
    with CaptureQueriesContext(connection) as many:
        start(n=1, color="red", tags=["a", "b"])

    assert len(one) == len(many) == len(without) + 1


def test_the_command_lists_adds_and_removes() -> None:
    def run(*args: str) -> Any:
        out = io.StringIO()
        call_command("search_attributes", *args, stdout=out)
        return out.getvalue()

    assert json.loads(run("add", "CustomerId", "int", "--json")) == [
        {"name": "CustomerId", "kind": "int", "source": "table"}
    ]
    assert "CustomerId" in run("list")
    assert {"name": "n", "kind": "int", "source": "settings"} in json.loads(run("list", "--json"))
    assert json.loads(run("remove", "CustomerId", "--json")) == {"removed": "CustomerId"}
    assert "CustomerId" not in run("list")
    with pytest.raises(CommandError, match=r"is not registered \[invalid_argument\]"):
        run("remove", "CustomerId")
    with pytest.raises(CommandError, match="keyword_list"):
        run("add", "CustomerId", "number")


def test_a_check_reports_where_settings_and_table_differ(settings: Any) -> None:
    client.register_search_attribute("CustomerId", "int")
    settings.AION = {**settings.AION, "SEARCH_ATTRIBUTES": {"CustomerId": "keyword"}}

    found = [each for each in run_checks(databases=["default"]) if each.id == "aion.E010"]

    assert len(found) == 1
    assert "CustomerId" in found[0].msg
    start(CustomerId="the setting wins")


@pytest.mark.parametrize(
    "value", [{"n": "number"}, {"a b": "int"}, {"WorkflowId": "int"}, ["n"], {1: "int"}]
)
def test_a_check_reports_a_bad_setting(settings: Any, value: Any) -> None:
    settings.AION = {**settings.AION, "SEARCH_ATTRIBUTES": value}

    found = [each for each in run_checks() if each.id == "aion.E001"]

    assert len(found) == 1
    assert "SEARCH_ATTRIBUTES" in found[0].msg


async def _twins() -> None:
    await client.aregister_search_attribute("CustomerId", "int")
    listed = await client.alist_search_attributes()
    assert "CustomerId" in [one.name for one in listed]
    await client.aunregister_search_attribute("CustomerId")


@pytest.mark.django_db(transaction=True)
def test_the_twins_do_the_same() -> None:
    from asgiref.sync import async_to_sync

    async_to_sync(_twins)()

    assert not SearchAttribute.objects.exists()
