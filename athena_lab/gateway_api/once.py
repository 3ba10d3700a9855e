"""Send a request that starts something again until it is answered, under one key, so that it starts once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx

from athena_lab.errors import AthenaError, InProgressError, UnreachableError

KEY_HEADER = "Idempotency-Key"
LONGEST_KEY = 255
KEY_PATTERN = r"^[\x21-\x7e]+$"
"""A key is a word of visible ASCII."""
PAUSES_S = (0.5, 1.0, 2.0)
"""Before each new try where the gateway did not answer."""
STILL_S, LOOK_S = 30.0, 0.5
"""How long, and how often, it is asked again while it says that it still answers the first try."""
T = TypeVar("T")


def new_key() -> str:
    """Make a key that no other request has."""
    return uuid.uuid4().hex


def pauses_after() -> Callable[[AthenaError], float | None]:
    """Give who says how many seconds after an error the same request is sent again, None for never.

    It counts the errors that it is shown: a request has one of its own.
    """
    unanswered = iter(PAUSES_S)
    unended = iter(_looks())

    def pause_after(error: AthenaError) -> float | None:
        if isinstance(error, InProgressError):
            return next(unended, None)
        is_silent = isinstance(error, UnreachableError) and isinstance(error.__cause__, httpx.TransportError)
        return next(unanswered, None) if is_silent else None

    return pause_after


def send_once(send: Callable[[], T]) -> T:
    """Send with `send`, again where there was no answer; raise its last error."""
    pause_after = pauses_after()
    while True:
        try:
            return send()
        except AthenaError as error:
            pause_s = pause_after(error)
            if pause_s is None:
                raise
        time.sleep(pause_s)


def _looks() -> Iterator[float]:
    yield from (LOOK_S for _ in range(int(STILL_S / LOOK_S)))
