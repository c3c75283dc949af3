"""What went wrong, as data: exceptions to failures that can be stored, and back.

Theory of operation
-------------------
A `Failure` holds names and text, never classes, so that reading one needs no import of the code
that failed. Every exception becomes one, whatever it does: a `str()` that raises, a cause chain
that bites its tail, details with no JSON form. Everything kept is bounded in size and valid
Unicode, because a failure that cannot be written would hide the error behind it.

On the way back the `kind` decides the class, out of Aion's own few; an ordinary exception comes
back as an `ApplicationError` whose `type` is its class's name. The `failure` attribute of what
`exception_from` makes holds the data, and `failure_from` takes the traceback of the first place
from there, so that it survives every hop between activity, child and parent.
"""

from aion.core.failures.data import Failure, decode_failure, encode_failure
from aion.core.failures.describing import failure_from
from aion.core.failures.rebuilding import exception_from
from aion.core.failures.tracebacks import message_of

__all__ = [
    "Failure",
    "decode_failure",
    "encode_failure",
    "exception_from",
    "failure_from",
    "message_of",
]
