"""Remember which polled requests were recorded a moment ago, so that polling does not fill the audit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

RECORD_EVERY_S = 60.0
_MOST_KEYS = 10_000


class Repeats:
    """What was recorded within the last minute, by (credential, action, object)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._recorded: dict[Hashable, float] = {}

    def is_new(self, key: Hashable) -> bool:
        """Was it not recorded within the last minute?"""
        with self._lock:
            recorded = self._recorded.get(key)
        return recorded is None or self._clock() - recorded >= RECORD_EVERY_S

    def remember(self, key: Hashable) -> None:
        """Keep that it is on record now."""
        with self._lock:
            if len(self._recorded) >= _MOST_KEYS:
                # Forgetting only means that something is recorded once more.
                self._recorded.clear()
            self._recorded[key] = self._clock()
