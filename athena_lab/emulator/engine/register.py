"""Gives DuckDB the functions of this package; they are the same for all connections of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from athena_lab.emulator.engine import (
    analysis,
    ciphers,
    dates,
    documents,
    fingerprint,
    javascript,
    network,
    sketches,
    text,
)

Functions = dict[str, tuple[Callable[..., Any], list[str], str]]

FUNCTIONS: Functions = {
    **text.FUNCTIONS,
    **analysis.FUNCTIONS,
    **ciphers.FUNCTIONS,
    **dates.FUNCTIONS,
    **documents.FUNCTIONS,
    **fingerprint.FUNCTIONS,
    **javascript.FUNCTIONS,
    **network.FUNCTIONS,
    **sketches.FUNCTIONS,
}
"""Name in DuckDB: the function, its arguments' types, its result's. A function that begins with
`null_` in its first argument's type sees NULLs; the others give NULL for them."""


def register(connection: Any) -> None:
    """Make the functions known to a DuckDB database."""
    connection.create_function(
        "athena_error", _fail, [duckdb.sqltype("VARCHAR")], duckdb.sqltype("NULL"), null_handling="special"
    )
    for name, (function, kinds, result) in FUNCTIONS.items():
        sees_nulls = getattr(function, "sees_nulls", False)
        connection.create_function(
            name,
            function,
            [duckdb.sqltype(kind) for kind in kinds],
            duckdb.sqltype(result),
            null_handling="special" if sees_nulls else "default",
            side_effects=getattr(function, "is_volatile", False),
        )


def _fail(message: str) -> None:
    """Fail with a message: unlike DuckDB's own error() it may stand below TRY."""
    raise ValueError(message)
