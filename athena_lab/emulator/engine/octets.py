"""BYTES, for which DuckDB has few functions: parts, ends, blanks, replacements, matches."""

from __future__ import annotations

import re
from typing import Any

from athena_lab.emulator.engine.patterns import compiled, compiled_to_extract, matches


def part(data: bytes, start: int, length: int) -> bytes:
    """SUBSTR of BYTES."""
    if length < 0:
        raise ValueError("Third argument in SUBSTR() cannot be negative")
    at = max(0, start - 1 if start > 0 else len(data) + start if -len(data) <= start < 0 else 0)
    return data[at : at + length]


def left(data: bytes, size: int) -> bytes:
    """LEFT of BYTES."""
    if size < 0:
        raise ValueError("Second argument in LEFT() cannot be negative")
    return data[:size]


def right(data: bytes, size: int) -> bytes:
    """RIGHT of BYTES."""
    if size < 0:
        raise ValueError("Second argument in RIGHT() cannot be negative")
    return data[-size:] if size else b""


def repeat(data: bytes, times: int) -> bytes:
    """REPEAT of BYTES."""
    if times < 0:
        raise ValueError("Second argument (repeat count) for REPEAT cannot be negative")
    return data * times


def trim(data: bytes, chosen: bytes, side: str) -> bytes:
    """TRIM, LTRIM and RTRIM of BYTES."""
    if side == "LEADING":
        return data.lstrip(chosen) if chosen else data
    if side == "TRAILING":
        return data.rstrip(chosen) if chosen else data
    return data.strip(chosen) if chosen else data


def translate(data: bytes, old: bytes, new: bytes) -> bytes:
    """TRANSLATE of BYTES; what has no counterpart goes."""
    if len(set(old)) != len(old):
        raise ValueError("Duplicate byte in TRANSLATE source characters")
    known = {letter: new[at : at + 1] for at, letter in enumerate(old)}
    return b"".join(known.get(letter, bytes([letter])) for letter in data)


def translate_text(text: str, old: str, new: str) -> str:
    """TRANSLATE; what has no counterpart goes."""
    if len(set(old)) != len(old):
        raise ValueError("Duplicate character in TRANSLATE source characters")
    return text.translate({ord(letter): new[at : at + 1] for at, letter in enumerate(old)})


def reverse(data: bytes) -> bytes:
    """REVERSE of BYTES."""
    return data[::-1]


def replace(data: bytes, old: bytes, new: bytes) -> bytes:
    """REPLACE of BYTES."""
    return data.replace(old, new) if old else data


def starts_with(data: bytes, start: bytes) -> bool:
    """STARTS_WITH of BYTES."""
    return data.startswith(start)


def ends_with(data: bytes, end: bytes) -> bool:
    """ENDS_WITH of BYTES."""
    return data.endswith(end)


def lower(data: bytes) -> bytes:
    """LOWER of BYTES: ASCII letters only."""
    return data.lower()


def upper(data: bytes) -> bytes:
    """UPPER of BYTES: ASCII letters only."""
    return data.upper()


def contains(data: bytes, pattern: bytes) -> bool:
    """REGEXP_CONTAINS of BYTES."""
    return compiled(pattern).search(data) is not None


def replace_matches(data: bytes, pattern: bytes, new: bytes) -> bytes:
    """REGEXP_REPLACE of BYTES."""
    found = compiled(pattern)
    parts = [part if part[:1] != b"\\" else _group(part[1:], found.groups) for part in _NEW.findall(new)]

    def made(match: Any) -> bytes:
        return b"".join((match[part] or b"") if isinstance(part, int) else part for part in parts)

    return bytes(found.sub(made, data))


_NEW = re.compile(rb"\\.?|[^\\]+", re.DOTALL)


def _group(letter: bytes, groups: int) -> int | bytes:
    """Read what follows a backslash in a replacement: a group's number, or a backslash."""
    if letter == b"\\":
        return letter
    if not letter.isdigit() or int(letter) > groups:
        raise ValueError(f"Invalid REGEXP_REPLACE pattern: its replacement has \\{letter.decode('latin-1')}")
    return int(letter)


def extract(data: bytes, pattern: bytes, position: int, occurrence: int) -> bytes | None:
    """REGEXP_EXTRACT of BYTES."""
    if position < 1 or occurrence < 1:
        raise ValueError("REGEXP_EXTRACT: position and occurrence must be positive")
    found = extract_all(data[position - 1 :], pattern)
    return found[occurrence - 1] if occurrence <= len(found) else None


def extract_all(data: bytes, pattern: bytes) -> list[bytes]:
    """REGEXP_EXTRACT_ALL of BYTES."""
    expression = compiled_to_extract(pattern)
    return [found[expression.groups] or b"" for found in matches(expression, data)]


def ascii_code(data: bytes) -> int:
    """ASCII of BYTES."""
    return data[0] if data else 0


def join(parts: list[bytes | None], separator: bytes) -> bytes:
    """STRING_AGG and ARRAY_TO_STRING of BYTES: NULLs are left out."""
    return separator.join(part for part in parts if part is not None)


def join_with_nulls(parts: list[bytes | None], separator: bytes, null: bytes) -> bytes:
    """ARRAY_TO_STRING of BYTES with a text for NULL."""
    return separator.join(null if part is None else part for part in parts)


def bit_count(data: bytes) -> int:
    """BIT_COUNT of BYTES."""
    return sum(byte.bit_count() for byte in data)


def _plain(byte: int) -> bytes:
    return b"\\x%02x" % byte


def like(data: bytes, pattern: bytes) -> bool:
    """LIKE of BYTES."""
    parts, at = [], 0
    while at < len(pattern):
        letter = pattern[at : at + 1]
        if letter == b"\\":
            at += 1
            if at == len(pattern):
                raise ValueError("LIKE pattern ends with a backslash")
            parts.append(_plain(pattern[at]))
        else:
            parts.append({b"%": b".*", b"_": b"."}.get(letter) or _plain(letter[0]))
        at += 1
    return compiled(b"(?s)" + b"".join(parts)).fullmatch(data) is not None


FUNCTIONS = {
    "athena_like_bytes": (like, ["BLOB", "BLOB"], "BOOLEAN"),
    "athena_join_bytes": (join, ["BLOB[]", "BLOB"], "BLOB"),
    "athena_join_bytes_nulls": (join_with_nulls, ["BLOB[]", "BLOB", "BLOB"], "BLOB"),
    "athena_bit_count_bytes": (bit_count, ["BLOB"], "BIGINT"),
    "athena_substr_bytes": (part, ["BLOB", "BIGINT", "BIGINT"], "BLOB"),
    "athena_left_bytes": (left, ["BLOB", "BIGINT"], "BLOB"),
    "athena_right_bytes": (right, ["BLOB", "BIGINT"], "BLOB"),
    "athena_repeat_bytes": (repeat, ["BLOB", "BIGINT"], "BLOB"),
    "athena_trim_bytes": (trim, ["BLOB", "BLOB", "VARCHAR"], "BLOB"),
    "athena_translate_bytes": (translate, ["BLOB", "BLOB", "BLOB"], "BLOB"),
    "athena_translate": (translate_text, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_reverse_bytes": (reverse, ["BLOB"], "BLOB"),
    "athena_replace_bytes": (replace, ["BLOB", "BLOB", "BLOB"], "BLOB"),
    "athena_starts_with_bytes": (starts_with, ["BLOB", "BLOB"], "BOOLEAN"),
    "athena_ends_with_bytes": (ends_with, ["BLOB", "BLOB"], "BOOLEAN"),
    "athena_lower_bytes": (lower, ["BLOB"], "BLOB"),
    "athena_upper_bytes": (upper, ["BLOB"], "BLOB"),
    "athena_regexp_contains_bytes": (contains, ["BLOB", "BLOB"], "BOOLEAN"),
    "athena_regexp_extract_bytes": (extract, ["BLOB", "BLOB", "BIGINT", "BIGINT"], "BLOB"),
    "athena_regexp_extract_all_bytes": (extract_all, ["BLOB", "BLOB"], "BLOB[]"),
    "athena_ascii_bytes": (ascii_code, ["BLOB"], "BIGINT"),
    "athena_regexp_replace_bytes": (replace_matches, ["BLOB", "BLOB", "BLOB"], "BLOB"),
}
