"""Definitions made by tests stay in the test; a few are tried out in the replay core."""

from tests.replay.conftest import own_registry, play

__all__ = ["own_registry", "play"]
