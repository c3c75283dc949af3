"""Compression, where it pays."""

from __future__ import annotations

import zlib

from aion.core.errors import PayloadCodecError
from aion.core.sealing import PayloadContext


class Zlib:
    """Compresses payloads of `above` bytes or more, and only if they get smaller.

    `most` bounds what one payload may unfold to, so that damaged data cannot fill the memory. Nothing larger
    is compressed.
    """

    name = "zlib"

    def __init__(self, *, above: int = 1024, level: int = 6, most: int = 1 << 28) -> None:
        self.above = above
        self.level = level
        self.most = most

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Compress."""
        if not self.above <= len(data) <= self.most:
            return data
        packed = zlib.compress(data, self.level)
        return packed if len(packed) < len(data) else data

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Unfold.

        Raises:
            PayloadCodecError: the data is damaged, or unfolds to more than `most` bytes.
        """
        unfolding = zlib.decompressobj()
        plain = unfolding.decompress(data, self.most + 1)  # one more, for it to see the end
        if not unfolding.eof or len(plain) > self.most or unfolding.unused_data:
            text = (
                f"A compressed payload of workflow {context.workflow_id!r} is cut off or too large"
            )
            raise PayloadCodecError(text, codec=self.name)
        return plain
