"""Encryption with keys that rotate. It needs the `cryptography` package: the extra `encryption` brings it."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from aion.codecs.keyrings import Current, Keyring
from aion.core.errors import PayloadCodecError
from aion.core.sealing import PayloadContext

_NONCE: Final = 12  # bytes
_KEPT: Final = 1_000  # ciphers; a keyring with a key for each tenant may have many more keys


class _Encryption:
    """What both kinds share: a keyring, and a cipher made once for each key."""

    name: str

    def __init__(
        self, keys: Mapping[str, bytes | str] | None = None, *, current: Current = ""
    ) -> None:
        self._keyring = Keyring(keys, current=current)
        self._ciphers: dict[bytes, Any] = {}
        self._make = self._maker()

    def _maker(self) -> Any:
        raise NotImplementedError

    def key_for(self, context: PayloadContext) -> str:
        """Give the id of the key to encrypt with."""
        return self._keyring.current(context)

    def _cipher(self, context: PayloadContext) -> Any:
        key = self._keyring.key(context)
        cipher = self._ciphers.get(key)
        if cipher is None:
            if len(self._ciphers) >= _KEPT:
                self._ciphers.clear()
            cipher = self._ciphers[key] = self._make(key)
        return cipher

    def _refused(self, context: PayloadContext) -> PayloadCodecError:
        return PayloadCodecError(
            f"A payload of workflow {context.workflow_id!r} cannot be decrypted with key "
            f"{context.key!r}: it was changed, moved from another workflow id, or the id names another key",
            codec=self.name,
            key=context.key,
        )


class AesGcm(_Encryption):
    """AES-GCM with keys of 16, 24 or 32 bytes and a random nonce for each payload.

    A ciphertext is bound to its key's id and to the workflow id: moved to another workflow, it is refused.
    """

    name = "aes-gcm"

    def _maker(self) -> Any:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise _missing() from error
        return AESGCM

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Encrypt: the nonce, and the ciphertext behind it."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._cipher(context).encrypt(nonce, data, _bound_to(context))
        return nonce + sealed

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Decrypt.

        Raises:
            UnknownPayloadKey: the key is not in the keyring.
            PayloadCodecError: the data was changed, or is another workflow's or key's.
        """
        from cryptography.exceptions import InvalidTag

        cipher = self._cipher(context)
        try:
            plain: bytes = cipher.decrypt(data[:_NONCE], data[_NONCE:], _bound_to(context))
        except (InvalidTag, ValueError) as error:
            raise self._refused(context) from error
        return plain


def _bound_to(context: PayloadContext) -> bytes:
    return f"aion\0{context.key}\0{context.workflow_id}".encode()


class Fernet(_Encryption):
    """Fernet (AES-CBC and HMAC-SHA256) with keys of 32 bytes, for those who have such keys already.

    Unlike `AesGcm` it binds a ciphertext to its key only.
    """

    name = "fernet"

    def _maker(self) -> Any:
        try:
            from cryptography.fernet import Fernet as Cipher
        except ImportError as error:
            raise _missing() from error
        return lambda key: Cipher(base64.urlsafe_b64encode(key))

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Encrypt."""
        # The token is base64 text, and the envelope writes base64 again: keep its bytes.
        token: bytes = self._cipher(context).encrypt(data)
        return base64.urlsafe_b64decode(token)

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Decrypt.

        Raises:
            UnknownPayloadKey: the key is not in the keyring.
            PayloadCodecError: the data was changed, or is another key's.
        """
        from cryptography.fernet import InvalidToken

        cipher = self._cipher(context)
        try:
            plain: bytes = cipher.decrypt(base64.urlsafe_b64encode(data))
        except InvalidToken as error:
            raise self._refused(context) from error
        return plain


def _missing() -> ImproperlyConfigured:
    return ImproperlyConfigured(
        "Encrypted payloads need the cryptography package: pip install 'django-aion[encryption]'"
    )
