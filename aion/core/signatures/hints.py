"""The type hints of a function, resolved one at a time."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from aion.core.errors import DefinitionError


def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """Give the signature of a function without resolving its hints.

    Raises: DefinitionError if it has none, as some built-in functions.
    """
    try:
        if sys.version_info >= (3, 14):
            import annotationlib

            return inspect.signature(fn, annotation_format=annotationlib.Format.FORWARDREF)
        return inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{name_of(fn)} has no readable signature: {error}") from error


def name_of(fn: Any) -> str:
    """Give a function's name with the class it is in."""
    return str(getattr(_innermost(fn), "__qualname__", None) or type(fn).__qualname__)


def resolve(annotation: Any, *, fn: Callable[..., Any], place: str) -> Any:
    """Turn an annotation, which may be text, into a type.

    Shapes: place: how the error calls the annotated thing, such as "parameter 'order'".
    Raises: DefinitionError naming the function, the place and the hint.
    """
    if annotation is inspect.Parameter.empty:
        return annotation
    function = _innermost(fn)
    holder = types.SimpleNamespace(__annotations__={"hint": annotation})
    try:
        return typing.get_type_hints(
            holder,
            globalns=getattr(function, "__globals__", {}),
            localns=_local_names(function),
            include_extras=True,
        )["hint"]
    except Exception as error:
        text = annotation if isinstance(annotation, str) else repr(annotation)
        raise DefinitionError(
            f"the hint {text!r} of {place} of {name_of(fn)} cannot be resolved: {error}; "
            f"names in it must be importable when the code runs, not only under TYPE_CHECKING",
            function=name_of(fn),
            hint=text,
        ) from error


def _innermost(fn: Any) -> Any:
    """Give the function under partials, bound methods, decorators and callable objects."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    fn = inspect.unwrap(fn)
    if not isinstance(fn, (types.FunctionType, types.MethodType, type)):
        # An object that is called through its class.
        fn = vars(type(fn)).get("__call__", fn)
    return getattr(fn, "__func__", fn)


def _local_names(function: Any) -> dict[str, Any]:
    """Give the names a function sees besides its module's: type parameters and its closure."""
    names = {each.__name__: each for each in getattr(function, "__type_params__", ())}
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(code.co_freevars if code else (), cells or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            # Assigned only after the function was made, and not yet.
            continue
    return names
