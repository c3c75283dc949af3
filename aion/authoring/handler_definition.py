"""What the decorators of handlers make: a handler, and everything that is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from inspect import Parameter
from typing import Any, Final, NamedTuple

from aion.core.signatures import CallSignature, decode_arguments
from aion.core.signatures.hints import signature_of

VALIDATOR_MARK: Final = "__aion_validator__"
OPTIONS_MARK: Final = "__aion_handler__"
DYNAMIC: Final = ""
"""The name under which a handler takes everything that no other handler takes."""


class HandlerUnfinishedPolicy(StrEnum):
    """What to do about a handler that is still running when the run closes. It is dropped either way."""

    WARN_AND_ABANDON = "warn_and_abandon"
    ABANDON = "abandon"


class HandlerOptions(NamedTuple):
    """What a handler's decorator says besides its name."""

    description: str = ""
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON


class Handler:
    """What answers to a name: a method, or (with `bound`) a function registered while the code runs.

    A dynamic handler takes the name and the list of arguments, as plain JSON values.
    """

    __slots__ = ("bound", "function", "is_async", "name", "options", "signature", "validator")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        bound: bool = False,
        validator: Callable[..., Any] | None = None,
        options: HandlerOptions | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.bound = bound
        self.is_async = inspect.iscoroutinefunction(function)
        self.signature = CallSignature.of(function, skip_self=not bound)
        self.validator = validator or getattr(function, VALIDATOR_MARK, None)
        marked: HandlerOptions = getattr(function, OPTIONS_MARK, HandlerOptions())
        self.options = options or marked

    @property
    def description(self) -> str:
        """What people are told of the handler: what its decorator says, else its docstring."""
        return self.options.description or inspect.getdoc(self.function) or ""

    def read(self, name: str, data: Any, *, what: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Decode the arguments of a message for this handler.

        Raises:
            PayloadError: they do not fit.
        """
        if self.name != DYNAMIC:
            return self.signature.decode(data, what=what)
        args, kwargs = decode_arguments(data, what=what)
        return (name, list(args)), kwargs

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the handler, on the workflow object where it is a method."""
        return (
            self.function(*args, **kwargs) if self.bound else self.function(target, *args, **kwargs)
        )

    def validator_problem(self) -> str | None:
        """Say why the validator cannot be asked about what the handler takes, None when it can."""
        validator = self.validator
        if validator is None:
            return None
        what = f"update {self.name!r}" if self.name else "the dynamic update"
        if inspect.iscoroutinefunction(validator):
            return f"the validator of {what} is async; validators only read, make it a plain `def`"
        skip = 0 if self.bound else 1
        wanted = list(signature_of(self.function).parameters.values())[skip:]
        given = list(signature_of(validator).parameters.values())[skip:]
        if _takes_the_same(wanted, given):
            return None
        return (
            f"the validator of {what} must take the parameters of its handler, "
            f"{inspect.Signature(wanted)}, not {inspect.Signature(given)}"
        )


def _takes_the_same(wanted: list[Parameter], given: list[Parameter]) -> bool:
    """Tell whether each call that fits the one list fits the other; the types are not compared."""
    if [each.kind for each in given] == [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]:
        return True
    if [(each.name, each.kind) for each in wanted] != [(each.name, each.kind) for each in given]:
        return False
    return not any(
        w.default is not w.empty and g.default is g.empty
        for w, g in zip(wanted, given, strict=True)
    )
