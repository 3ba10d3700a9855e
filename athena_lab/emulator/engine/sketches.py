"""HLL_COUNT.* and KLL_QUANTILES.*: sketches as bytes of our own, exact while small.

A sketch can only be read by the functions here, as in BigQuery by its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib

_HLL, _KLL = b"AH2", b"AK1"
_TAGS = {"VARCHAR": b"s", "BLOB": b"b", "DECIMAL": b"n"}
"""Of what type a sketch is: those of different types do not merge."""
_EXACT = 20_000
"""Hashes that an HLL sketch keeps as they are; beyond that it is 2**_BITS registers."""
_BITS = 15
_KEPT = 20_000
"""Values that a KLL sketch keeps, each with the number of values that it stands for."""


def hll_init(values: list[str | None], kind: str) -> bytes | None:
    """HLL_COUNT.INIT of the distinct values, written as text, of a type."""
    hashes = {_hash(value) for value in values if value is not None}
    return _hll_pack(hashes, _TAGS.get(kind.partition("(")[0], b"i")) if hashes else None


def _hash(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big")


def _hll_pack(hashes: set[int], tag: bytes) -> bytes:
    if len(hashes) <= _EXACT:
        body = b"E" + b"".join(item.to_bytes(8, "big") for item in sorted(hashes))
    else:
        body = b"R" + bytes(_registers(hashes))
    return _HLL + tag + zlib.compress(body, 1)


def _registers(hashes: set[int]) -> bytearray:
    made = bytearray(1 << _BITS)
    for item in hashes:
        at, rest = item >> (64 - _BITS), item & ((1 << (64 - _BITS)) - 1)
        rank = (64 - _BITS) - rest.bit_length() + 1
        made[at] = max(made[at], rank)
    return made


def _hll_read(sketch: bytes) -> set[int] | bytearray:
    if not sketch.startswith(_HLL):
        raise ValueError("Invalid or incompatible sketch in HLL_COUNT")
    body = zlib.decompress(sketch[4:])
    if body[:1] == b"E":
        return {int.from_bytes(body[at : at + 8], "big") for at in range(1, len(body), 8)}
    return bytearray(body[1:])


def hll_merge_partial(sketches: list[bytes | None]) -> bytes | None:
    """HLL_COUNT.MERGE_PARTIAL."""
    present = [item for item in sketches if item is not None]
    found = [_hll_read(item) for item in present]
    if not found:
        return None
    tags = {item[3:4] for item in present}
    if len(tags) > 1:
        raise ValueError("Invalid or incompatible sketch in HLL_COUNT.MERGE")
    tag = tags.pop()
    exact = [item for item in found if isinstance(item, set)]
    if len(exact) == len(found):
        return _hll_pack(set().union(*exact), tag)
    merged = _registers(set().union(*exact)) if exact else bytearray(1 << _BITS)
    for item in found:
        if isinstance(item, bytearray):
            merged = bytearray(max(one, two) for one, two in zip(merged, item, strict=True))
    return _HLL + tag + zlib.compress(b"R" + bytes(merged), 1)


def hll_extract(sketch: bytes) -> int:
    """HLL_COUNT.EXTRACT."""
    found = _hll_read(sketch)
    if isinstance(found, set):
        return len(found)
    size = 1 << _BITS
    estimate = 0.7213 / (1 + 1.079 / size) * size * size / sum(2.0**-rank for rank in found)
    zeros = found.count(0)
    if estimate <= 2.5 * size and zeros:
        estimate = size * math.log(size / zeros)
    return round(estimate)


def kll_init(values: list[float | None]) -> bytes | None:
    """KLL_QUANTILES.INIT_FLOAT64."""
    return _kll_pack(sorted((value, 1) for value in values if value is not None and not math.isnan(value)))


def kll_init_integers(values: list[int | None]) -> bytes | None:
    """KLL_QUANTILES.INIT_INT64."""
    return _kll_pack(sorted((value, 1) for value in values if value is not None))


def _kll_pack(weighted: list[tuple[float, int]]) -> bytes | None:
    if not weighted:
        return None
    while len(weighted) > _KEPT:
        inner = weighted[1:-1]
        halves = [(inner[at][0], sum(item[1] for item in inner[at : at + 2])) for at in range(0, len(inner), 2)]
        weighted = [weighted[0], *halves, weighted[-1]]
    return _KLL + zlib.compress(json.dumps(weighted).encode(), 1)


def _kll_read(sketch: bytes) -> list[tuple[float, int]]:
    if not sketch.startswith(_KLL):
        raise ValueError("Invalid or incompatible sketch in KLL_QUANTILES")
    return [(value, weight) for value, weight in json.loads(zlib.decompress(sketch[3:]))]


def kll_merge_partial(sketches: list[bytes | None]) -> bytes | None:
    """KLL_QUANTILES.MERGE_PARTIAL."""
    return _kll_pack(sorted(part for item in sketches if item is not None for part in _kll_read(item)))


def _quantile(weighted: list[tuple[float, int]], phi: float) -> float:
    total = sum(weight for _, weight in weighted)
    wanted, passed = phi * (total - 1), 0
    at = math.floor(wanted + 0.5)
    for value, weight in weighted:
        passed += weight
        if at < passed:
            return value
    return weighted[-1][0]


def kll_extract(sketch: bytes, number: int) -> list[float]:
    """KLL_QUANTILES.EXTRACT_FLOAT64: number + 1 values."""
    weighted = _kll_read(sketch)
    return [float(_quantile(weighted, index / number)) for index in range(number + 1)]


def kll_extract_integers(sketch: bytes, number: int) -> list[int]:
    """KLL_QUANTILES.EXTRACT_INT64."""
    weighted = _kll_read(sketch)
    return [int(_quantile(weighted, index / number)) for index in range(number + 1)]


def kll_point(sketch: bytes, phi: float) -> float:
    """KLL_QUANTILES.EXTRACT_POINT_FLOAT64."""
    return float(_quantile(_kll_read(sketch), phi))


def kll_point_integer(sketch: bytes, phi: float) -> int:
    """KLL_QUANTILES.EXTRACT_POINT_INT64."""
    return int(_quantile(_kll_read(sketch), phi))


FUNCTIONS = {
    "athena_hll_init": (hll_init, ["VARCHAR[]", "VARCHAR"], "BLOB"),
    "athena_hll_merge_partial": (hll_merge_partial, ["BLOB[]"], "BLOB"),
    "athena_hll_extract": (hll_extract, ["BLOB"], "BIGINT"),
    "athena_kll_init": (kll_init, ["DOUBLE[]"], "BLOB"),
    "athena_kll_init_integers": (kll_init_integers, ["BIGINT[]"], "BLOB"),
    "athena_kll_merge_partial": (kll_merge_partial, ["BLOB[]"], "BLOB"),
    "athena_kll_extract": (kll_extract, ["BLOB", "BIGINT"], "DOUBLE[]"),
    "athena_kll_extract_integers": (kll_extract_integers, ["BLOB", "BIGINT"], "BIGINT[]"),
    "athena_kll_point": (kll_point, ["BLOB", "DOUBLE"], "DOUBLE"),
    "athena_kll_point_integer": (kll_point_integer, ["BLOB", "DOUBLE"], "BIGINT"),
}
