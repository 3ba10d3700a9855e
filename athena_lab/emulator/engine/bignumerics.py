"""Arithmetic of BIGNUMERIC: DuckDB hands over a BIGNUM, a whole number of 10^-38, as text.

https://cloud.google.com/bigquery/docs/reference/standard-sql/mathematical_functions
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from decimal import Decimal

from athena_lab.emulator.bignumerics import ONE, SCALE, scaled, unscaled, within

_TEXT = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_PRECISE = decimal.Context(prec=130)


def _halves_away(number: int, by: int) -> int:
    """Divide, halves rounded away from zero."""
    found, rest = divmod(abs(number), abs(by))
    found += 2 * rest >= abs(by)
    return found if (number < 0) == (by < 0) else -found


def of_text(text: str) -> str:
    """CAST of a STRING."""
    if _TEXT.fullmatch(text) is None:
        raise ValueError(f"Invalid BIGNUMERIC value: {text}")
    return str(scaled(Decimal(text.strip())))


def parsed(text: str) -> str:
    """PARSE_BIGNUMERIC: signs before or behind, blanks beside them, commas among the digits."""
    made = text.strip()
    sign = ""
    if made[-1:] in ("+", "-") and made[:1] not in ("+", "-"):
        made, sign = made[:-1].strip(), made[-1]
    elif made[:1] in ("+", "-"):
        made, sign = made[1:].strip(), made[0]
    return of_text(f"{sign}{made.replace(',', '')}")


def of_float(value: float) -> str:
    """CAST of a FLOAT64, digit by digit of its binary value."""
    return str(scaled(Decimal(value)))


def written(number: str) -> str:
    """CAST to STRING."""
    value = f"{unscaled(int(number)):f}"
    return (value.rstrip("0").rstrip(".") if "." in value else value) or "0"


def to_integer(number: str) -> int:
    """CAST to INT64."""
    made = _halves_away(int(number), ONE)
    if not -(2**63) <= made < 2**63:
        raise ValueError(f"int64 overflow: {written(number)}")
    return made


def to_numeric(number: str) -> str:
    """CAST to NUMERIC, as text."""
    made = _halves_away(int(number), 10 ** (SCALE - 9))
    if abs(made) >= 10**38:
        raise ValueError(f"numeric out of range: {written(number)}")
    return f"{Decimal(made).scaleb(-9, _PRECISE):f}"


def to_float(number: str) -> float:
    """CAST to FLOAT64."""
    return float(int(number) / ONE)


def checked(number: str) -> str:
    """Refuse a sum that is no BIGNUMERIC."""
    return str(within(int(number)))


def multiplied(left: str, right: str) -> str:
    """`*`."""
    return str(within(_halves_away(int(left) * int(right), ONE)))


def divided(left: str, right: str) -> str:
    """`/`."""
    if not int(right):
        raise ValueError(f"division by zero: {written(left)} / {written(right)}")
    return str(within(_halves_away(int(left) * ONE, int(right))))


def remainder(left: str, right: str) -> str:
    """MOD, with the sign of what is divided."""
    one, two = int(left), int(right)
    if not two:
        raise ValueError(f"division by zero: MOD({written(left)}, {written(right)})")
    return str(abs(one) % abs(two) * (-1 if one < 0 else 1))


def quotient(left: str, right: str) -> str:
    """DIV: without a fraction."""
    one, two = int(left), int(right)
    if not two:
        raise ValueError(f"division by zero: DIV({written(left)}, {written(right)})")
    made = abs(one) // abs(two) * ONE
    return str(within(made if (one < 0) == (two < 0) else -made))


_MODES = {
    "ROUND": decimal.ROUND_HALF_UP, "ROUND_HALF_AWAY_FROM_ZERO": decimal.ROUND_HALF_UP,
    "ROUND_HALF_EVEN": decimal.ROUND_HALF_EVEN, "TRUNC": decimal.ROUND_DOWN, "CEIL": decimal.ROUND_CEILING,
    "FLOOR": decimal.ROUND_FLOOR,
}  # fmt: skip


def rounded(number: str, digits: int, mode: str) -> str:
    """ROUND, TRUNC, CEIL and FLOOR to a number of digits."""
    if digits >= SCALE:
        return number
    if digits < -SCALE - 1:
        return "0"
    unit = Decimal(1).scaleb(-digits, _PRECISE)
    count = (unscaled(int(number)) / unit).to_integral_value(_MODES[mode.upper()], _PRECISE)
    return str(scaled(_PRECISE.multiply(count, unit)))


def limited(number: str, precision: int, scale: int) -> str:
    """CAST to BIGNUMERIC(precision, scale): rounded, and refused if there are too many digits."""
    made = int(rounded(number, scale, "ROUND"))
    if abs(made) >= 10 ** (precision - scale) * ONE:
        raise ValueError(f"BIGNUMERIC({precision}, {scale}) has not enough digits for {written(number)}")
    return str(made)


_CALLS: dict[str, Callable[[Decimal], Decimal]] = {
    "SQRT": _PRECISE.sqrt, "EXP": _PRECISE.exp, "LN": _PRECISE.ln, "LOG10": _PRECISE.log10,
}  # fmt: skip


def function(name: str, number: str) -> str:
    """SQRT, EXP, LN and LOG10, computed with more digits than are kept."""
    value = unscaled(int(number))
    try:
        return str(scaled(_CALLS[name](value)))
    except (decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero, ValueError) as error:
        raise ValueError(f"Numeric error in function: {name}({written(number)})") from error


def power(left: str, right: str) -> str:
    """POW."""
    one, two = unscaled(int(left)), unscaled(int(right))
    try:
        return str(scaled(_PRECISE.power(one, two) if two else Decimal(1)))
    except (decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero, ValueError) as error:
        raise ValueError(f"Numeric error in function: POW({written(left)}, {written(right)})") from error


FUNCTIONS = {
    "athena_big_of_text": (of_text, ["VARCHAR"], "BIGNUM"),
    "athena_big_parsed": (parsed, ["VARCHAR"], "BIGNUM"),
    "athena_big_of_float": (of_float, ["DOUBLE"], "BIGNUM"),
    "athena_big_text": (written, ["BIGNUM"], "VARCHAR"),
    "athena_big_integer": (to_integer, ["BIGNUM"], "BIGINT"),
    "athena_big_numeric": (to_numeric, ["BIGNUM"], "VARCHAR"),
    "athena_big_float": (to_float, ["BIGNUM"], "DOUBLE"),
    "athena_big_checked": (checked, ["BIGNUM"], "BIGNUM"),
    "athena_big_multiplied": (multiplied, ["BIGNUM", "BIGNUM"], "BIGNUM"),
    "athena_big_divided": (divided, ["BIGNUM", "BIGNUM"], "BIGNUM"),
    "athena_big_remainder": (remainder, ["BIGNUM", "BIGNUM"], "BIGNUM"),
    "athena_big_quotient": (quotient, ["BIGNUM", "BIGNUM"], "BIGNUM"),
    "athena_big_rounded": (rounded, ["BIGNUM", "BIGINT", "VARCHAR"], "BIGNUM"),
    "athena_big_limited": (limited, ["BIGNUM", "BIGINT", "BIGINT"], "BIGNUM"),
    "athena_big_function": (function, ["VARCHAR", "BIGNUM"], "BIGNUM"),
    "athena_big_power": (power, ["BIGNUM", "BIGNUM"], "BIGNUM"),
}
