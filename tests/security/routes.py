"""Every URL that the project routes, found by its resolver, with something there for each to be about."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RoutePattern

METHODS: Final = ("get", "options", "post", "put", "patch", "delete")


@dataclasses.dataclass(frozen=True)
class Route:
    """A URL: its name with the namespaces, a path that it matches, and the view behind it."""

    name: str
    path: str
    view: Any


def routes(prefix: str, values: Mapping[str, Any]) -> Iterator[Route]:
    """Walk what is routed below a prefix; `values` fill the parameters by their names.

    A value may be one for each folder before it. A parameter without a value is an error: a URL that is
    added must be thought of here.
    """
    for parts, name, pattern in _walk(get_resolver().url_patterns, (), ""):
        path = "/"
        for part in parts:
            path += _filled(part, path, values)
            if not path.startswith(prefix[: len(path)]):
                break
        else:
            if path.startswith(prefix):
                yield Route(name, path, pattern.callback)


def _walk(
    patterns: Any, before: tuple[Any, ...], namespace: str
) -> Iterator[tuple[tuple[Any, ...], str, URLPattern]]:
    for each in patterns:
        parts = (*before, each.pattern)
        if isinstance(each, URLPattern):
            yield parts, f"{namespace}{each.name or each.lookup_str}", each
        else:
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from _walk(each.url_patterns, parts, inner)


_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP: Final = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


def _filled(pattern: Any, before: str, values: Mapping[str, Any]) -> str:
    is_plain = isinstance(pattern, RoutePattern)
    parameter = _PARAMETER if is_plain else _GROUP
    text, filled = str(pattern), ""
    while (found := parameter.search(text)) is not None:
        filled += text[: found.start()]
        chosen = values[found[1]]
        filled += str(chosen[before + filled] if isinstance(chosen, dict) else chosen)
        text = text[found.end() :]
    filled += text
    if is_plain:
        return filled
    # A regular expression of Django's own: the list of an app, and the rest of the admin.
    return filled.removeprefix("^").removesuffix("$").removesuffix("\\Z")
