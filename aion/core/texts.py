"""What text both databases can store in columns of their own: checked before anything is written.

One row that a database refuses would fail the whole batch that it is written with.
"""

from __future__ import annotations

import re
from typing import Final

from aion.core.errors import InvalidArgument
from aion.core.payloads.limits import default_limits

_LONGEST_NAME: Final = 255  # characters, as the columns hold them
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def check_text(field: str, value: object, *, most: int | None = _LONGEST_NAME) -> None:
    """Refuse what is no text that both databases store: `most` characters, valid Unicode.

    Raises:
        InvalidArgument: it is not usable.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"{field} must be a str, not {type(value).__name__}", field=field)
    if most is not None and len(value) > most:
        raise InvalidArgument(
            f"{field} has {len(value)} characters; {most} are the most", field=field
        )
    if most is not None and "\0" in value:
        raise InvalidArgument(f"{field} contains a NUL character", field=field)
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidArgument(
            f"{field} contains a lone surrogate, which is not valid Unicode", field=field
        )


def check_indexable(field: str, data: bytes) -> bytes:
    """Give JSON back unless it holds a NUL character, which PostgreSQL's jsonb cannot store.

    Raises:
        InvalidArgument: it does.
        PayloadTooLarge: it is larger than what may lie in a row.
    """
    default_limits().check_in_row(len(data), field=field)
    if _NUL.search(data):
        raise InvalidArgument(f"{field} contains a NUL character", field=field)
    return data
