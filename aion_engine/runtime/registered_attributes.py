"""The registered search attributes, as the turns of one worker know them.

Workflow code asks for them without any look at the database: what this process remembers is told to each
instance before it goes on. Installations that use no search attributes read nothing, ever. Where code meets a
name that is unknown here, it may have been registered a moment ago: the rows are read once for the batch, and
the turn is taken again; a name that is still unknown holds the run.
"""

from __future__ import annotations

import time
from typing import Final

from aion.store.attribute_registry import registry
from aion_engine.replay.instance import Instance

_REMEMBERED_FOR: Final = 60.0  # seconds: so long a removed attribute may still be accepted


class RegisteredAttributes:
    """What one worker's turns know; `begin` starts a batch."""

    def __init__(self) -> None:
        self._is_fresh = False
        self._used = False
        self._read_at = time.monotonic()

    def begin(self) -> None:
        """Begin a batch; where attributes are in use, read the rows anew now and then."""
        self._is_fresh = False
        if self._used and time.monotonic() - self._read_at > _REMEMBERED_FOR:
            self._read()

    def tell(self, instance: Instance) -> None:
        """Let an instance that goes on live know what is registered."""
        instance.context.attributes.registered = registry.known

    def note(self, instance: Instance) -> None:
        """Take note of whether the code of an instance has asked for attributes."""
        self._used = self._used or instance.context.attributes.consulted

    def learns(self) -> bool:
        """Read the rows, once for each batch; tell whether there is anything new."""
        if self._is_fresh:
            return False
        before = registry.known
        self._read()
        return registry.known != before

    def _read(self) -> None:
        registry.reload()
        self._is_fresh, self._used = True, False
        self._read_at = time.monotonic()
