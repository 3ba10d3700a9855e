"""CAST(number AS STRING FORMAT …), and CAST … FORMAT between STRING and BYTES.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_numeric_type_as_string
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext

_NUMBER = re.compile(
    r"(?P<fm>FM)?(?P<s1>S)?(?P<money>\$|C|L)?(?P<whole>[09,G]*)(?P<point>[.D])?(?P<part>[09]*)(?P<exp>EEEE)?"
    r"(?P<last>S|MI|PR)?$",
    re.IGNORECASE,
)
_HEXADECIMAL = re.compile(r"(?P<fm>FM)?(?P<s1>S)?(?P<digits>[0Xx]*[Xx][0Xx]*)(?P<last>S|MI|PR)?$")


@dataclass(frozen=True, slots=True)
class _Shape:
    """What stands around the digits: whether blanks are dropped, the sign's form, the currency."""

    is_tight: bool
    leading_sign: bool
    last: str
    money: str = ""


def text_of_number(text: str, pattern: str) -> str:
    """Write a number, given as text, by a pattern."""
    value = Decimal(text.strip())
    if not value.is_finite():
        raise ValueError(f"Unsupported feature: CAST of {text} with FORMAT")
    found = _HEXADECIMAL.match(pattern)
    if found:
        shape = _Shape(bool(found["fm"]), bool(found["s1"]), (found["last"] or "").upper())
        return _framed(_hexadecimal(value, found["digits"]), len(found["digits"]), value, shape)
    found = _NUMBER.match(pattern)
    if found is None or not (found["whole"] or found["part"]):
        raise ValueError(f"Unsupported feature: the format '{pattern}' of a number")
    money = {"$": "$", "L": "$", "C": "USD", "c": "usd", "l": "$"}.get(found["money"] or "", "")
    shape = _Shape(bool(found["fm"]), bool(found["s1"]), (found["last"] or "").upper(), money)
    if found["exp"]:
        return _framed(_exponent(value, len(found["part"])), len(found["part"]) + 6 + bool(found["part"]), value, shape)
    return _framed(*_decimal(value, found, shape), value, shape)


def _hexadecimal(value: Decimal, digits: str) -> str:
    made = f"{int(abs(value).to_integral_value(ROUND_HALF_UP)):X}"
    if len(made) > len(digits):
        return "#" * len(digits)
    first = digits.find("0")
    made = made.rjust(len(digits) - first if first >= 0 else 0, "0")
    cases = digits[len(digits) - len(made) :]
    return "".join(_cased(letter, cases, at) for at, letter in enumerate(made))


def _cased(letter: str, cases: str, at: int) -> str:
    following = next((case for case in cases[at:] if case in "Xx"), "X")
    return letter.lower() if following == "x" else letter


def _exponent(value: Decimal, places: int) -> str:
    if not value:
        return f"{0:.{places}f}E+00"
    mantissa, _, power = f"{abs(value):.{places}E}".partition("E")
    return f"{mantissa}E{'-' if int(power) < 0 else '+'}{abs(int(power)):02d}"


def _decimal(value: Decimal, found: re.Match[str], shape: _Shape) -> tuple[str, int]:
    whole, places = found["whole"].replace("g", "G").replace("G", ","), len(found["part"])
    room = len(whole) + (places + 1 if found["point"] else 0) + len(shape.money)
    rounded = abs(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    digits, _, fraction = f"{rounded:f}".partition(".")
    if digits == "0":
        digits = ""
    if len(digits) > len(whole.replace(",", "")):
        text = "".join("," if letter == "," else "#" for letter in whole) + (
            "." + "#" * places if found["point"] else ""
        )
        return shape.money + text, room
    made = _grouped(digits, whole)
    if not made and not (places and found["part"]):
        made = "0" if not rounded else made
    if found["point"]:
        kept = _trimmed(fraction, found["part"]) if shape.is_tight else fraction
        made += f".{kept}"
    return shape.money + made, room


def _trimmed(fraction: str, pattern: str) -> str:
    """With FM trailing zeros go, but for those that the pattern asks for with 0."""
    least = pattern.rfind("0") + 1
    while len(fraction) > least and fraction.endswith("0"):
        fraction = fraction[:-1]
    return fraction


def _grouped(digits: str, whole: str) -> str:
    """Put digits and commas into the places of a pattern, from the right."""
    first_zero = whole.find("0")
    made, left = [], digits
    for at in range(len(whole) - 1, -1, -1):
        is_asked = first_zero >= 0 and at >= first_zero
        if whole[at] == ",":
            if left or is_asked:
                made.append(",")
        elif left:
            made.append(left[-1])
            left = left[:-1]
        elif is_asked:
            made.append("0")
    return "".join(reversed(made))


def _framed(text: str, room: int, value: Decimal, shape: _Shape) -> str:
    """Put the sign where the pattern says, and blanks before."""
    is_negative = value < 0
    sign = "-" if is_negative else "+" if value > 0 else " "
    before, after = "-" if is_negative else "", ""
    if shape.leading_sign:
        before = sign
    elif shape.last == "S":
        before, after = "", sign
    elif shape.last == "MI":
        before, after = "", "-" if is_negative else " "
    elif shape.last == "PR":
        before, after = ("<", ">") if is_negative else (" ", " ")
    if shape.is_tight:
        return f"{before.strip()}{text}{after.strip()}"
    width = room + (0 if shape.last in ("S", "MI") else 1)
    return f"{before}{text}".rjust(width) + after


def round_even(text: str, places: int) -> str:
    """ROUND of a NUMERIC with ROUND_HALF_EVEN."""
    return f"{Decimal(text).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):f}"


def exact_numeric(value: float) -> str:
    """CAST of a FLOAT64 to NUMERIC: the number that its bits stand for, halves at the ninth digit away from zero."""
    if not math.isfinite(value):
        raise ValueError(f"Illegal conversion of non-finite floating point number to a numeric value: {value}")
    with localcontext(prec=400):
        made = Decimal(value).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    if abs(made) >= Decimal(10) ** 29:
        raise ValueError(f"numeric out of range: {value}")
    return f"{made:f}"


def quotient(left: str, right: str) -> str:
    """DIV of two NUMERICs."""
    if not Decimal(right):
        raise ValueError(f"division by zero: {left} / {right}")
    with localcontext(prec=80):
        return f"{Decimal(left) // Decimal(right):f}"


def divided(left: str, right: str) -> str:
    """Divide two NUMERICs; halves at the ninth digit are rounded away from zero."""
    if not Decimal(right):
        raise ValueError(f"division by zero: {left} / {right}")
    with localcontext(prec=120):
        made = (Decimal(left) / Decimal(right)).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    if abs(made) >= Decimal(10) ** 29:
        raise ValueError(f"numeric overflow: {left} / {right}")
    return f"{made:f}"


def multiplied(left: str, right: str) -> str:
    """Multiply two NUMERICs; halves at the ninth digit are rounded away from zero."""
    with localcontext(prec=120):
        made = (Decimal(left) * Decimal(right)).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    if abs(made) >= Decimal(10) ** 29:
        raise ValueError(f"numeric overflow: {left} * {right}")
    return f"{made:f}"


def _sparse(text: str) -> dict[str, float]:
    pairs = json.loads(text)
    made = {str(dimension): float(magnitude) for dimension, magnitude in pairs}
    if len(made) != len(pairs):
        raise ValueError("Duplicate dimension in a sparse vector")
    return made


def sparse_cosine(left: str, right: str) -> float:
    """COSINE_DISTANCE of vectors of (dimension, magnitude), given as JSON."""
    one, two = _sparse(left), _sparse(right)
    lengths = math.hypot(*one.values()) * math.hypot(*two.values())
    if not lengths:
        raise ValueError("Cannot compute cosine distance against zero vector.")
    return 1 - sum(value * two.get(key, 0.0) for key, value in one.items()) / lengths


def sparse_euclidean(left: str, right: str) -> float:
    """EUCLIDEAN_DISTANCE of vectors of (dimension, magnitude), given as JSON."""
    one, two = _sparse(left), _sparse(right)
    return math.hypot(*(one.get(key, 0.0) - two.get(key, 0.0) for key in one | two))


_LINE = 76
"""How long a line of BASE64M is (RFC 2045)."""
_BASES = {"BASE2": 1, "BASE8": 3, "BASE16": 4, "HEX": 4}


def text_of_bytes(data: bytes, pattern: str) -> str:
    """CAST(bytes AS STRING FORMAT …)."""
    kind = pattern.upper()
    if kind == "BASE32":
        return base64.b32encode(data).decode()
    if kind == "BASE64":
        return base64.b64encode(data).decode()
    if kind == "BASE64M":
        whole = base64.b64encode(data).decode()
        return "\n".join(whole[at : at + _LINE] for at in range(0, len(whole), _LINE))
    if kind in ("HEX", "BASE16"):
        return data.hex()
    if kind in _BASES:
        bits = "".join(f"{byte:08b}" for byte in data)
        size = _BASES[kind]
        bits += "0" * (-len(bits) % size)
        return "".join(str(int(bits[at : at + size], 2)) for at in range(0, len(bits), size))
    return data.decode(_encoding(kind))


def bytes_of(text: str, pattern: str) -> bytes:
    """CAST(text AS BYTES FORMAT …)."""
    kind = pattern.upper()
    try:
        if kind == "BASE32":
            return base64.b32decode(text)
        if kind in ("BASE64", "BASE64M"):
            return base64.b64decode("".join(text.split()) if kind == "BASE64M" else text, validate=True)
        if kind in ("HEX", "BASE16"):
            return bytes.fromhex(text if len(text) % 2 == 0 else f"0{text}")
        if kind in _BASES:
            bits = "".join(f"{int(digit, 2 ** _BASES[kind]):0{_BASES[kind]}b}" for digit in text)
            bits = bits[: len(bits) // 8 * 8]
            return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"Failed to decode the string '{text[:40]}' as {kind}") from error
    return text.encode(_encoding(kind))


def _encoding(kind: str) -> str:
    if kind not in ("ASCII", "UTF-8", "UTF8"):
        raise ValueError(f"Invalid format '{kind}'")
    return "ascii" if kind == "ASCII" else "utf-8"


FUNCTIONS = {
    "athena_sparse_cosine_distance": (sparse_cosine, ["VARCHAR", "VARCHAR"], "DOUBLE"),
    "athena_sparse_euclidean_distance": (sparse_euclidean, ["VARCHAR", "VARCHAR"], "DOUBLE"),
    "athena_decimal_text": (exact_numeric, ["DOUBLE"], "VARCHAR"),
    "athena_quotient": (quotient, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_multiplied": (multiplied, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_divided": (divided, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_round_even": (round_even, ["VARCHAR", "BIGINT"], "VARCHAR"),
    "athena_text_of_number": (text_of_number, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_text_of_bytes": (text_of_bytes, ["BLOB", "VARCHAR"], "VARCHAR"),
    "athena_bytes_of": (bytes_of, ["VARCHAR", "VARCHAR"], "BLOB"),
}
