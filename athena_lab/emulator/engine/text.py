"""Strings and bytes: normal forms, code points, base 32, capitals, padding, positions of matches."""

from __future__ import annotations

import base64
import binascii
import decimal
import hashlib
import unicodedata
from typing import TypeVar

from athena_lab.emulator.engine.patterns import compiled_to_extract, matches

_Sequence = TypeVar("_Sequence", str, bytes)
_MOST_PADDED = 1024**2
_DELIMITERS = ' \t\n\r\v\f[](){}/|<>!?@"^#$&~_,.:;*%+-'
_SOUNDEX = {
    letter: digit for digit, letters in enumerate(("", "BFPV", "CGJKQSXZ", "DT", "L", "MN", "R")) for letter in letters
}


def normalize(text: str, form: str) -> str:
    """NORMALIZE: NFC, NFD, NFKC or NFKD."""
    return unicodedata.normalize(form.upper(), text)  # type: ignore[arg-type]


def normalize_and_casefold(text: str, form: str) -> str:
    """NORMALIZE_AND_CASEFOLD."""
    return unicodedata.normalize(form.upper(), unicodedata.normalize(form.upper(), text).casefold())  # type: ignore[arg-type]


def upper(text: str) -> str:
    """UPPER, by Unicode's full mapping."""
    return text.upper()


def soundex(text: str) -> str:
    """SOUNDEX: the first letter as it is and three digits, empty for a text without letters."""
    kept = [letter for letter in text if letter.isascii() and letter.isalpha()]
    if not kept:
        return ""
    made, last = kept[0], _SOUNDEX.get(kept[0].upper())
    for letter in "".join(kept[1:]).upper():
        code = _SOUNDEX.get(letter)
        if code is not None and code != last:
            made += str(code)
        if letter not in "HW":
            last = code
    return (made + "000")[:4]


def to_base32(data: bytes) -> str:
    """TO_BASE32."""
    return base64.b32encode(data).decode()


def from_base32(text: str) -> bytes:
    """FROM_BASE32."""
    try:
        return base64.b32decode(text)
    except binascii.Error as error:
        raise ValueError("Failed to decode invalid base32 string") from error


def code_points(text: str) -> list[int]:
    """TO_CODE_POINTS of a STRING."""
    return [ord(letter) for letter in text]


def byte_values(data: bytes) -> list[int]:
    """TO_CODE_POINTS of BYTES."""
    return list(data)


def from_code_points(points: list[int | None]) -> str | None:
    """CODE_POINTS_TO_STRING."""
    if any(point is None for point in points):
        return None
    return "".join(_letter(point) for point in points if point is not None)


def letter(point: int) -> str:
    """CHR; nothing for 0."""
    return _letter(point) if point else ""


def _letter(point: int) -> str:
    if 0xD800 <= point <= 0xDFFF:
        raise ValueError(f"Invalid codepoint {point}")
    try:
        return chr(point)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Invalid codepoint {point}") from error


def from_byte_values(points: list[int | None]) -> bytes | None:
    """CODE_POINTS_TO_BYTES."""
    if any(point is None for point in points):
        return None
    try:
        return bytes(point for point in points if point is not None)
    except ValueError as error:
        raise ValueError("Invalid extended ASCII code point") from error


def safe_text(data: bytes) -> str:
    """SAFE_CONVERT_BYTES_TO_STRING."""
    return data.decode("utf-8", "replace")


def sha512(data: bytes) -> bytes:
    """SHA512."""
    return hashlib.sha512(data).digest()


def initcap(text: str, delimiters: str) -> str:
    """INITCAP: a capital after each delimiter, small letters elsewhere."""
    made, is_first = [], True
    for letter in text:
        is_delimiter = letter in delimiters
        made.append(letter if is_delimiter else letter.upper() if is_first else letter.lower())
        is_first = is_delimiter
    return "".join(made)


def initcap_default(text: str) -> str:
    """INITCAP with BigQuery's own delimiters."""
    return initcap(text, _DELIMITERS)


def pad(text: str, size: int, fill: str, side: str) -> str:
    """LPAD and RPAD."""
    return _padded(text, size, fill, side)


def pad_bytes(data: bytes, size: int, fill: bytes, side: str) -> bytes:
    """LPAD and RPAD of BYTES."""
    return _padded(data, size, fill, side)


def _padded(data: _Sequence, size: int, fill: _Sequence, side: str) -> _Sequence:
    if size < 0:
        raise ValueError(f"Second argument (output size) for {side.upper()}PAD cannot be negative")
    if size > _MOST_PADDED:
        raise ValueError("Output of LPAD/RPAD exceeds max allowed output size of 1MB")
    if size <= len(data):
        return data[:size]
    if not fill:
        raise ValueError(f"Third argument (pad pattern) for {side.upper()}PAD cannot be empty")
    missing = size - len(data)
    padding = (fill * (missing // len(fill) + 1))[:missing]
    return padding + data if side == "l" else data + padding


def split_bytes(data: bytes, delimiter: bytes) -> list[bytes]:
    """SPLIT of BYTES."""
    if not data:
        return [b""]
    return data.split(delimiter) if delimiter else [data[index : index + 1] for index in range(len(data))]


def instr(text: str, part: str, position: int, occurrence: int) -> int:
    """INSTR: from 1; a negative position searches backwards."""
    if position == 0 or occurrence < 1:
        raise ValueError("INSTR: position must not be 0 and occurrence must be positive")
    if position > 0:
        at = position - 2
        for _ in range(occurrence):
            at = text.find(part, at + 1)
            if at < 0:
                return 0
        return at + 1
    end = len(text) + position
    at = end + 1
    for _ in range(occurrence):
        at = text.rfind(part, 0, max(0, at - 1 + len(part)))
        if at < 0:
            return 0
    return at + 1


def instr_bytes(data: bytes, part: bytes, position: int, occurrence: int) -> int:
    """INSTR of BYTES."""
    return instr(data.decode("latin-1"), part.decode("latin-1"), position, occurrence)


def regexp_instr(text: str | bytes, pattern: str | bytes, position: int, occurrence: int, after: int) -> int:
    """REGEXP_INSTR: the place (from 1) of a match, or of what follows it; 0 for none."""
    if position < 1 or occurrence < 1 or after not in (0, 1):
        raise ValueError("REGEXP_INSTR: position and occurrence must be positive, the last argument 0 or 1")
    compiled = compiled_to_extract(pattern)
    group = compiled.groups
    if not pattern:
        return 0
    for index, found in enumerate(compiled.finditer(text, position - 1), start=1):
        if index == occurrence:
            return int(found.end(group) if after else found.start(group)) + 1
    return 0


def regexp_extract(text: str, pattern: str, position: int, occurrence: int) -> str | None:
    """REGEXP_EXTRACT with a pattern that is not a constant."""
    if position < 1 or occurrence < 1:
        raise ValueError("REGEXP_EXTRACT: position and occurrence must be positive")
    compiled = compiled_to_extract(pattern)
    for index, found in enumerate(compiled.finditer(text, position - 1), start=1):
        if index == occurrence:
            text_found: str | None = found[compiled.groups]
            return text_found
    return None


def regexp_extract_all(text: str, pattern: str) -> list[str]:
    """REGEXP_EXTRACT_ALL with a pattern that is not a constant."""
    expression = compiled_to_extract(pattern)
    return [found[expression.groups] or "" for found in matches(expression, text)]


def regexp_instr_bytes(data: bytes, pattern: bytes, position: int, occurrence: int, after: int) -> int:
    """REGEXP_INSTR of BYTES."""
    return regexp_instr(data, pattern, position, occurrence, after)


def parse_decimal(text: str, scale: int, digits: int) -> str:
    """PARSE_NUMERIC: the value as text, rounded half away from zero."""
    cleaned = text.strip()
    sign = ""
    if cleaned[-1:] in "+-" and cleaned[:1] not in "+-" and cleaned:
        cleaned, sign = cleaned[:-1].strip(), cleaned[-1]
    if cleaned[:1] in "+-":
        sign, cleaned = cleaned[:1], cleaned[1:].strip()
    cleaned = cleaned.replace(",", "")
    try:
        value = decimal.Decimal(cleaned)
    except decimal.InvalidOperation as error:
        raise ValueError(f"Invalid NUMERIC value: {text}") from error
    with decimal.localcontext(prec=120):
        value = value.quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)
        if abs(value) >= decimal.Decimal(10) ** digits:
            raise ValueError(f"numeric out of range: {text}")
        return f"{-value if sign == '-' else value:f}"


def escaped(text: str) -> str:
    """Write a STRING as a literal of GoogleSQL (FORMAT's %T)."""
    quote = "'" if '"' in text and "'" not in text else '"'
    made = text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("\t", "\\t")
    return f"{quote}{made.replace(chr(13), chr(92) + 'r')}{quote}"


def escaped_bytes(data: bytes) -> str:
    """Write BYTES as a literal of GoogleSQL, without its b."""
    made = "".join(chr(value) if 32 <= value < 127 and value not in b'"\\' else f"\\x{value:02x}" for value in data)
    return f'"{made}"'


def join(parts: list[str | None], separator: str) -> str:
    """ARRAY_TO_STRING; NULLs are left out."""
    return separator.join(part for part in parts if part is not None)


def join_nulls(parts: list[str | None], separator: str, null: str) -> str:
    """ARRAY_TO_STRING with a text for NULLs."""
    return separator.join(null if part is None else part for part in parts)


def split_part(text: str, delimiter: str, start: int, count: int) -> str:
    """SPLIT_SUBSTR: parts of a text between delimiters, from 1; from the end where `start` is negative."""
    if count < 0:
        raise ValueError("SPLIT_SUBSTR: the count must not be negative")
    if not delimiter:
        raise ValueError("SPLIT_SUBSTR: the delimiter must not be empty")
    parts = text.split(delimiter)
    first = max(len(parts) + start, 0) if start < 0 else max(start - 1, 0)
    return delimiter.join(parts[first : first + count])


FUNCTIONS = {
    "athena_join_texts": (join, ["VARCHAR[]", "VARCHAR"], "VARCHAR"),
    "athena_join_texts_nulls": (join_nulls, ["VARCHAR[]", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_split_part": (split_part, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"], "VARCHAR"),
    "athena_normalize": (normalize, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_casefold": (normalize_and_casefold, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_upper": (upper, ["VARCHAR"], "VARCHAR"),
    "athena_soundex": (soundex, ["VARCHAR"], "VARCHAR"),
    "athena_to_base32": (to_base32, ["BLOB"], "VARCHAR"),
    "athena_from_base32": (from_base32, ["VARCHAR"], "BLOB"),
    "athena_code_points": (code_points, ["VARCHAR"], "BIGINT[]"),
    "athena_byte_values": (byte_values, ["BLOB"], "BIGINT[]"),
    "athena_chr": (letter, ["BIGINT"], "VARCHAR"),
    "athena_from_code_points": (from_code_points, ["BIGINT[]"], "VARCHAR"),
    "athena_from_byte_values": (from_byte_values, ["BIGINT[]"], "BLOB"),
    "athena_safe_text": (safe_text, ["BLOB"], "VARCHAR"),
    "athena_sha512": (sha512, ["BLOB"], "BLOB"),
    "athena_initcap": (initcap, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_initcap_default": (initcap_default, ["VARCHAR"], "VARCHAR"),
    "athena_pad": (pad, ["VARCHAR", "BIGINT", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_pad_bytes": (pad_bytes, ["BLOB", "BIGINT", "BLOB", "VARCHAR"], "BLOB"),
    "athena_split_bytes": (split_bytes, ["BLOB", "BLOB"], "BLOB[]"),
    "athena_instr": (instr, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"], "BIGINT"),
    "athena_instr_bytes": (instr_bytes, ["BLOB", "BLOB", "BIGINT", "BIGINT"], "BIGINT"),
    "athena_regexp_instr": (regexp_instr, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "BIGINT"], "BIGINT"),
    "athena_regexp_extract": (regexp_extract, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"], "VARCHAR"),
    "athena_regexp_extract_all": (regexp_extract_all, ["VARCHAR", "VARCHAR"], "VARCHAR[]"),
    "athena_regexp_instr_bytes": (regexp_instr_bytes, ["BLOB", "BLOB", "BIGINT", "BIGINT", "BIGINT"], "BIGINT"),
    "athena_parse_decimal": (parse_decimal, ["VARCHAR", "BIGINT", "BIGINT"], "VARCHAR"),
    "athena_escaped": (escaped, ["VARCHAR"], "VARCHAR"),
    "athena_escaped_bytes": (escaped_bytes, ["BLOB"], "VARCHAR"),
}
