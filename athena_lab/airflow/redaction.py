"""Take tokens and secrets out of what a run leaves behind: its output notebook and its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

TOKEN_REMOVED = "[token removed]"  # noqa: S105 (what stands in a token's place)
SECRET_REMOVED = "[secret removed]"  # noqa: S105 (what stands in a secret's place)
SHORTEST_LINE = 8
"""Lines of a secret of several lines that are shorter could be anything, and stay."""
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")


class Redaction:
    """Replaces the values of a run's secrets, and whatever looks like a JSON Web Token.

    A secret is found as it is, and as Python or JSON would write it. Who encodes it otherwise can still print it:
    this keeps honest notebooks from leaking by mistake, it does not keep a run from its own parameters.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        parts = {part for secret in secrets for part in (secret, *secret.splitlines()) if len(part) >= SHORTEST_LINE}
        written = {form for part in parts for form in _written(part)}
        self._plain = _pattern(written)
        self._json = _pattern({form for one in written for form in (json.dumps(one)[1:-1], one)})

    def of_text(self, text: str) -> str:
        """Redact plain text."""
        return self._replaced(self._plain, text)

    def of_json(self, text: str) -> str:
        """Redact a JSON document, in whose strings a secret may be escaped."""
        return self._replaced(self._json, text)

    def _replaced(self, pattern: re.Pattern[str] | None, text: str) -> str:
        return redact_tokens(pattern.sub(SECRET_REMOVED, text) if pattern else text)


def redact_tokens(text: str) -> str:
    """Replace whatever looks like a JSON Web Token: no token may outlive its run in an output or an error."""
    return _TOKEN.sub(TOKEN_REMOVED, text)


def _written(part: str) -> set[str]:
    """Give a value as it is, as Python's `repr` and as JSON write it."""
    return {
        part,
        repr(part)[1:-1],
        ascii(part)[1:-1],
        json.dumps(part)[1:-1],
        json.dumps(part, ensure_ascii=False)[1:-1],
    }


def _pattern(forms: set[str]) -> re.Pattern[str] | None:
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if forms else None
