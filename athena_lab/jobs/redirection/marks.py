"""Marks: names that no table has, put in the places that may name one so that lineage tells which of them do."""

from __future__ import annotations

import re

_MARK = re.compile(r"athena_place_\d+_")


def mark_of(number: int) -> str:
    """Give the mark of a number; none is the beginning of another."""
    return f"athena_place_{number}_"


def marks_in(text: str) -> list[str]:
    """Give the marks in a text."""
    return _MARK.findall(text)
