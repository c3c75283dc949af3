"""What a program or a person needs to know to send a message: names, parameters, types as JSON schema."""

from __future__ import annotations

import dataclasses
from inspect import Parameter
from typing import Any, Final

import msgspec

from aion.authoring.handler_definition import DYNAMIC, Handler, HandlerUnfinishedPolicy
from aion.core.errors import DefinitionError
from aion.core.payloads import schema_of
from aion.core.signatures import CallSignature
from aion.core.signatures.hints import signature_of

Schema = dict[str, Any]
ANYTHING: Final[Schema] = {}
"""The schema of a value that no type is known of: it lets everything pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class ParameterDescription:
    """One parameter of a handler; `schema` is a JSON schema, `{}` where the type is not known.

    `default` is meant only where `required` is False, and is None where it has no JSON form. A `repeated`
    parameter takes any number of values (`*values`), a `named` one any number of names (`**options`).
    """

    name: str
    required: bool
    schema: Schema
    default: Any = None
    repeated: bool = False
    named: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class HandlerDescription:
    """A signal, query or update of a workflow. A `dynamic` one has no name: it takes every other."""

    kind: str
    name: str
    description: str
    parameters: tuple[ParameterDescription, ...]
    result: Schema
    dynamic: bool = False
    validated: bool = False
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON


def describe(kind: str, handler: Handler) -> HandlerDescription:
    """Describe a handler; hints that cannot be resolved or shown leave a schema open."""
    parameters = list(signature_of(handler.function).parameters.values())
    dynamic = handler.name == DYNAMIC
    if not handler.bound:
        parameters = parameters[1:]
    return HandlerDescription(
        kind=kind,
        name=handler.name,
        description=handler.description,
        parameters=() if dynamic else tuple(_parameter(handler, each) for each in parameters),
        result=ANYTHING if kind == "signal" else _schema_of(handler.signature, None),
        dynamic=dynamic,
        validated=handler.validator is not None,
        unfinished_policy=handler.options.unfinished_policy,
    )


def _parameter(handler: Handler, parameter: Parameter) -> ParameterDescription:
    repeated = parameter.kind is Parameter.VAR_POSITIONAL
    named = parameter.kind is Parameter.VAR_KEYWORD
    return ParameterDescription(
        name=parameter.name,
        required=parameter.default is Parameter.empty and not (repeated or named),
        schema=_schema_of(handler.signature, parameter.name),
        default=_shown(parameter.default),
        repeated=repeated,
        named=named,
    )


def _shown(default: Any) -> Any:
    """Give a default as plain JSON values."""
    if default is Parameter.empty:
        return None
    try:
        return msgspec.to_builtins(default)
    except (TypeError, ValueError, RecursionError):
        return None


def _schema_of(signature: CallSignature, parameter: str | None) -> Schema:
    """Give the JSON schema of a parameter, or of the result."""
    try:
        hint = signature.return_hint if parameter is None else signature.hint_of(parameter)
    except DefinitionError:
        return ANYTHING
    if hint is Parameter.empty or hint is Any:
        return ANYTHING
    model_schema = getattr(hint, "model_json_schema", None)  # a pydantic model describes itself
    try:
        if callable(model_schema):
            described: Schema = model_schema()
            return described
        return msgspec.json.schema(hint, schema_hook=schema_of)
    except (TypeError, ValueError, NotImplementedError, RecursionError):
        return ANYTHING
