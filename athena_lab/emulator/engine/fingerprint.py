"""FARM_FINGERPRINT: FarmHash's Fingerprint64 (github.com/google/farmhash, farmhashna::Hash64)."""

from __future__ import annotations

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_MASK = (1 << 64) - 1


def fingerprint(data: bytes) -> int:
    """Give the signed 64-bit fingerprint of bytes."""
    found = _hash(data)
    return found - (1 << 64) if found >= 1 << 63 else found


def _hash(data: bytes) -> int:
    size = len(data)
    if size <= 16:
        return _up_to_16(data, size)
    if size <= 32:
        return _up_to_32(data, size)
    return _up_to_64(data, size) if size <= 64 else _long(data, size)


def _fetch(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return ((value >> by) | (value << (64 - by))) & _MASK


def _mix(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _pair(u: int, v: int, mul: int) -> int:
    a = _mix((u ^ v) * mul)
    b = _mix((v ^ a) * mul)
    return (b * mul) & _MASK


def _up_to_16(data: bytes, size: int) -> int:
    mul = _K2 + size * 2
    if size >= 8:
        a, b = (_fetch(data, 0) + _K2) & _MASK, _fetch(data, size - 8)
        c = (_rotate(b, 37) * mul + a) & _MASK
        d = ((_rotate(a, 25) + b) * mul) & _MASK
        return _pair(c, d, mul)
    if size >= 4:
        a = int.from_bytes(data[:4], "little")
        return _pair((size + (a << 3)) & _MASK, int.from_bytes(data[size - 4 : size], "little"), mul)
    if size > 0:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[size - 1] << 2)
        return (_mix((y * _K2) ^ (z * _K0)) * _K2) & _MASK
    return _K2


def _ends(data: bytes, size: int, first: int) -> tuple[int, int, int, int]:
    mul = _K2 + size * 2
    a, b = (_fetch(data, 0) * first) & _MASK, _fetch(data, 8)
    return a, b, (_fetch(data, size - 8) * mul) & _MASK, (_fetch(data, size - 16) * _K2) & _MASK


def _up_to_32(data: bytes, size: int) -> int:
    mul = _K2 + size * 2
    a, b, c, d = _ends(data, size, _K1)
    left = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    return _pair(left, (a + _rotate(b + _K2, 18) + c) & _MASK, mul)


def _up_to_64(data: bytes, size: int) -> int:
    mul = _K2 + size * 2
    a, b, c, d = _ends(data, size, _K2)
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    z = _pair(y, (a + _rotate(b + _K2, 18) + c) & _MASK, mul)
    e, f = (_fetch(data, 16) * mul) & _MASK, _fetch(data, 24)
    g = ((y + _fetch(data, size - 32)) * mul) & _MASK
    h = ((z + _fetch(data, size - 24)) * mul) & _MASK
    left = (_rotate(e + f, 43) + _rotate(g, 30) + h) & _MASK
    return _pair(left, (e + _rotate(f + a, 18) + g) & _MASK, mul)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_fetch(data, at + step) for step in (0, 8, 16, 24))
    a = (a + w) & _MASK
    b = _rotate(b + a + z, 21)
    c = a
    a = (a + x + y) & _MASK
    b = (b + _rotate(a, 44)) & _MASK
    return (a + z) & _MASK, (b + c) & _MASK


def _long(data: bytes, size: int) -> int:
    seed = 81
    y = (seed * _K1 + 113) & _MASK
    z = (_mix(y * _K2 + 113) * _K2) & _MASK
    v, w = (0, 0), (0, 0)
    x = (seed * _K2 + _fetch(data, 0)) & _MASK
    end = ((size - 1) // 64) * 64
    last = end + ((size - 1) & 63) - 63
    at = 0
    while at != end:
        x = (_rotate(x + y + v[0] + _fetch(data, at + 8), 37) * _K1) & _MASK
        y = (_rotate(y + v[1] + _fetch(data, at + 48), 42) * _K1) & _MASK
        x ^= w[1]
        y = (y + v[0] + _fetch(data, at + 40)) & _MASK
        z = (_rotate(z + w[0], 33) * _K1) & _MASK
        v = _weak(data, at, (v[1] * _K1) & _MASK, (x + w[0]) & _MASK)
        w = _weak(data, at + 32, (z + w[1]) & _MASK, (y + _fetch(data, at + 16)) & _MASK)
        z, x = x, z
        at += 64
    mul = (_K1 + ((z & 0xFF) << 1)) & _MASK
    w = ((w[0] + ((size - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x = (_rotate(x + y + v[0] + _fetch(data, last + 8), 37) * mul) & _MASK
    y = (_rotate(y + v[1] + _fetch(data, last + 48), 42) * mul) & _MASK
    x ^= (w[1] * 9) & _MASK
    y = (y + v[0] * 9 + _fetch(data, last + 40)) & _MASK
    z = (_rotate(z + w[0], 33) * mul) & _MASK
    v = _weak(data, last, (v[1] * mul) & _MASK, (x + w[0]) & _MASK)
    w = _weak(data, last + 32, (z + w[1]) & _MASK, (y + _fetch(data, last + 16)) & _MASK)
    z, x = x, z
    left = (_pair(v[0], w[0], mul) + _mix(y) * _K0 + z) & _MASK
    return _pair(left, (_pair(v[1], w[1], mul) + x) & _MASK, mul)


FUNCTIONS = {"athena_farm_fingerprint": (fingerprint, ["BLOB"], "BIGINT")}
