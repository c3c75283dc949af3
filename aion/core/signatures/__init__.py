"""The arguments and result of a function as payloads: checked, encoded, decoded.

Theory of operation
-------------------
Arguments are stored as `{"args": [...], "kwargs": {...}}`, parts that are empty left out, so that
plain SQL can read them. A call is checked against the function's parameters where it is made.
Where it arrives the function may have changed: what it no longer takes is dropped, what it has
come to take must have a default.

Hints are resolved one by one, when a value of theirs is first read, so that importing a module of
workflows never fails for a name that exists only for type checkers; `DefinitionError` then says
which. Encoding needs no hints.
"""

from aion.core.signatures.arguments import decode_any, decode_arguments, encode_arguments
from aion.core.signatures.call import CallSignature

__all__ = ["CallSignature", "decode_any", "decode_arguments", "encode_arguments"]
