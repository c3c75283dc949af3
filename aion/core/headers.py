"""Headers: small text by name that travels with calls, from the client through every run they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from aion.core.errors import InvalidArgument
from aion.core.texts import check_text

Headers = Mapping[str, str]
NO_HEADERS: Final[Headers] = MappingProxyType({})

MOST_HEADER_BYTES: Final = 8 * 1024
"""Names and values together, in UTF-8. They are copied into every event that something starts with."""


def check_headers(headers: Mapping[Any, Any]) -> None:
    """Refuse headers that are not text to text, or too large.

    Raises:
        InvalidArgument: they are not usable.
    """
    size = 0
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgument(
                f"headers must be a dict of str to str, not {name!r}: {value!r}", field="headers"
            )
        check_text("headers", name, most=None)
        check_text("headers", value, most=None)
        size += len(name.encode()) + len(value.encode())
    if size > MOST_HEADER_BYTES:
        raise InvalidArgument(
            f"headers have {size:,} bytes; {MOST_HEADER_BYTES:,} are the most. They are copied into many "
            "events: pass a key and store the data elsewhere",
            field="headers",
        )
