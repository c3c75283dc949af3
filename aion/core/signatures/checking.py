"""Whether a call fits a function's parameters, without the cost of `inspect.Signature.bind`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from inspect import Parameter
from typing import Any

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class CallShape:
    """The parameters of a function, sorted for checking calls."""

    __slots__ = (
        "_fewest",
        "_most",
        "_required_keyword_only",
        "_required_positional",
        "by_keyword",
        "keyword_only",
        "positional",
        "required",
        "var_keyword",
        "var_positional",
    )

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        known = list(parameters)
        self.positional = tuple(each.name for each in known if each.kind in _POSITIONAL)
        self.keyword_only = tuple(
            each.name for each in known if each.kind is Parameter.KEYWORD_ONLY
        )
        self.by_keyword = frozenset(each.name for each in known if each.kind in _KEYWORD)
        self.var_positional = _named(known, Parameter.VAR_POSITIONAL)
        self.var_keyword = _named(known, Parameter.VAR_KEYWORD)
        bare = frozenset(
            each.name
            for each in known
            if each.default is Parameter.empty
            and each.name not in (self.var_positional, self.var_keyword)
        )
        self.required = bare
        self._required_positional = tuple(name for name in self.positional if name in bare)
        self._required_keyword_only = tuple(name for name in self.keyword_only if name in bare)
        # Without keyword arguments the count alone decides, unless a keyword is required.
        self._most = len(self.positional) if self.var_positional is None else sys.maxsize
        self._fewest = len(self._required_positional)
        if self._required_keyword_only:
            self._fewest = sys.maxsize

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, what: str) -> None:
        """Let a call pass that fits.

        Raises: TypeError as Python words it, with `what` for the function's name.
        """
        problem = self.problem(len(args), kwargs)
        if problem is not None:
            raise TypeError(f"{what} {problem}")

    def problem(self, count: int, kwargs: Collection[str]) -> str | None:
        """Say what is wrong with a call of so many positional arguments and these keywords."""
        if not kwargs and self._fewest <= count <= self._most:
            return None
        positional = self.positional
        if count > len(positional) and self.var_positional is None:
            return _too_many(len(positional), len(self._required_positional), count)
        for name in positional[:count]:
            if name in kwargs and name in self.by_keyword:
                return f"got multiple values for argument {name!r}"
        if self.var_keyword is None:
            for name in kwargs:
                if name not in self.by_keyword:
                    return self._unexpected(name)
        missing = [
            name
            for name in self._required_positional[count:]
            if name not in kwargs or name not in self.by_keyword
        ]
        if missing:
            return _missing(missing, "positional")
        missing = [name for name in self._required_keyword_only if name not in kwargs]
        return _missing(missing, "keyword-only") if missing else None

    def _unexpected(self, name: str) -> str:
        if name in self.positional:
            return f"got the positional-only argument {name!r} passed by keyword"
        return f"got an unexpected keyword argument {name!r}"


def _named(parameters: list[Parameter], kind: Any) -> str | None:
    return next((each.name for each in parameters if each.kind is kind), None)


def _too_many(most: int, fewest: int, count: int) -> str:
    takes = f"{most}" if most == fewest else f"from {fewest} to {most}"
    were = "was" if count == 1 else "were"
    return f"takes {takes} positional argument{'' if most == 1 else 's'} but {count} {were} given"


def _missing(names: list[str], sort: str) -> str:
    quoted = [repr(name) for name in names]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
    plural = "" if len(names) == 1 else "s"
    return f"missing {len(names)} required {sort} argument{plural}: {listed}"
