"""BIGNUMERIC: a whole number of 10^-38 in DuckDB's BIGNUM, a decimal256(76, 38) in Arrow; never rounded in between.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types
"""

from __future__ import annotations

import decimal
from typing import Any

import pyarrow as pa

SCALE = 38
ONE = 10**SCALE
LIMIT = 2**255
"""The least number of 10^-38 that is too great."""
KIND: pa.DataType = pa.decimal256(76, SCALE)
_EXACT = decimal.Context(prec=120)


def scaled(value: decimal.Decimal) -> int:
    """Give a number as one of 10^-38, halves rounded away from zero; refuse what BIGNUMERIC cannot hold."""
    if not value.is_finite() or value.adjusted() > SCALE + 1:
        raise ValueError(f"Invalid BIGNUMERIC value: {value}")
    made = int(_EXACT.to_integral_value(value.scaleb(SCALE, _EXACT).quantize(1, decimal.ROUND_HALF_UP, _EXACT)))
    return within(made)


def within(number: int) -> int:
    """Refuse a number of 10^-38 that BIGNUMERIC cannot hold."""
    if not -LIMIT <= number < LIMIT:
        raise ValueError("bignumeric overflow")
    return number


def unscaled(number: int) -> decimal.Decimal:
    """Give a number of 10^-38 as what it is."""
    return decimal.Decimal(number).scaleb(-SCALE, _EXACT)


def number_of(data: bytes) -> int:
    """Read DuckDB's BIGNUM: three bytes of sign and length, then the digits; all inverted for what is negative."""
    if data[0] & 0x80:
        return int.from_bytes(data[3:], "big")
    return -int.from_bytes(bytes(byte ^ 0xFF for byte in data[3:]), "big")


def to_decimals(column: pa.Array) -> pa.Array:
    """Give a column of BIGNUMs (as bytes) as decimals."""
    words = [None if data is None else number_of(data) for data in column.to_pylist()]
    packed = b"".join((number or 0).to_bytes(32, "little", signed=True) for number in words)
    plain = pa.Array.from_buffers(KIND, len(words), [None, pa.py_buffer(packed)])
    if not column.null_count:
        return plain
    bits = pa.array([number is not None for number in words], pa.bool_()).buffers()[1]
    return pa.Array.from_buffers(KIND, len(words), [bits, plain.buffers()[1]])


def to_texts(column: pa.Array) -> pa.Array:
    """Give a column of numbers or texts as numbers of 10^-38 in words, which DuckDB casts to BIGNUM."""
    return pa.array([text_of(value) for value in column.to_pylist()], pa.string())


def text_of(value: Any) -> str | None:
    """Give a value (a text or a number) as DuckDB casts it to BIGNUM."""
    try:
        return None if value is None else str(scaled(decimal.Decimal(str(value).strip())))
    except decimal.InvalidOperation as error:
        raise ValueError(f"Invalid BIGNUMERIC value: {str(value)[:40]}") from error
