"""Random numbers and ids that depend on the run only.

Value n of stream s is a hash of (seed, s, n). Streams do not touch each other: one more call of
`random()` shifts no later id.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from typing import Any

from aion.core.ids import uuid7_from


class Stream(random.Random):
    """The values of one named stream, behind the interface of `random.Random`."""

    def __init__(self, seed: str, name: str) -> None:
        self._key = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=32).digest()
        self._count = 0
        super().__init__()

    def bits(self, count: int) -> int:
        """Give the next value of the stream, as `count` bits."""
        self._count += 1
        size = (count + 7) // 8
        value = b""
        block = 0
        while len(value) < size:
            counter = self._count.to_bytes(8, "big") + block.to_bytes(4, "big")
            value += hashlib.blake2b(counter, key=self._key, digest_size=64).digest()
            block += 1
        return int.from_bytes(value[:size], "big") >> (size * 8 - count)

    def random(self) -> float:
        """Give a float in [0, 1)."""
        return self.bits(53) / (1 << 53)

    def getrandbits(self, k: int, /) -> int:
        """Give k random bits."""
        return self.bits(k) if k else 0

    def seed(self, *_: Any, **__: Any) -> None:
        """Ignore: the seed is the run's."""


class Randomness:
    """The streams of one run."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._runs = Stream(seed, "run")
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Give a user's stream by name."""
        return self._stream(f"user:{name}")

    def _stream(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(self._seed, name)
        return stream

    def uuid4(self) -> uuid.UUID:
        """Give the next random id."""
        return uuid.UUID(int=self._stream("uuid4").bits(128), version=4)

    def uuid7(self, seconds: float) -> uuid.UUID:
        """Give the next id that begins with the time."""
        return uuid7_from(int(seconds * 1000), self._stream("uuid7").bits(74))

    def reseed_runs(self, seed: str) -> None:
        """Draw the ids of runs from another seed from now on."""
        self._runs = Stream(seed, "run")

    def run_id(self, seconds: float) -> uuid.UUID:
        """Give the id of a run that this one brings forth: a child, a successor."""
        return uuid7_from(int(seconds * 1000), self._runs.bits(74))


def as_id(seed: str) -> str:
    """Write a seed, which is the hex form of an id, as that id."""
    try:
        return str(uuid.UUID(seed))
    except ValueError:
        return ""
