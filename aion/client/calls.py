"""What callers give, as the operations take it: workflows, message names, arguments."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from aion.authoring.interception import Chain
from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core.errors import DefinitionError, InvalidArgument, UnknownType
from aion.core.signatures import CallSignature, encode_arguments
from aion.operations.bell import the_bell
from aion.operations.checking import check_text
from aion.store.dialects import alias

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Workflow = type | Callable[..., Any] | str
Encode = Callable[[tuple[Any, ...], dict[str, Any]], bytes]


def twin(function: Callable[P, T]) -> Callable[P, Any]:
    """Make the async twin of a function, on the thread where Django's connections live."""
    return sync_to_async(function, thread_sensitive=True)


def waiting_twin(function: Callable[P, T]) -> Callable[P, Any]:
    """Make the async twin of a function that waits, on a thread of its own.

    Nobody tidies up behind that thread, so its connection must not stay open. Where waiting is what brings
    runs on, it happens where everything else happens: on the thread where Django's connections live.
    """
    if the_bell().drives:
        return twin(function)

    def wait(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections[alias()].close()

    return sync_to_async(wait, thread_sensitive=False)


def policy(kind: type[E], value: E | str, field: str) -> E:
    """Read a choice that callers may give as text.

    Raises:
        InvalidArgument: there is no such choice; the message lists those there are.
    """
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(kind)
        raise InvalidArgument(
            f"{field} must be one of {known}, not {value!r}", field=field
        ) from error


def message(what: str, name: str | Callable[..., Any]) -> tuple[str, Encode]:
    """Give a message's name and what encodes its arguments; that of a handler method checks them."""
    if isinstance(name, str):
        check_text("name", name, most=None)
        return name, partial(encode_arguments, what=f"{what} {name}")
    marked = getattr(name, f"__aion_{what}__", None)
    if marked is None:
        raise InvalidArgument(f"{name!r} is not decorated with @workflow.{what}", field="name")
    signature = CallSignature.of(name, skip_self=True)
    title = f"{what} {marked}"

    def encode(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        signature.check(args, kwargs, what=title)
        return signature.encode(args, kwargs, what=title)

    return marked, encode


def through(chain: Chain | None, input: Any, last: Callable[[Any], Any]) -> Any:
    """Do a thing through the interceptors there are."""
    return last(input) if chain is None else chain(input, last)


def definition(workflow: Workflow) -> WorkflowDefinition:
    """Find a workflow that can be started.

    Raises:
        UnknownType: there is none.
        DefinitionError: it is defined in a way that cannot work.
    """
    if isinstance(workflow, str):
        definition = registry.workflow(workflow)
    else:
        found = definition_of(workflow)
        if found is None:
            raise UnknownType(
                f"{workflow!r} is not decorated with @workflow.defn", name=str(workflow)
            )
        definition = found
    if definition.problems:
        reasons = "; ".join(definition.problems)
        raise DefinitionError(f"Workflow {definition.name} cannot be started: it {reasons}")
    return definition
