"""Names to definitions."""

from __future__ import annotations

from typing import Any

import pytest

from aion import activity, workflow
from aion.authoring.registry import Registry
from aion.authoring.workflow_definition import definition_of
from aion.core.errors import UnknownType


def flow(name: str, module: str = "orders.workflows") -> Any:
    async def run() -> None: ...

    run.__module__, run.__qualname__ = module, "run"
    return definition_of(workflow.defn(name=name)(run))


def test_a_definition_is_found_by_its_name() -> None:
    registry, one = Registry(), flow("orders.Pay")
    registry.add_workflow(one)

    assert registry.workflow("orders.Pay") is one


def test_an_unknown_name_lists_what_there_is() -> None:
    registry = Registry()
    registry.add_workflow(flow("b"))
    registry.add_workflow(flow("a"))

    with pytest.raises(
        UnknownType, match=r"No workflow is registered as 'c'. Known: a, b\."
    ) as one:
        registry.workflow("c")
    assert one.value.name == "c"  # type: ignore[attr-defined]
    assert "workflows.py" in str(one.value)
    with pytest.raises(UnknownType, match=r"Known: none\..*activities\.py"):
        registry.activity("c")


def test_two_definitions_of_a_name_clash_and_the_first_stays() -> None:
    registry, first = Registry(), flow("pay", "orders.workflows")
    registry.add_workflow(first)
    registry.add_workflow(flow("pay", "refunds.workflows"))

    assert registry.workflow("pay") is first
    assert len(registry.clashes) == 1
    assert "orders.workflows.run and refunds.workflows.run" in registry.clashes[0]


def test_a_module_that_is_imported_again_replaces_its_definitions() -> None:
    registry, second = Registry(), flow("pay")
    registry.add_workflow(flow("pay"))
    registry.add_workflow(second)

    assert registry.workflow("pay") is second
    assert registry.clashes == []


def test_workflows_and_activities_have_their_own_names() -> None:
    registry = Registry()

    @activity.defn(name="pay")
    def pay() -> None: ...

    registry.add_workflow(flow("pay"))
    registry.add_activity(pay)

    assert registry.activity("pay") is pay
    assert registry.clashes == []
