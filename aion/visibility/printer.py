"""From a tree to the text of a query, which reads as the same tree."""

from __future__ import annotations

from aion.visibility.syntax import And, Literal, Node, Not, Operator, Or, Query, Test


def printed(query: Query) -> str:
    """Write a query."""
    parts = []
    if query.where is not None:
        parts.append(_node(query.where, 0))
    if query.order is not None:
        parts.append(f"ORDER BY {query.order.name} {'DESC' if query.order.descending else 'ASC'}")
    return " ".join(parts)


_OR, _AND, _TERM = 0, 1, 2
"""How tightly a place binds what stands in it: looser nodes stand in parentheses there."""


def _node(node: Node, place: int) -> str:
    match node:
        case Test():
            return _test(node)
        case Not(term):
            return f"NOT {_node(term, _TERM)}"
        case And(terms):
            text, binds = " AND ".join(_node(term, _TERM) for term in terms), _AND
        case Or(terms):
            text, binds = " OR ".join(_node(term, _AND) for term in terms), _OR
    return text if binds >= place else f"({text})"


def _test(test: Test) -> str:
    values = [_literal(value) for value in test.values]
    match test.operator:
        case Operator.IN | Operator.NOT_IN:
            rest = f" ({', '.join(values)})"
        case Operator.BETWEEN:
            rest = f" {values[0]} AND {values[1]}"
        case Operator.IS_NULL | Operator.IS_NOT_NULL:
            rest = ""
        case _:
            rest = f" {values[0]}"
    return f"{test.name} {test.operator.value}{rest}"


def _literal(value: Literal) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return repr(value)
