"""Gives a tree its meaning: names become fields, literals become values of the field's kind."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable
from typing import Any, Final

from aion.core.errors import InvalidArgument
from aion.core.search_attributes import Kinds, words_of
from aion.core.texts import check_text
from aion.visibility import literals
from aion.visibility.fields import OPERATORS, ORDERABLE, Field, FieldKind, field_of, unknown
from aion.visibility.literals import BadLiteral
from aion.visibility.problems import problem
from aion.visibility.syntax import And, Node, Not, Operator, Or, Order, Query, Test


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A field, an operator that it can be asked, and values of its kind.

    The value of a text is a tuple of words.
    """

    field: Field
    operator: Operator
    values: tuple[Any, ...] = ()


Meaning = Condition | And[Condition] | Or[Condition] | Not[Condition]


def resolve(query: Query, *, kinds: Kinds, now: dt.datetime) -> Meaning | None:
    """Give what a query asks; None when it asks for every run.

    Raises:
        InvalidListQuery: a name is unknown, or an operator or literal does not go with it.
    """
    return None if query.where is None else _node(query.where, query.text, kinds, now)


def _node(node: Node, text: str, kinds: Kinds, now: dt.datetime) -> Meaning:
    match node:
        case Test():
            return _condition(node, text, kinds, now)
        case Not(term):
            return Not(_node(term, text, kinds, now))
        case And(terms):
            return And(tuple(_node(term, text, kinds, now) for term in terms))
        case Or(terms):
            return Or(tuple(_node(term, text, kinds, now) for term in terms))


def _condition(test: Test, text: str, kinds: Kinds, now: dt.datetime) -> Condition:
    field = field_of(test.name, kinds)
    if field is None:
        message = unknown(test.name, kinds)
        raise problem(text, test.position, message, length=len(test.name))
    allowed = OPERATORS[field.kind]
    if test.operator not in allowed:
        known = ", ".join(operator.value for operator in Operator if operator in allowed)
        message = f"{field.name} is a {field.kind.value} and does not take {test.operator.value}, but {known}"
        raise problem(text, test.position, message, length=len(test.name))
    values = []
    for index, value in enumerate(test.values):
        try:
            values.append(value_of(field, value, now))
        except BadLiteral as error:
            place = test.places[index] if index < len(test.places) else test.position
            raise problem(text, place, f"{field.name} takes {error}") from error
    return Condition(field, test.operator, tuple(values))


def resolve_order(order: Order | None, text: str) -> tuple[str, bool]:
    """Give the field that a list is ordered by, and whether downwards; the newest start first by default.

    Raises:
        InvalidListQuery: lists cannot be ordered by it.
    """
    if order is None:
        return "StartTime", True
    if order.name not in ORDERABLE:
        message = f"Lists are ordered by {' or '.join(ORDERABLE)}, not by {order.name}"
        raise problem(text, order.position, message, length=len(order.name))
    return order.name, order.descending


def value_of(field: Field, value: Any, now: dt.datetime) -> Any:
    """Give a literal as a value of a field's kind.

    Raises:
        BadLiteral: it is none; the message says what the field takes.
    """
    return _VALUES[field.kind](value, now)


def _keyword(value: Any, now: dt.datetime) -> str:
    try:
        check_text("it", value)
    except InvalidArgument as error:
        raise BadLiteral("text in quotes, of at most 255 characters") from error
    return str(value)


def _words(value: Any, now: dt.datetime) -> tuple[str, ...]:
    words = words_of(value) if isinstance(value, str) else []
    if not words:
        raise BadLiteral("text in quotes, with a word in it")
    return tuple(words)


def _int(value: Any, now: dt.datetime) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise BadLiteral("an integer of 64 bits")
    return value


def _float(value: Any, now: dt.datetime) -> float:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass
    raise BadLiteral("a finite number")


def _bool(value: Any, now: dt.datetime) -> bool:
    if not isinstance(value, bool):
        raise BadLiteral("true or false")
    return value


_VALUES: Final[dict[FieldKind, Callable[[Any, dt.datetime], Any]]] = {
    FieldKind.KEYWORD: _keyword,
    FieldKind.KEYWORD_LIST: _keyword,
    FieldKind.TEXT: _words,
    FieldKind.INT: _int,
    FieldKind.FLOAT: _float,
    FieldKind.BOOL: _bool,
    FieldKind.MOMENT: literals.moment,
    FieldKind.DURATION: lambda value, _: literals.duration(value),
    FieldKind.RUN_ID: lambda value, _: literals.run_id(value),
    FieldKind.STATUS: lambda value, _: literals.status(value),
}
