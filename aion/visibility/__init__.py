"""The language of lists: text to a syntax tree, the tree to conditions on typed fields. Pure.

Theory of operation
-------------------
`parse` reads a query and `search_box` the short form that people type into a box; both give the same tree
of `syntax`, which knows names and literals and no meaning. `printed` writes a tree as a query: what it writes
reads as the same tree. `resolve` gives names their fields and literals their types, by the registered search
attributes and a moment that stands for now. Every error of these is an `InvalidListQuery` that points at a
character. Length, depth and number of terms are bounded, so no text costs more than some milliseconds.

What the conditions are in SQL is `aion.store.listing`'s to say.
"""

from aion.visibility.meaning import (
    Condition,
    resolve,
    resolve_order,
)
from aion.visibility.parser import (
    parse,
)
from aion.visibility.printer import (
    printed,
)
from aion.visibility.qualifiers import (
    search_box,
)
from aion.visibility.syntax import (
    And,
    Not,
    Operator,
    Or,
    Order,
    Query,
    Test,
)

__all__ = [
    "And",
    "Condition",
    "Not",
    "Operator",
    "Or",
    "Order",
    "Query",
    "Test",
    "parse",
    "printed",
    "resolve",
    "resolve_order",
    "search_box",
]
