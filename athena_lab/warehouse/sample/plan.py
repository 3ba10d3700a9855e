"""What decides the sample's content: the same plan gives the same rows, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

ZONE = "Europe/Amsterdam"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many customers, which days (local dates, `start` first) and the seed."""

    customers: int = 200
    days: int = 60
    start: date = date(2025, 12, 1)
    seed: int = 20260115

    def random(self, stream: str) -> np.random.Generator:
        """Give a generator of its own for each table, so that one table's change leaves the others alone."""
        return np.random.default_rng([self.seed, *stream.encode()])
