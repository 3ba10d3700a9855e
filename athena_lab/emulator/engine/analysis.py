"""SEARCH, TEXT_ANALYZE, BAG_OF_WORDS: tokens of texts by BigQuery's analyzers.

https://cloud.google.com/bigquery/docs/reference/standard-sql/text-analysis
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from typing import Any

_LOG_DELIMITERS = re.compile(r"[\s\[\]<>(){}|!;,'\"*&?+/:=@.\-$%\\_~^#`\n\r\t]+")
_IDEOGRAPH = re.compile(r"([\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af])")


def analyze(text: str, analyzer: str, options: str) -> list[str]:
    """TEXT_ANALYZE: the tokens of a text."""
    kind = analyzer.upper()
    if kind == "NO_OP_ANALYZER":
        return [text]
    if kind == "PATTERN_ANALYZER":
        patterns = json.loads(options).get("patterns", [r"\b\w{2,}\b"]) if options else [r"\b\w{2,}\b"]
        return [found[0].lower() for pattern in patterns for found in re.finditer(pattern, text)]
    if kind != "LOG_ANALYZER":
        raise ValueError(f"Invalid analyzer: {analyzer}")
    pieces = _LOG_DELIMITERS.split(_IDEOGRAPH.sub(r" \1 ", text))
    return [piece.lower() for piece in pieces if piece]


def search(data: str, query: str, analyzer: str, scope: str) -> bool:
    """SEARCH in a value given as JSON: whether one text holds all tokens of the query (JSON: all texts together)."""
    texts = _texts(json.loads(data), scope)
    wanted = analyze(query, analyzer, "")
    if analyzer.upper() == "NO_OP_ANALYZER":
        return query in texts
    if not wanted:
        raise ValueError("SEARCH: the search query must have at least one token")
    found = {token for text in texts for token in analyze(text, analyzer, "")}
    return all(token in found for token in wanted)


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
    value, wanted = json.loads(data), _plain(query)
    texts = _parts(value, scope)
    if any(text is not None and wanted in _plain(text) for text in texts):
        return True
    return None if None in texts else False


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
