"""Collects what the code asks for during one drain, and refuses where asking is not allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from aion.authoring.context import user_site
from aion.core.commands import Command, Site
from aion.core.errors import ReadOnlyContext
from aion.core.events import (
    ActivityScheduled,
    ChildWorkflowStarted,
    CommandEvent,
    ExternalCancelRequested,
    SearchAttributesUpdated,
    SignalSent,
)
from aion.core.texts import check_indexable, check_text

_NAMES: Final[dict[type, tuple[str, ...]]] = {
    ActivityScheduled: ("activity_type", "task_queue"),
    ChildWorkflowStarted: ("workflow_id", "workflow_type", "task_queue"),
    SignalSent: ("workflow_id",),
    ExternalCancelRequested: ("workflow_id",),
}
"""The texts of commands that become columns of their own."""
_INDEXED: Final[dict[type, str]] = {
    SearchAttributesUpdated: "attributes",
    ChildWorkflowStarted: "search_attributes",
}


def check_storable(event: CommandEvent) -> None:
    """Refuse what the databases would, there with everything else of its batch.

    Raises:
        InvalidArgument: the name of the field is in the message.
    """
    for name in _NAMES.get(type(event), ()):
        check_text(name, getattr(event, name))
    indexed = _INDEXED.get(type(event))
    if indexed is not None:
        check_indexable("search_attributes", bytes(getattr(event, indexed)))


class Mode(Enum):
    """What the code may do now."""

    OPEN = "open"
    READ_ONLY = "read_only"  # a query, a predicate
    CLOSING = "closing"  # the instance is thrown away; finally blocks run into the void


class Evicted(BaseException):
    """Ends the code of an instance that is thrown away. Never caught by `except Exception`."""


class CommandLog:
    """The commands of the current drain, in the order of asking.

    `epoch` counts drains: what was asked for in the current epoch is not written yet and can be taken
    back without a trace.
    """

    def __init__(self) -> None:
        self.mode = Mode.OPEN
        self.epoch = 0
        self._issued: list[Command] = []

    def issue(self, event: CommandEvent, site: Site | None = None) -> Command:
        """Ask for something.

        Raises:
            ReadOnlyContext: a query or predicate must not change the run.
            InvalidArgument: a name or an attribute is nothing that both databases store.
        """
        self.check(event)
        check_storable(event)
        command = Command(event, site if site is not None else user_site(3))
        self._issued.append(command)
        return command

    def check(self, what: object) -> None:
        """Refuse when the code may not ask for anything now.

        What is asked for while the instance is closed is accepted and forgotten: the code goes on to wait
        for it, and ends there.
        """
        if self.mode is Mode.READ_ONLY:
            raise ReadOnlyContext(
                f"A query, a wait condition or a side effect asked for {type(what).__name__}: "
                "it may read, not act"
            )

    @property
    def issued_count(self) -> int:
        """How much the code has asked for in this drain, without what it has taken back."""
        return sum(not command.dropped for command in self._issued)

    def take(self) -> list[Command]:
        """Give the commands of this drain, without those taken back, and begin the next epoch."""
        taken = [command for command in self._issued if not command.dropped]
        self._issued.clear()
        self.epoch += 1
        return taken

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse commands for a while."""
        before, self.mode = self.mode, Mode.READ_ONLY
        try:
            yield
        finally:
            self.mode = before
