"""How deep JSON from outside may nest. Pure.

Whoever reads JSON recurses: the parser, the codecs of payloads, replay, the pages that show it. A text that
one of them still reads may be too deep for another that has less of the stack left, so what comes from
outside is held far below what any of them can do.
"""

from __future__ import annotations

import json
from typing import Any, Final

DEEPEST: Final = 200


def read_json(text: str | bytes, *, deepest: int = DEEPEST) -> Any:
    """Read JSON that somebody sent.

    Raises:
        ValueError: it is no JSON, or nests deeper than `deepest`; the message says which.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_too_deep(deepest)) from None
    check_depth(value, deepest=deepest)
    return value


def check_depth(value: Any, *, deepest: int = DEEPEST) -> None:
    """Refuse JSON values that nest deeper than `deepest`, without recursion.

    Raises:
        ValueError: they do.
    """
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(deepest):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (list, dict))
        ]
    if level:
        raise ValueError(_too_deep(deepest))


def _too_deep(deepest: int) -> str:
    return f"it nests deeper than {deepest} levels"
