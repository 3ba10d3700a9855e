"""Functions that the parser does not know by type."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import documents, failing, intervals, namespaced, ranges
from athena_lab.emulator.sql.rules.calls import call, cast, is_type
from athena_lab.emulator.sql.rules.documents import json_of
from athena_lab.emulator.sql.rules.raw import flag, raw
from athena_lab.emulator.sql.udfs import JAVASCRIPT

Arguments = list[exp.Expression]


def _ieee_divide(given: Arguments) -> exp.Expression:
    left, right = (cast(item, "DOUBLE") for item in given)
    return exp.Paren(this=exp.Div(this=left, expression=right, typed=False, safe=False))


def _from_unix_date(given: Arguments) -> exp.Expression:
    return raw("CAST(DATE '1970-01-01' + CAST({0} AS INTEGER) AS DATE)", given[0])


def _split_named(given: Arguments) -> tuple[Arguments, dict[str, exp.Expression]]:
    named = {item.this.name.lower(): item for item in given if isinstance(item, exp.Kwarg)}
    return [item for item in given if not isinstance(item, exp.Kwarg)], named


def _search(given: Arguments) -> exp.Expression:
    plain, named = _split_named(given)
    names = ("analyzer", "analyzer_options", "json_scope")
    found = {
        **dict(zip(names, plain[2:], strict=False)),
        **{name: flag(item, default=True) for name, item in named.items()},
    }
    options = found.get("analyzer_options")
    if options is not None and not isinstance(options, exp.Null):
        raise unsupported("SEARCH with analyzer_options")
    analyzer = found.get("analyzer", exp.Literal.string("LOG_ANALYZER"))
    scope = found.get("json_scope", exp.Literal.string("JSON_VALUES"))
    return call("athena_search", json_of(plain[0], is_string=True), plain[1], analyzer, scope)


def _text_analyze(given: Arguments) -> exp.Expression:
    plain, named = _split_named(given)
    analyzer = flag(named.get("analyzer"), default=True) if "analyzer" in named else None
    if analyzer is None:
        analyzer = plain[1] if len(plain) > 1 else exp.Literal.string("LOG_ANALYZER")
    options = flag(named["analyzer_options"], default=True) if "analyzer_options" in named else exp.Literal.string("")
    return call("athena_text_analyze", plain[0], analyzer, plain[2] if len(plain) > 2 else options)


def _bag_of_words(given: Arguments) -> exp.Expression:
    struct = 'STRUCT("term" VARCHAR, "count" BIGINT)[]'
    made = raw(f"CAST(CAST(athena_bag_of_words({{0}}) AS JSON) AS {struct})", given[0])
    made.type = exp.DataType.build("ARRAY<STRUCT<term STRING, count INT64>>", dialect="bigquery")
    return made


def _javascript(given: Arguments) -> exp.Expression:
    texts, arguments = given[:3], given[3:]
    parts = " || ',' || ".join(str(json_of(item).sql("duckdb")) for item in arguments) or "''"
    return call("athena_javascript", *texts, exp.Var(this=f"('[' || {parts} || ']')"))


def _is_distinct(given: Arguments) -> exp.Expression:
    return raw("(len(list_distinct({0})) + CAST(list_contains(list_transform({0}, lambda e: e IS NULL), true) AS INT)"
               " = len({0}))", given[0])  # fmt: skip


def _type_name(given: Arguments) -> exp.Expression:
    return exp.Literal.string(_name_of(given[0]))


def _name_of(value: exp.Expression) -> str:
    kind = value.type
    if isinstance(value, exp.Null) or (kind is not None and kind.this == exp.DType.NULL):
        return "INT64"
    if isinstance(value, exp.Tuple) or (isinstance(value, exp.Anonymous) and value.name == "row"):
        return f"STRUCT<{', '.join(_name_of(part) for part in value.expressions)}>"
    if kind is None or kind.this == exp.DType.UNKNOWN:
        raise unsupported("TYPEOF of this expression")
    plain = kind.copy()
    for part in list(plain.find_all(exp.DataTypeParam)):
        part.pop()
    return str(plain.sql("bigquery")).replace("`", "")


def contains(node: exp.Expression) -> exp.Expression:
    """CONTAINS_SUBSTR: in any text of a value, whatever the letters' case and form."""
    value, query = _unlowered(node.this), _unlowered(node.expression)
    scope = node.args.get("json_scope")
    scope = flag(scope, default=True) if scope is not None else exp.Literal.string("JSON_VALUES")
    in_python = call("athena_contains_substr", json_of(value, is_string=True), query, scope)
    if not is_type(value, exp.DType.TEXT, exp.DType.VARCHAR):
        return in_python
    return raw(
        "CASE WHEN strlen({0}) = length({0}) AND strlen({1}) = length({1}) THEN contains(lower({0}), lower({1})) "
        "ELSE {2} END", value, query, in_python,
    )  # fmt: skip


def _unlowered(node: exp.Expression) -> exp.Expression:
    return node.this if isinstance(node, exp.Lower) else node


def _typeof(node: exp.Expression) -> exp.Expression:
    """TYPEOF."""
    return _type_name([node.this])


def _distance(name: str) -> Callable[[exp.Expression], exp.Expression | None]:
    """COSINE_DISTANCE and EUCLIDEAN_DISTANCE of arrays of (dimension, magnitude)."""

    def make(node: exp.Expression) -> exp.Expression | None:
        kind = node.this.type
        element = kind.expressions[0] if kind is not None and kind.expressions else None
        if isinstance(node.this, exp.Array) and node.this.expressions:
            element = node.this.expressions[0].type or element
            first = node.this.expressions[0]
            is_sparse = isinstance(first, exp.Tuple | exp.Struct) or getattr(first, "name", "") == "row"
        else:
            is_sparse = element is not None and element.this == exp.DType.STRUCT
        if is_sparse:
            pairs = [call("to_json", call("athena_pairs", item)) for item in (node.this, node.expression)]
            return call(f"athena_sparse_{name}", *(cast(item, "VARCHAR") for item in pairs))
        return call(f"athena_{name}", *(cast(item, "DOUBLE[]") for item in (node.this, node.expression)))

    return make


def _includes(given: Arguments) -> exp.Expression:
    if isinstance(given[1], exp.Lambda):
        return raw("(len(list_filter({0}, {1})) > 0)", *given, kind="BOOL")
    return call("list_contains", *given)


_MAKERS: dict[str, Callable[[Arguments], exp.Expression]] = {
    "IEEE_DIVIDE": _ieee_divide,
    "IS_INF": lambda given: call("isinf", *given),
    "DATE_FROM_UNIX_DATE": _from_unix_date,
    "SEARCH": _search,
    "TEXT_ANALYZE": _text_analyze,
    "BAG_OF_WORDS": _bag_of_words,
    "ARRAY_IS_DISTINCT": _is_distinct,
    "ARRAY_INCLUDES": _includes,
    "ARRAY_INCLUDES_ANY": lambda given: call("list_has_any", *given),
    "ARRAY_INCLUDES_ALL": lambda given: raw(
        "(list_has_all({0}, {1}) AND list_count({1}) = len({1}))", *given, kind="BOOL"
    ),
    "ARRAY_AVG": lambda given: call("list_avg", *given),
    "ATHENA_BUCKETS": intervals.buckets,
    "ATHENA_LINEAR": intervals.linear,
    "ERROR": lambda given: call("athena_error", given[0]),
    "ISERROR": failing.is_error,
    "IFERROR": failing.if_error,
    "NULLIFERROR": lambda given: call("TRY", given[0]),
    "SPLIT_SUBSTR": lambda given: call("athena_split_substr", *given),
    **documents.ARRAYS,
    "TYPEOF": _type_name,
    "JSON_FLATTEN": lambda given: documents.flat(given[0]),
    "NULLIFZERO": lambda given: raw("nullif({0}, 0)", *given),
    "ZEROIFNULL": lambda given: raw("coalesce({0}, 0)", *given),
    **ranges.MAKERS,
}
for _name in ("DATE_BUCKET", "DATETIME_BUCKET", "TIMESTAMP_BUCKET"):
    _MAKERS[_name] = lambda given, name=_name: intervals.bucket(name, given)  # type: ignore[misc]


def anonymous(node: exp.Expression) -> exp.Expression | None:
    """Make a call whose name no rule of its own class has."""
    name, given = node.name.upper(), list(node.expressions)
    if node.meta.get("is_ours"):
        return _javascript(given) if name == JAVASCRIPT else None
    if isinstance(node.parent, exp.Dot) and node.parent.expression is node:
        return None  # with a namespace: a rule of its own
    try:
        if name in namespaced.PLAIN:
            return namespaced.named(name, given)
        maker = _MAKERS.get(name)
        return maker(given) if maker is not None else None
    except IndexError as error:
        raise invalid_query(f"No matching signature for function {name}") from error


RULES = {
    exp.CosineDistance: _distance("cosine_distance"),
    exp.EuclideanDistance: _distance("euclidean_distance"),
    exp.Contains: contains,
    exp.Anonymous: anonymous,
    exp.Typeof: _typeof,
}
