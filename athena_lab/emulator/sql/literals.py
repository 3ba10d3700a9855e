"""Literals of BYTES and raw literals, written so that sqlglot reads them as GoogleSQL does."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<skipped>--[^\n]*|\#[^\n]*|/\*.*?\*/|`(?:\\.|[^`\\])*`)
    |(?P<prefix>(?<![\w`])(?:[rR][bB]|[bB][rR]|[bB]|[rR])?)
     (?P<body>\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def plain_literals(text: str) -> str:
    """Write b'…' with every byte escaped, and raw literals with quotes in them as ordinary ones."""
    return _TOKEN.sub(_rewritten, text)


def _rewritten(found: re.Match[str]) -> str:
    prefix, body = (found["prefix"] or "").lower(), found["body"]
    if not prefix or body is None:
        return found[0]
    size = 3 if body[:3] in ('"""', "'''") else 1
    inner = body[size:-size]
    if "b" in prefix:
        return "b'" + "".join(f"\\x{byte:02x}" for byte in _bytes(inner, is_raw="r" in prefix)) + "'"
    if size == 1 and "'" not in inner and '"' not in inner:
        return found[0]
    escaped = inner.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _bytes(inner: str, *, is_raw: bool) -> bytes:
    if is_raw:
        return inner.encode()
    made, at = b"", 0
    for found in _ESCAPE.finditer(inner):
        made += inner[at : found.start()].encode()
        at = found.end()
        if found[1] or found[2]:
            made += bytes([int(found[1], 16) if found[1] else int(found[2], 8) & 255])
        else:
            made += _LETTERS.get(found[3], found[3]).encode()
    return made + inner[at:].encode()
