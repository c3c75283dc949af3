"""The codecs that come along, named in `AION["PAYLOAD_CODECS"]`: compression and encryption.

Own codecs follow `aion.core.sealing.Codec`; nothing here is special to the store.
"""

from aion.codecs.compression import Zlib
from aion.codecs.encryption import AesGcm, Fernet
from aion.codecs.keyrings import Keyring
from aion.core.sealing import Codec, PayloadContext

__all__ = ["AesGcm", "Codec", "Fernet", "Keyring", "PayloadContext", "Zlib"]
