"""Die at a chosen point of a promotion. For tests only: they prove that a crash loses and doubles nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from athena_lab.errors import ConfigurationError

SEAMS = ("bundle", "audit", "commit", "push", "reparse", "answer")
CRASH_CODE = 86


def crash_at(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Give a function that ends the process without any cleaning up at the seam that ATHENA_CRASH_AT names."""
    chosen = environ.get("ATHENA_CRASH_AT")
    if chosen and chosen not in SEAMS:
        raise ConfigurationError(
            f"Cannot read the setting ATHENA_CRASH_AT: '{chosen}' is no seam. "
            f"Use one of {', '.join(SEAMS)}, in tests only."
        )

    def at_seam(seam: str) -> None:
        if seam == chosen:
            os._exit(CRASH_CODE)

    return at_seam
