"""Functions whose names have a part before a dot: NET.HOST, HLL_COUNT.INIT, KEYS.NEW_KEYSET, ..."""

from __future__ import annotations

from collections.abc import Sequence

NAMESPACES = frozenset({"NET", "HLL_COUNT", "KLL_QUANTILES", "KEYS", "AEAD", "SAFE", "ML", "OBJ", "BQ"})


def is_namespaced(names: Sequence[str]) -> bool:
    """Tell whether a function's name begins with a namespace of GoogleSQL's own."""
    return len(names) > 1 and names[0].upper() in NAMESPACES
