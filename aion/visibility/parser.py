"""From the words of a query to its tree, by recursive descent. Depth and number of terms are bounded.

query   = [ either ] [ ORDER BY name [ ASC | DESC ] ]
either  = all { OR all }
all     = term { AND term }
term    = NOT term | "(" either ")" | test
test    = name ( sign value | [ NOT ] IN "(" value { "," value } ")" | BETWEEN value AND value
               | STARTS_WITH value | IS [ NOT ] NULL )
value   = text in quotes | number | TRUE | FALSE
"""

from __future__ import annotations

from typing import Final

from aion.core.errors import InvalidArgument, InvalidListQuery
from aion.visibility.lexer import Token, tokens
from aion.visibility.problems import problem
from aion.visibility.syntax import And, Literal, Node, Not, Operator, Or, Order, Query, Test

MOST_TERMS: Final = 200
DEEPEST: Final = 20

_SIGNS: Final = {
    operator.value: operator
    for operator in (
        Operator.EQ,
        Operator.NE,
        Operator.LT,
        Operator.LE,
        Operator.GT,
        Operator.GE,
    )
}


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        InvalidListQuery: it cannot be read; the message says where, and what was expected.
        InvalidArgument: it is no text.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"query must be a str, not {type(text).__name__}", field="query")
    return _Parser(text).query()


class _Parser:
    """Reads one text, a word ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = next(self._tokens)
        self._depth = 0
        self._terms = 0

    def query(self) -> Query:
        where = order = None
        if self._next.kind != "end" and not self._is("ORDER"):
            where = self._either()
        if self._take("ORDER"):
            order = self._order()
        if self._next.kind != "end":
            wanted = "the end" if order else "AND, OR, ORDER BY or the end"
            raise self._unexpected(wanted)
        return Query(where, order, self._text)

    def _order(self) -> Order:
        if not self._take("BY"):
            raise self._unexpected("BY")
        name = self._name()
        descending = bool(self._take("DESC"))
        if not descending:
            self._take("ASC")
        return Order(name.text, descending, name.position)

    def _either(self) -> Node:
        terms = [self._all()]
        while self._take("OR"):
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _all(self) -> Node:
        terms = [self._term()]
        while self._take("AND"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _term(self) -> Node:
        opened = self._next
        if not (opened.text == "(" or self._is("NOT")):
            return self._test()
        self._depth += 1
        if self._depth > DEEPEST:
            raise problem(self._text, opened.position, f"This nests deeper than {DEEPEST}")
        if self._take("NOT"):
            term: Node = Not(self._term())
        else:
            self._take("(")
            term = self._either()
            self._close("AND, OR or )")
        self._depth -= 1
        return term

    def _test(self) -> Test:
        name = self._name()
        word = self._next
        if word.kind == "sign" and word.text in _SIGNS:
            self._advance()
            return self._made(name, _SIGNS[word.text], [self._value()])
        if self._take("STARTS_WITH"):
            return self._made(name, Operator.STARTS_WITH, [self._value()])
        if self._take("BETWEEN"):
            low = self._value()
            if not self._take("AND"):
                raise self._unexpected("AND and the upper bound")
            return self._made(name, Operator.BETWEEN, [low, self._value()])
        if self._take("IN"):
            return self._made(name, Operator.IN, self._list())
        if self._take("NOT"):
            if not self._take("IN"):
                raise self._unexpected("IN")
            return self._made(name, Operator.NOT_IN, self._list())
        if self._take("IS"):
            operator = Operator.IS_NOT_NULL if self._take("NOT") else Operator.IS_NULL
            if not self._take("NULL"):
                raise self._unexpected("NULL")
            return self._made(name, operator, [])
        raise self._unexpected(
            "an operator: =, !=, <, <=, >, >=, IN, NOT IN, BETWEEN, STARTS_WITH, IS NULL"
        )

    def _made(self, name: Token, operator: Operator, values: list[tuple[Literal, int]]) -> Test:
        self._count(name)
        return Test(
            name.text,
            operator,
            tuple(value for value, _ in values),
            name.position,
            tuple(place for _, place in values),
        )

    def _list(self) -> list[tuple[Literal, int]]:
        if not self._take("("):
            raise self._unexpected("( and a list of values")
        values = [self._value()]
        while self._take(","):
            self._count(self._next)
            values.append(self._value())
        self._close(", or )")
        return values

    def _value(self) -> tuple[Literal, int]:
        token = self._next
        if token.kind in ("string", "number"):
            self._advance()
            return token.value, token.position
        if token.text in ("TRUE", "FALSE"):
            self._advance()
            return token.text == "TRUE", token.position
        if token.kind == "name":
            raise self._unexpected(f"a value; text stands in quotes: '{token.text}'")
        raise self._unexpected("a value: text in quotes, a number, true or false")

    def _name(self) -> Token:
        token = self._next
        if token.kind != "name":
            raise self._unexpected("the name of a field")
        self._advance()
        return token

    # --- words ---

    def _advance(self) -> None:
        self._next = next(self._tokens)

    def _is(self, text: str) -> bool:
        return self._next.kind in ("keyword", "sign") and self._next.text == text

    def _take(self, text: str) -> bool:
        """Go past a keyword or sign, if it is this one."""
        if not self._is(text):
            return False
        self._advance()
        return True

    def _close(self, wanted: str) -> None:
        if not self._take(")"):
            raise self._unexpected(wanted)

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise problem(self._text, token.position, f"A query has at most {MOST_TERMS} terms")

    def _unexpected(self, wanted: str) -> InvalidListQuery:
        token = self._next
        found = "the query ends" if token.kind == "end" else f"there is {token.text[:40]}"
        message = f"Expected {wanted}, but {found}"
        return problem(self._text, token.position, message, length=len(token.text))
