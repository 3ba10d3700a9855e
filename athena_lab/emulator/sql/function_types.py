"""Types of what functions give that sqlglot does not know: the rules choose by type, so that it must be known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery

from athena_lab.emulator.sql.spelling import shown

_BYTES = (
    "KEYS.NEW_KEYSET", "KEYS.ROTATE_KEYSET", "KEYS.ADD_KEY_FROM_RAW_BYTES", "KEYS.KEYSET_FROM_JSON", "AEAD.ENCRYPT",
    "AEAD.DECRYPT_BYTES", "DETERMINISTIC_ENCRYPT", "DETERMINISTIC_DECRYPT_BYTES", "HLL_COUNT.INIT",
    "HLL_COUNT.MERGE_PARTIAL", "KLL_QUANTILES.INIT_INT64", "KLL_QUANTILES.INIT_FLOAT64",
    "KLL_QUANTILES.MERGE_PARTIAL", "NET.IP_FROM_STRING", "NET.SAFE_IP_FROM_STRING", "NET.IP_NET_MASK", "NET.IP_TRUNC",
    "NET.IPV4_FROM_INT64",
)  # fmt: skip
_OTHERS = {
    "STRING": "KEYS.KEYSET_TO_JSON AEAD.DECRYPT_STRING DETERMINISTIC_DECRYPT_STRING NET.IP_TO_STRING NET.HOST "
    "NET.REG_DOMAIN NET.PUBLIC_SUFFIX TYPEOF SPLIT_SUBSTR",
    "INT64": "KEYS.KEYSET_LENGTH HLL_COUNT.MERGE HLL_COUNT.EXTRACT KLL_QUANTILES.EXTRACT_POINT_INT64 "
    "KLL_QUANTILES.MERGE_POINT_INT64 NET.IPV4_TO_INT64 EDIT_DISTANCE",
    "FLOAT64": "KLL_QUANTILES.EXTRACT_POINT_FLOAT64 KLL_QUANTILES.MERGE_POINT_FLOAT64 IEEE_DIVIDE ARRAY_AVG",
    "ARRAY<BOOL>": "BOOL_ARRAY LAX_BOOL_ARRAY",
    "BOOL": "ISERROR JSON_CONTAINS ARRAY_INCLUDES_ANY ARRAY_INCLUDES_ALL "
    "IS_INF IS_NAN SEARCH ARRAY_IS_DISTINCT ARRAY_INCLUDES RANGE_CONTAINS RANGE_OVERLAPS",
    "DATE": "DATE_FROM_UNIX_DATE",
    "ARRAY<STRING>": "STRING_ARRAY LAX_STRING_ARRAY TEXT_ANALYZE",
    "ARRAY<INT64>": "INT64_ARRAY LAX_INT64_ARRAY KLL_QUANTILES.EXTRACT_INT64 KLL_QUANTILES.MERGE_INT64",
    "ARRAY<FLOAT64>": "FLOAT64_ARRAY LAX_FLOAT64_ARRAY KLL_QUANTILES.EXTRACT_FLOAT64 KLL_QUANTILES.MERGE_FLOAT64",
    "ARRAY<STRUCT<term STRING, count INT64>>": "BAG_OF_WORDS",
    "JSON": "JSON_FLATTEN",
}
_KINDS = dict.fromkeys(_BYTES, "BYTES") | {name: kind for kind, names in _OTHERS.items() for name in names.split()}
_OF_FIRST = frozenset(
    {"IFERROR", "NULLIFERROR", "NULLIFZERO", "ZEROIFNULL", "ARRAY_FILTER", "ARRAY_SLICE", "ARRAY_REVERSE"}
)
_BUILT = {kind: exp.DataType.build(kind, dialect="bigquery") for kind in {*_OTHERS, "BYTES"}}


def _set(annotator: Any, node: exp.Expression, kind: exp.DataType | None) -> exp.Expression:
    annotator._set_type(node, kind.copy() if kind is not None else None)  # noqa: SLF001 (sqlglot's own hook)
    return node


def _kind(name: str) -> exp.DataType | None:
    found = _KINDS.get(name.upper())
    return _BUILT[found] if found is not None else None


def _range_of(given: list[exp.Expression]) -> exp.DataType | None:
    unknown = (exp.DType.NULL, exp.DType.UNKNOWN)
    typed = (item for item in given if item.type is not None and not isinstance(item, exp.Null))
    bounds = (item.type for item in typed if item.type.this not in unknown)
    bound = next(bounds, None)
    return None if bound is None else exp.DataType.build(f"RANGE<{bound.sql('bigquery')}>", dialect="bigquery")


def _first(given: list[exp.Expression]) -> exp.DataType | None:
    return given[0].type if given else None


def _array_of_first(given: list[exp.Expression]) -> exp.DataType | None:
    kind = _first(given)
    return None if kind is None else exp.DataType(this=exp.DType.ARRAY, expressions=[kind.copy()], nested=True)


def _bound(given: list[exp.Expression]) -> exp.DataType | None:
    kind = _first(given)
    is_range = kind is not None and kind.this == exp.DType.RANGE and kind.expressions
    return kind.expressions[0] if kind is not None and is_range else None


_MOMENTS = (exp.DType.DATE, exp.DType.DATETIME, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)


def _moment(name: str) -> Callable[[list[exp.Expression]], exp.DataType | None]:
    """A bucket of time is of the type of what is put into one; of a text it is what the function is named for."""
    plain = exp.DataType.build(name, dialect="bigquery")
    return lambda given: given[0].type if given and given[0].is_type(*_MOMENTS) else plain


_RANGES = {
    "RANGE": _range_of, "RANGE_INTERSECT": _first, "RANGE_START": _bound, "RANGE_END": _bound,
    "DATE_BUCKET": _moment("DATE"), "DATETIME_BUCKET": _moment("DATETIME"), "TIMESTAMP_BUCKET": _moment("TIMESTAMP"),
    "ATHENA_SESSION_RANGE": _first, "ATHENA_LINEAR": _first, "ATHENA_BUCKETS": _array_of_first,
}  # fmt: skip


def _anonymous(annotator: Any, node: exp.Expression) -> exp.Expression:
    name = node.name.upper()
    if name in _OF_FIRST and node.expressions:
        return _set(annotator, node, node.expressions[0].type)
    if name in _RANGES:
        return _set(annotator, node, _RANGES[name](node.expressions))
    returns = node.meta.get("returns")
    return _set(annotator, node, returns or _kind(name))


def _net(annotator: Any, node: exp.Expression) -> exp.Expression:
    inner = node.this
    name = inner.name if isinstance(inner, exp.Anonymous) else inner.sql_name()
    return _set(annotator, node, _kind(f"NET.{name}"))


def _dot(annotator: Any, node: exp.Expression) -> exp.Expression:
    inner = node.expression
    if isinstance(inner, exp.Anonymous):
        return _set(annotator, node, _kind(f"{node.this.name}.{inner.name}"))
    if node.this.is_type(exp.DType.JSON):
        return _set(annotator, node, exp.DataType.build("JSON"))
    made: exp.Expression = annotator._annotate_dot(node)  # noqa: SLF001 (sqlglot's own hook)
    return made


def _bracket(annotator: Any, node: exp.Expression) -> exp.Expression:
    if node.this.is_type(exp.DType.JSON):
        return _set(annotator, node, exp.DataType.build("JSON"))
    kind, places = node.this.type, node.expressions
    if kind is not None and kind.this == exp.DType.STRUCT and len(places) == 1 and places[0].is_int:
        at = int(places[0].name) - (1 if node.args.get("offset") == 1 else 0)
        part = kind.expressions[at] if 0 <= at < len(kind.expressions) else None
        return _set(annotator, node, part.args.get("kind") if isinstance(part, exp.ColumnDef) else part)
    made: exp.Expression = annotator._annotate_bracket(node)  # noqa: SLF001 (sqlglot's own hook)
    return made


def _tuple(annotator: Any, node: exp.Expression) -> exp.Expression:
    """(a, b) is a struct without names, but where it only lists."""
    kinds = [item.type for item in node.expressions]
    if isinstance(node.parent, exp.Values | exp.Insert) or None in kinds:
        return node
    return _set(
        annotator, node, exp.DataType(this=exp.DType.STRUCT, expressions=[kind.copy() for kind in kinds], nested=True)
    )


def _safe(annotator: Any, node: exp.Expression) -> exp.Expression:
    return _set(annotator, node, node.this.type)


def _read_time(annotator: Any, node: exp.Expression) -> exp.Expression:
    """CAST(text AS DATETIME FORMAT …), which sqlglot takes for a TIMESTAMP; PARSE_TIMESTAMP."""
    given = node.args.get("format")
    hidden = shown(given.name) if isinstance(given, exp.Literal) else None
    return _set(annotator, node, exp.DataType.build(hidden[0] if hidden else "TIMESTAMP", dialect="bigquery"))


METADATA = {
    **BigQuery.EXPRESSION_METADATA,
    exp.Anonymous: {"annotator": _anonymous},
    exp.NetFunc: {"annotator": _net},
    exp.Dot: {"annotator": _dot},
    exp.Bracket: {"annotator": _bracket},
    exp.SafeFunc: {"annotator": _safe},
    exp.StrToTime: {"annotator": _read_time},
    exp.Tuple: {"annotator": _tuple},
}
"""What `annotate_types` takes; BigQuery's own with these in their places."""
