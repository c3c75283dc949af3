"""The syntax tree of a list query: names, operators and literals, without meaning."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Generic, TypeVar

Literal = str | int | float | bool


class Operator(Enum):
    """What a test asks; the value is how it is written."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "IN"
    NOT_IN = "NOT IN"
    BETWEEN = "BETWEEN"
    STARTS_WITH = "STARTS_WITH"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """A name, an operator and as many literals as it takes.

    `position` is that of the name in the text, `places` are those of the literals; trees are equal without.
    """

    name: str
    operator: Operator
    values: tuple[Literal, ...] = ()
    position: int = dataclasses.field(default=0, compare=False)
    places: tuple[int, ...] = dataclasses.field(default=(), compare=False)

    __test__ = False  # no test case of pytest's


@dataclasses.dataclass(frozen=True, slots=True)
class And(Generic[T]):
    """All of two or more terms."""

    terms: tuple[T | And[T] | Or[T] | Not[T], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Or(Generic[T]):
    """One of two or more terms."""

    terms: tuple[T | And[T] | Or[T] | Not[T], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Not(Generic[T]):
    """The opposite of a term."""

    term: T | And[T] | Or[T] | Not[T]


Node = Test | And[Test] | Or[Test] | Not[Test]


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A field that a list is ordered by."""

    name: str
    descending: bool = False
    position: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A whole query; without `where` it means every run. `text` is what it was read from."""

    where: Node | None = None
    order: Order | None = None
    text: str = dataclasses.field(default="", compare=False)
