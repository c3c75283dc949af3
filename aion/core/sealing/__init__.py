"""How payloads lie in the tables: encoded, in envelopes. Pure.

Theory of operation
-------------------
Workflow code and replay see plain JSON. What is written is *sealed* at the store's boundary, and *unsealed*
where the store is read: a chain of codecs turns the bytes of a payload into other bytes, and an envelope that
names the codecs and the key stands in the payload's place. Reading follows the envelope and never the
settings, so old data stays readable when the chain changes.

Ids, names, times and policies stay as they are. So an event whose payloads are sealed is still an event: what
is only routed, counted or compared by ids is never unsealed, and needs no key.

User data that begins like an envelope is put into one that has no codec.
"""

from aion.core.sealing.chain import Chain
from aion.core.sealing.contexts import Codec, PayloadContext
from aion.core.sealing.envelopes import MARK, Envelope, Stored, is_envelope, read_envelope
from aion.core.sealing.fields import holds_payloads
from aion.core.sealing.sealer import Files, Sealer

__all__ = [
    "MARK",
    "Chain",
    "Codec",
    "Envelope",
    "Files",
    "PayloadContext",
    "Sealer",
    "Stored",
    "holds_payloads",
    "is_envelope",
    "read_envelope",
]
