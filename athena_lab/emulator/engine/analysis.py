"""SEARCH, TEXT_ANALYZE, BAG_OF_WORDS: tokens of texts by BigQuery's analyzers.

https://cloud.google.com/bigquery/docs/reference/standard-sql/text-analysis
"""

from __future__ import annotations

import functools
import json
import re
import string
import unicodedata
from collections import Counter
from typing import Any

_LOG_DELIMITERS = (
    *"[]<>(){}|!;,'\"*&?+/:=@.-$%\\_\n\r\t ",
    "%21", "%26", "%2526", "%3B", "%3b", "%7C", "%7c", "%20", "%2B", "%2b", "%3D", "%3d", "%2520", "%5D", "%5d", "%5B",
    "%5b", "%3A", "%3a", "%0A", "%0a", "%2C", "%2c", "%28", "%29",
)  # fmt: skip
"""https://cloud.google.com/bigquery/docs/text-analysis-search#log_analyzer"""
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""LOG_ANALYZER keeps every other letter as it is."""
_PHRASE = re.compile(r"`([^`]*)`")
_IDEOGRAPH = re.compile(r"([\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af])")


def analyze(text: str, analyzer: str, options: str) -> list[str]:
    """TEXT_ANALYZE: the tokens of a text; refuse options that are not known, which would change them."""
    kind, given = analyzer.upper(), json.loads(options) if options else {}
    allowed = {"NO_OP_ANALYZER": (), "PATTERN_ANALYZER": ("patterns",), "LOG_ANALYZER": ("delimiters",)}.get(kind)
    if allowed is None:
        raise ValueError(f"Invalid analyzer: {analyzer}")
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(
            f"Unsupported feature: the option {unknown[0]} of {kind} is not supported by the embedded warehouse"
        )
    if kind == "NO_OP_ANALYZER":
        return [text]
    if kind == "PATTERN_ANALYZER":
        patterns = given.get("patterns", [r"\b\w{2,}\b"])
        return [found[0].lower() for pattern in patterns for found in re.finditer(pattern, text)]
    pieces = _splitter(tuple(given.get("delimiters", _LOG_DELIMITERS))).split(_IDEOGRAPH.sub(r" \1 ", text))
    return [piece.translate(_ASCII_LOWER) for piece in pieces if piece]


@functools.lru_cache(64)
def _splitter(delimiters: tuple[str, ...]) -> re.Pattern[str]:
    """Give what splits at delimiters, the longest first."""
    return re.compile("|".join(re.escape(item) for item in sorted(delimiters, key=len, reverse=True)))


def search(data: str, query: str, analyzer: str, scope: str) -> bool:
    """SEARCH in a value given as JSON: whether its texts hold all tokens of the query.

    What stands in backticks must stand in one text as it is there: the same tokens, one after the other.
    """
    texts = _texts(_loaded(data), scope)
    if analyzer.upper() == "NO_OP_ANALYZER":
        return query in texts
    phrases = [analyze(phrase, analyzer, "") for phrase in _PHRASE.findall(query)]
    wanted = analyze(_PHRASE.sub(" ", query), analyzer, "")
    if not wanted and not any(phrases):
        raise ValueError("SEARCH: the search query must have at least one token")
    found = [analyze(text, analyzer, "") for text in texts]
    tokens = {token for part in found for token in part}
    return all(token in tokens for token in wanted) and all(
        any(_holds(part, phrase) for part in found) for phrase in phrases
    )


def _holds(tokens: list[str], phrase: list[str]) -> bool:
    return any(tokens[at : at + len(phrase)] == phrase for at in range(len(tokens) - len(phrase) + 1))


def _texts(value: Any, scope: str) -> list[str]:
    if isinstance(value, str):
        return [value] if scope != "JSON_KEYS" else []
    if isinstance(value, list):
        return [text for part in value for text in _texts(part, scope)]
    if isinstance(value, dict):
        keys = list(value) if scope in ("JSON_KEYS", "JSON_KEYS_AND_VALUES") else []
        return keys + [text for part in value.values() for text in _texts(part, scope)]
    return []


def contains_substr(data: str, query: str, scope: str) -> bool | None:
    """CONTAINS_SUBSTR in a value given as JSON: NULL where it is not found, but something is NULL."""
    value, wanted = _loaded(data), _plain(query)
    texts = _parts(value, scope)
    if any(text is not None and wanted in _plain(text) for text in texts):
        return True
    return None if None in texts else False


def _loaded(data: str) -> Any:
    """Read a value's JSON; a STRUCT whose fields have no names of their own is read as the list of its values."""
    return json.loads(data, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> Any:
    named = dict(pairs)
    return named if len(named) == len(pairs) else [value for _, value in pairs]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _parts(value: Any, scope: str) -> list[str | None]:
    """Give all texts of a value, numbers and the like as they are written; None for NULL."""
    if isinstance(value, dict):
        keys: list[str | None] = list(value) if scope in ("JSON_KEYS", "JSON_KEYS_AND_VALUES") else []
        return keys + [text for part in value.values() for text in _parts(part, scope)]
    if isinstance(value, list):
        return [text for part in value for text in _parts(part, scope)]
    if value is None:
        return [None]
    if scope == "JSON_KEYS":
        return []
    return [value if isinstance(value, str) else json.dumps(value)]


def bag_of_words(words: list[str | None]) -> str:
    """BAG_OF_WORDS as JSON: each term with its count, in order."""
    counts = Counter(words)
    ordered = sorted(counts.items(), key=lambda item: (item[0] is not None, item[0] or ""))
    return json.dumps([{"term": term, "count": count} for term, count in ordered])


FUNCTIONS = {
    "athena_contains_substr": (contains_substr, ["VARCHAR", "VARCHAR", "VARCHAR"], "BOOLEAN"),
    "athena_text_analyze": (analyze, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR[]"),
    "athena_search": (search, ["VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR"], "BOOLEAN"),
    "athena_bag_of_words": (bag_of_words, ["VARCHAR[]"], "VARCHAR"),
}
