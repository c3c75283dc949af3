"""Keys by their ids, of which one is current."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from aion.core.errors import UnknownPayloadKey
from aion.core.sealing import PayloadContext

VARIABLE: Final = "AION_PAYLOAD_KEYS"

Current = str | Callable[[PayloadContext], str]


class Keyring:
    """Several keys by id. The current one encrypts; all of them decrypt.

    Keys are bytes, or base64 text of them. `current` may be a function that chooses by the context, for a key
    of its own for each tenant; `keys` may be any mapping, also one that asks a key service. Without keys they
    come from the environment variable AION_PAYLOAD_KEYS: `ID:BASE64`, separated by spaces, the first is
    current.
    """

    def __init__(
        self, keys: Mapping[str, bytes | str] | None = None, *, current: Current = ""
    ) -> None:
        self._keys = _from_environment() if keys is None else keys
        if not current and self._keys:
            current = next(iter(self._keys))
        if not current:
            raise ImproperlyConfigured(f"There is no payload key: set {VARIABLE}, or give keys")
        self._current = current
        if isinstance(current, str) and current not in self._keys:
            raise ImproperlyConfigured(f"The current payload key {current!r} is not in the keyring")

    def current(self, context: PayloadContext) -> str:
        """Give the id of the key to encrypt with."""
        return self._current if isinstance(self._current, str) else self._current(context)

    def key(self, context: PayloadContext) -> bytes:
        """Give the key that the context names.

        Raises:
            UnknownPayloadKey: it is not here; the message names it, and no key.
        """
        try:
            found = self._keys[context.key]
        except KeyError:
            raise UnknownPayloadKey(
                f"A payload of workflow {context.workflow_id!r} needs key {context.key!r}, which is not "
                "in the keyring; add the key, then release the run",
                key=context.key,
            ) from None
        return found if isinstance(found, bytes) else read_key(context.key, found)


def read_key(key_id: str, text: str) -> bytes:
    """Read a key written as base64, of either alphabet.

    Raises:
        ImproperlyConfigured: it is none; the message names the id and not the key.
    """
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise ImproperlyConfigured(f"Payload key {key_id!r} is not base64") from None


_URL_SAFE: Final = str.maketrans("-_", "+/")


def _from_environment() -> dict[str, bytes | str]:
    keys: dict[str, bytes | str] = {}
    for entry in os.environ.get(VARIABLE, "").replace(",", " ").split():
        key_id, colon, text = entry.partition(":")
        if not colon or not key_id:
            raise ImproperlyConfigured(
                f"{VARIABLE} must hold ID:BASE64 entries; one has no id in front of a colon"
            )
        keys[key_id] = read_key(key_id, text)
    return keys
