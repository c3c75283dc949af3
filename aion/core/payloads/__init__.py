"""User data as JSON bytes, and back by type hints.

Theory of operation
-------------------
Encoding looks at the value alone, decoding at the hint alone: classes come from the code that
asks, never from the data. What a hint cannot bring back unchanged is refused, at definition time
through `check_hint` or when the value is encoded, rather than stored as something else: NaN and
infinities, which JSON has no word for; lone surrogates, which UTF-8 has none for.

Known and accepted: without a hint (or with `Any`) objects come back as dicts, tuples and sets as
lists; dict keys are text in JSON, so an untyped dict with number keys comes back with strings;
time zones come back as fixed offsets of whole minutes; an instance of a subclass comes back as
the class that the hint names. The members of a union that JSON cannot tell apart are tried in the
order they are declared (see `standins.choice_of`), so `UUID | str` is right and `str | UUID` never
gives a UUID.
"""

from aion.core.payloads.converters import schema_of
from aion.core.payloads.decoding import Decoder, check_hint, decode, decoder_for
from aion.core.payloads.encoding import encode
from aion.core.payloads.limits import Limits, default_limits, set_default_limits
from aion.core.payloads.registering import register_converter, unregister_converter

__all__ = [
    "Decoder",
    "Limits",
    "check_hint",
    "decode",
    "decoder_for",
    "default_limits",
    "encode",
    "register_converter",
    "schema_of",
    "set_default_limits",
    "unregister_converter",
]
