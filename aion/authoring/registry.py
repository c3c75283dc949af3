"""Names to definitions. Nothing outside of it is ever looked up by a name that data brings."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from aion.core.errors import UnknownType

if TYPE_CHECKING:
    from aion.authoring.activity_definition import Activity
    from aion.authoring.workflow_definition import WorkflowDefinition


_MOST_NAMED: Final = 50


class Registry:
    """The workflows and activities of this process, by type name.

    A name defined twice by different code keeps the first definition and remembers the clash, which the
    system checks report; a module that is imported again replaces its own definitions.
    """

    def __init__(self) -> None:
        self.workflows: dict[str, WorkflowDefinition] = {}
        self.activities: dict[str, Activity[Any, Any]] = {}
        self.clashes: list[str] = []

    def add_workflow(self, definition: WorkflowDefinition) -> None:
        """Register a workflow under its name."""
        self._add(self.workflows, "workflow", definition)

    def add_activity(self, definition: Activity[Any, Any]) -> None:
        """Register an activity under its name."""
        self._add(self.activities, "activity", definition)

    def _add(self, table: dict[str, Any], what: str, definition: Any) -> None:
        known = table.get(definition.name)
        if known is not None and known.origin != definition.origin:
            self.clashes.append(
                f"Two {what} definitions are named {definition.name!r}: "
                f"{known.origin} and {definition.origin}. Give one of them a name=..."
            )
            return
        table[definition.name] = definition

    def workflow(self, name: str) -> WorkflowDefinition:
        """Find a workflow.

        Raises:
            UnknownType: none has this name; the message lists those that there are.
        """
        try:
            return self.workflows[name]
        except KeyError:
            raise _unknown("workflow", name, self.workflows) from None

    def activity(self, name: str) -> Activity[Any, Any]:
        """Find an activity.

        Raises:
            UnknownType: none has this name; the message lists those that there are.
        """
        try:
            return self.activities[name]
        except KeyError:
            raise _unknown("activity", name, self.activities) from None


def _unknown(what: str, name: str, table: dict[str, Any]) -> UnknownType:
    near = get_close_matches(name, table, n=3, cutoff=0.7)
    maybe = f"Did you mean {' or '.join(near)}? " if near else ""
    known = ", ".join(sorted(table)[:_MOST_NAMED]) or "none"
    more = f" and {len(table) - _MOST_NAMED} more" if len(table) > _MOST_NAMED else ""
    return UnknownType(
        f"No {what} is registered as {name!r}. {maybe}Known: {known}{more}. "
        f"Is its app in INSTALLED_APPS, and its module named {what_module(what)}?",
        name=name,
    )


def what_module(what: str) -> str:
    """Name the module that is searched for definitions."""
    return "workflows.py" if what == "workflow" else "activities.py or workflows.py"


registry = Registry()
"""The definitions of this process."""
