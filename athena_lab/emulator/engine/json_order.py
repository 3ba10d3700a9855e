"""The order of JSON values: null, strings, numbers, booleans, arrays, objects; each by what it holds.

https://github.com/google/googlesql/blob/master/docs/data-types.md#json_type
"""

from __future__ import annotations

import decimal
import json
from typing import Any

_END = b"\x00"
_NULL, _STRING, _NUMBER, _BOOLEAN, _ARRAY, _OBJECT = (bytes([number]) for number in range(1, 7))
_NEGATIVE, _ZERO, _POSITIVE = b"\x00", b"\x01", b"\x02"
_MIDDLE = 2**31
_INVERTED = bytes(255 - value for value in range(256))


def rank(text: str) -> bytes:
    """Give bytes that are ordered, and equal, as the JSON values are that they are made of."""
    return _rank(json.loads(text, parse_float=decimal.Decimal))


def _rank(value: Any) -> bytes:
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _BOOLEAN + bytes([value])
    if isinstance(value, str):
        return _STRING + _text(value)
    if isinstance(value, list):
        return _ARRAY + b"".join(map(_rank, value)) + _END
    if isinstance(value, dict):
        return _OBJECT + b"".join(_text(key) + _rank(part) for key, part in sorted(value.items())) + _END
    return _NUMBER + _number(decimal.Decimal(value))


def _text(text: str) -> bytes:
    """A text that ends before any that goes on; what would end it too early is written with two bytes."""
    return b"\x01" + text.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _number(value: decimal.Decimal) -> bytes:
    if not value:
        return _ZERO
    size = abs(value)
    digits = "".join(map(str, size.as_tuple().digits)).rstrip("0")
    plain = (size.adjusted() + _MIDDLE).to_bytes(4, "big") + digits.encode() + b"\x01"
    return _POSITIVE + plain if value > 0 else _NEGATIVE + plain.translate(_INVERTED)


FUNCTIONS = {"athena_json_rank": (rank, ["VARCHAR"], "BLOB")}
