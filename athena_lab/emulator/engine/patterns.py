"""Regular expressions in RE2, BigQuery's own engine: no pattern makes it take long."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2

_KEPT = 256


@lru_cache(maxsize=_KEPT)
def compiled(pattern: str | bytes) -> Any:
    """Give a pattern ready for use, with the methods of Python's `re`; refuse what is none with a ValueError."""
    options = re2.Options()
    options.log_errors = False
    if isinstance(pattern, bytes):
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args else "it cannot be read"
        raise ValueError(f"Cannot parse regular expression: {said}") from None


def compiled_to_extract(pattern: str | bytes) -> Any:
    """Give a pattern for an extraction; refuse one with several groups."""
    found = compiled(pattern)
    if found.groups > 1:
        raise ValueError(
            "Regular expressions passed into extraction functions must not have more than 1 capturing group"
        )
    return found


def matches(expression: Any, text: str | bytes) -> Iterator[Any]:
    """Give the matches as BigQuery does: none that is empty at the end of a text, unless the text is empty."""
    for found in expression.finditer(text):
        if not found[0] and text and found.start() == len(text):
            return
        yield found
