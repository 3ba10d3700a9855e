"""What the masks make of a value, in DuckDB's SQL.

https://cloud.google.com/bigquery/docs/column-data-masking-intro#masking_options
"""

from __future__ import annotations

from collections.abc import Callable

from athena_lab.emulator.policies.model import fits
from athena_lab.emulator.types import Field, duckdb_type

_DEFAULTS = {
    "STRING": "''", "BYTES": "''::BLOB", "INTEGER": "0", "FLOAT": "0", "NUMERIC": "0", "BIGNUMERIC": "0",
    "BOOLEAN": "false", "TIMESTAMP": "TIMESTAMPTZ '1970-01-01 00:00:00+00'", "DATE": "DATE '1970-01-01'",
    "TIME": "TIME '00:00:00'", "DATETIME": "TIMESTAMP '1970-01-01 00:00:00'",
}  # fmt: skip
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = r"[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@" + _LABEL + r"(?:\." + _LABEL + ")+"
"""What is taken for an address, in DuckDB's RE2; the quote is doubled."""


def mask_sql(mask: str, column: Field, value: str, salt: str) -> str:
    """Give the expression of a masked value; of a mask that does not fit the type nothing is seen."""
    kind = duckdb_type(column)
    if not fits(mask, column):
        return f"CAST(NULL AS {kind})"
    return f"CAST({_MASKS[mask](column, value, salt)} AS {kind})"


def _sha256(column: Field, value: str, salt: str) -> str:
    del salt
    digest = f"unhex(sha256({value}))"
    return digest if column.type == "BYTES" else f"to_base64({digest})"


def _random(column: Field, value: str, salt: str) -> str:
    salted = f"{value} || '{salt}'::BLOB" if column.type == "BYTES" else f"{value} || '{salt}'"
    digest = f"unhex(sha256({salted}))"
    return digest if column.type == "BYTES" else f"to_base64({digest})"


def _email(column: Field, value: str, salt: str) -> str:
    hidden = f"'XXXXX' || substr({value}, strpos({value}, '@'))"
    return f"CASE WHEN regexp_full_match({value}, '{_EMAIL}') THEN {hidden} ELSE {_sha256(column, value, salt)} END"


def _last_four(column: Field, value: str, salt: str) -> str:
    return f"CASE WHEN length({value}) > 4 THEN 'XXXXX' || right({value}, 4) ELSE {_sha256(column, value, salt)} END"


def _first_four(column: Field, value: str, salt: str) -> str:
    return f"CASE WHEN length({value}) > 4 THEN left({value}, 4) || 'XXXXX' ELSE {_sha256(column, value, salt)} END"


def _year(column: Field, value: str, salt: str) -> str:
    del column, salt
    return f"date_trunc('year', {value})"


def _default(column: Field, value: str, salt: str) -> str:
    del value, salt
    return "[]" if column.is_repeated else _DEFAULTS.get(column.type, "NULL")


def _null(column: Field, value: str, salt: str) -> str:
    del column, value, salt
    return "NULL"


_MASKS: dict[str, Callable[[Field, str, str], str]] = {
    "SHA256": _sha256,
    "RANDOM_HASH": _random,
    "EMAIL_MASK": _email,
    "LAST_FOUR_CHARACTERS": _last_four,
    "FIRST_FOUR_CHARACTERS": _first_four,
    "DATE_YEAR_MASK": _year,
    "DEFAULT_MASKING_VALUE": _default,
    "ALWAYS_NULL": _null,
}
