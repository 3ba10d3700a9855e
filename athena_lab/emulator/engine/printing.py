"""FORMAT's numbers: printf's flags, with BigQuery's grouping of digits, of INT64, FLOAT64 and NUMERIC.

https://github.com/google/googlesql/blob/master/docs/string_functions.md#format_string
"""

from __future__ import annotations

import decimal
import math
import re

_GROUPS = {"d": (3, ","), "i": (3, ","), "o": (4, ","), "x": (4, ":"), "X": (4, ":")}
_MOST_DIGITS = 1100
"""More than any FLOAT64 has."""
_MOST_LETTERS = 1024**2


def number(text: str, flags: str, width: int, precision: int, letter: str) -> str:
    """Write a number, given as text; a precision below 0 is none, a width below 0 puts blanks after it.

    Halves of a FLOAT64 go to what is even, as C's do, those of a NUMERIC (flag "n") away from zero.
    """
    _refuse_too_wide(max(abs(width), precision if letter in _GROUPS else 0))
    if letter in _GROUPS:
        sign, body, may_fill = _whole(int(text), flags, precision, letter)
    else:
        sign, body, may_fill = _fraction(text, flags, precision, letter)
    sign = sign or ("+" if "+" in flags else " " if " " in flags else "")
    size = abs(width)
    if "-" in flags or width < 0:
        return f"{sign}{body}".ljust(size)
    if "0" in flags and may_fill:
        prefix = body[:2] if body[:2] in ("0x", "0X") else ""
        return f"{sign}{prefix}{body[len(prefix) :].rjust(size - len(sign) - len(prefix), '0')}"
    return f"{sign}{body}".rjust(size)


def _refuse_too_wide(size: int) -> None:
    if size > _MOST_LETTERS:
        raise ValueError(f"Output string too long while evaluating FORMAT; limit {_MOST_LETTERS}")


def _whole(value: int, flags: str, precision: int, letter: str) -> tuple[str, str, bool]:
    digits = format(abs(value), "d" if letter in "di" else letter)
    if precision >= 0:
        digits = "" if not (value or precision) else digits.rjust(precision, "0")
    if "'" in flags:
        size, mark = _GROUPS[letter]
        digits = _grouped(digits, size, mark)
    prefix = {"x": "0x", "X": "0X", "o": "0"}.get(letter, "") if "#" in flags and value else ""
    return "-" if value < 0 else "", prefix + digits, precision < 0


def _fraction(text: str, flags: str, precision: int, letter: str) -> tuple[str, str, bool]:
    places = 6 if precision < 0 else min(precision, _MOST_DIGITS)
    if "." not in text and text.lstrip("+-").lower() in ("inf", "infinity", "nan"):
        word = "nan" if "n" in text[-1:].lower() else "inf"
        return "-" if text.startswith("-") and word == "inf" else "", word.upper() if letter.isupper() else word, False
    if precision > _MOST_DIGITS and letter in "fFeE":
        raise ValueError(f"Unsupported feature: FORMAT with more than {_MOST_DIGITS} decimal places")
    value = decimal.Decimal(text)
    rounding = decimal.ROUND_HALF_UP if "n" in flags else decimal.ROUND_HALF_EVEN
    with decimal.localcontext(prec=_MOST_DIGITS * 3, rounding=rounding):
        body = _digits(abs(value), letter, places, keeps_point="#" in flags)
    if "'" in flags:
        whole, rest = re.match(r"(\d+)(.*)", body).groups()  # type: ignore[union-attr]
        body = _grouped(whole, 3, ",") + rest
    return "-" if value < 0 else "", body, True


def _digits(value: decimal.Decimal, letter: str, places: int, *, keeps_point: bool) -> str:
    """Write a number that is not negative."""
    if letter in "fF":
        made = f"{value.quantize(decimal.Decimal(1).scaleb(-places)):f}"
    elif letter in "eE":
        made = _exponent(f"{value if value else 0.0:.{places}{letter}}")
    else:
        made = _exponent(_general(value, letter, max(places, 1), keeps_point=keeps_point))
    return f"{made}." if keeps_point and "." not in made and letter in "fF" else made


def _general(value: decimal.Decimal, letter: str, places: int, *, keeps_point: bool) -> str:
    """Write %g: in exponents where those are small or great, without the zeros at the end."""
    shown = f"{value:.{places - 1}e}" if value else "0e+0"
    power = int(shown.partition("e")[2])
    if -4 <= power < places:
        made = f"{value.quantize(decimal.Decimal(1).scaleb(power + 1 - places)):f}"
        return made if keeps_point or "." not in made else made.rstrip("0").rstrip(".")
    head, _, tail = shown.partition("e")
    head = head if keeps_point or "." not in head else head.rstrip("0").rstrip(".")
    return f"{head}{'E' if letter.isupper() else 'e'}{tail}"


def _exponent(text: str) -> str:
    """Give an exponent two digits at least."""
    return re.sub(r"([eE][-+])(\d)$", r"\g<1>0\g<2>", text)


def _grouped(digits: str, size: int, mark: str) -> str:
    first = len(digits) % size or size
    return mark.join([digits[:first], *(digits[at : at + size] for at in range(first, len(digits), size))])


def padded(text: str, width: int, flags: str) -> str:
    """Put blanks before a text, or after it."""
    _refuse_too_wide(abs(width))
    return text.ljust(abs(width)) if width < 0 or "-" in flags else text.rjust(width)


def exact_text(value: float) -> str:
    """Give all digits of a FLOAT64: rounding is by what its bits stand for."""
    return f"{decimal.Decimal(value):f}" if math.isfinite(value) else str(value)


FUNCTIONS = {
    "athena_format_number": (number, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "VARCHAR"], "VARCHAR"),
    "athena_padded": (padded, ["VARCHAR", "BIGINT", "VARCHAR"], "VARCHAR"),
    "athena_exact_text": (exact_text, ["DOUBLE"], "VARCHAR"),
}
