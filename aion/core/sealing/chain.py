"""The codecs in force: encode through all of them, decode by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from aion.core.errors import PayloadCodecError, PayloadUnavailable, UnknownPayloadCodec
from aion.core.sealing.contexts import Codec, PayloadContext
from aion.core.sealing.envelopes import MOST_CODECS


class Chain:
    """The codecs that encode, in their order, and those that only decode what was encoded before.

    Raises: ValueError where there are too many, two have one name, or more than one has keys.
    """

    def __init__(self, codecs: Sequence[Codec] = (), decoders: Iterable[Codec] = ()) -> None:
        self.codecs = tuple(codecs)
        self._by_name: dict[str, Codec] = {codec.name: codec for codec in codecs}
        if len(self.codecs) > MOST_CODECS:
            raise ValueError(f"a chain has at most {MOST_CODECS} codecs, not {len(self.codecs)}")
        if len(self._by_name) < len(self.codecs):
            raise ValueError(f"two codecs have one name: {[each.name for each in codecs]}")
        keyed = [codec.name for codec in codecs if hasattr(codec, "key_for")]
        if len(keyed) > 1:
            raise ValueError(f"at most one codec has keys, not {' and '.join(keyed)}")
        for codec in decoders:
            self._by_name.setdefault(codec.name, codec)

    def encode(self, data: bytes, context: PayloadContext) -> tuple[bytes, tuple[str, ...], str]:
        """Give the encoded bytes, the names of the codecs that changed them, and the key's id.

        Raises:
            PayloadUnavailable: a codec failed.
        """
        names: list[str] = []
        key = ""
        for codec in self.codecs:
            own = self._keyed(codec, context)
            changed: bytes = _guarded(codec.encode, codec.name, data, own)
            if changed != data:
                names.append(codec.name)
                key = own.key or key
                data = changed
        return data, tuple(names), key

    def _keyed(self, codec: Codec, context: PayloadContext) -> PayloadContext:
        key_for = getattr(codec, "key_for", None)
        if key_for is None:
            return context
        return msgspec.structs.replace(context, key=_guarded(key_for, codec.name, context))

    def decode(self, data: bytes, names: Sequence[str], key: str, context: PayloadContext) -> bytes:
        """Undo what an envelope says was done.

        Raises:
            UnknownPayloadCodec: a codec is neither in the chain nor among the decoders.
            PayloadUnavailable: a codec failed.
        """
        own = msgspec.structs.replace(context, key=key)
        for name in reversed(names):
            codec = self._by_name.get(name)
            if codec is None:
                raise UnknownPayloadCodec(
                    f"A payload of workflow {context.workflow_id!r} was encoded by {name!r}, which is "
                    "not configured here; add it to AION['PAYLOAD_DECODERS']",
                    codec=name,
                )
            data = _guarded(codec.decode, name, data, own)
        return data

    def is_current(self, names: Sequence[str], key: str, context: PayloadContext) -> bool:
        """Tell whether the whole chain, with its current key, has encoded something."""
        if tuple(names) != tuple(codec.name for codec in self.codecs):
            return False
        current = "".join(self._keyed(codec, context).key for codec in self.codecs)
        return current == key


def _guarded(call: Callable[..., Any], name: str, *args: Any) -> Any:
    """Call a codec, and name it in whatever goes wrong."""
    try:
        return call(*args)
    except PayloadUnavailable:
        raise
    except Exception as error:
        context: PayloadContext = args[-1]
        raise PayloadCodecError(
            f"Codec {name!r} failed for a payload of workflow {context.workflow_id!r}: "
            f"{type(error).__name__}: {error}",
            codec=name,
            key=context.key,
        ) from error
