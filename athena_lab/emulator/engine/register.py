"""Gives DuckDB the functions of this package; they are the same for all connections of a process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import duckdb

from athena_lab.emulator.engine import (
    analysis,
    bignumerics,
    casting,
    ciphers,
    dates,
    documents,
    elements,
    fingerprint,
    javascript,
    json_order,
    network,
    numerals,
    octets,
    printing,
    sketches,
    text,
)

FUNCTIONS: dict[str, Any] = {
    **text.FUNCTIONS,
    **analysis.FUNCTIONS,
    **bignumerics.FUNCTIONS,
    **casting.FUNCTIONS,
    **ciphers.FUNCTIONS,
    **dates.FUNCTIONS,
    **documents.FUNCTIONS,
    **elements.FUNCTIONS,
    **numerals.FUNCTIONS,
    **fingerprint.FUNCTIONS,
    **javascript.FUNCTIONS,
    **json_order.FUNCTIONS,
    **network.FUNCTIONS,
    **octets.FUNCTIONS,
    **printing.FUNCTIONS,
    **sketches.FUNCTIONS,
}
"""Name in DuckDB: the function, its arguments' types, its result's. All give NULL for a NULL."""


def register(connection: Any) -> None:
    """Make the functions known to a DuckDB database."""
    connection.create_function(
        "athena_error", _fail, [duckdb.sqltype("VARCHAR")], duckdb.sqltype("NULL"), null_handling="special"
    )
    for name, (function, kinds, result) in FUNCTIONS.items():
        connection.create_function(
            name,
            _strict(function),
            [duckdb.sqltype(kind) for kind in kinds],
            duckdb.sqltype(result),
            null_handling="special",
            side_effects=getattr(function, "is_volatile", False),
        )


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give NULL for a NULL argument (DuckDB's own way of that refuses functions that may give NULL)."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return call


def _fail(message: str) -> None:
    """Fail with a message: unlike DuckDB's own error() it may stand below TRY."""
    raise ValueError(message)
