"""A run's budget of bytes, as its kernel learns of it."""

from __future__ import annotations

from collections.abc import Mapping

from athena_lab.settings import Settings


def within_budget(environ: Mapping[str, str], bytes_left: int | None) -> Mapping[str, str]:
    """Let `%%athena` refuse what the budget no longer holds; the gateway counts what is billed all the same."""
    if bytes_left is None:
        return environ
    present = Settings.from_environment(environ).max_bytes
    limit = bytes_left if present is None else min(present, bytes_left)
    return {**environ, "ATHENA_MAX_BYTES": str(limit)}
