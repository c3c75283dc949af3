"""What goes wrong, and how often: that is drawn, too, so that some worlds are wild and some are calm."""

from __future__ import annotations

import random


class Faults:
    """Draws faults until they are `over`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.over = False
        self._switch = rng.choice([0.02, 0.2, 0.6])
        self._statement = rng.choice([0.0, 0.001, 0.01])
        self._between = rng.choice([0.0, 0.005, 0.02])
        self._message = rng.choice([0.0, 0.1, 0.4])
        self._bundle = rng.choice([0.0, 0.5, 0.9])
        self.at_once = rng.random() < 0.6  # whether an outcome is one statement, as on PostgreSQL
        self.beats = rng.choice([0, 1, 1, 2])

    def switches(self, kind: str = "") -> bool:
        """Whether another actor goes on before this statement."""
        odds = max(self._switch, 0.3) if kind == "committed" else self._switch
        return self._rng.random() < odds

    def at(self, kind: str) -> str:
        """What happens at a statement or commit: the session or the process ends, or nothing does."""
        if self.over:
            return ""
        odds = self._statement * (5 if kind in ("commit", "committed") else 1)
        if self._rng.random() >= odds:
            return ""
        return self._rng.choice(["break", "kill"])

    def between(self) -> str:
        """What happens between two steps."""
        if self.over or self._rng.random() >= self._between:
            return ""
        return self._rng.choice(["kill", "stop", "freeze", "jump", "flush", "break"])

    def loses_ring(self) -> bool:
        return not self.over and self._rng.random() < self._message

    def deliveries(self) -> list[float]:
        """The delays after which a message arrives: none when it is lost, two when it is doubled."""
        if self.over:
            return [0.01]
        delays = [self._rng.expovariate(2.0)]
        if self._rng.random() < self._message:
            return self._rng.choice([[], [*delays, self._rng.expovariate(0.2)]])
        return delays

    def bundles(self) -> bool:
        """Whether an attempt travels with others that wait."""
        return self._rng.random() < self._bundle
