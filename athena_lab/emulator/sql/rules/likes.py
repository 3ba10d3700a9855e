"""LIKE, and LIKE ANY, SOME and ALL of patterns that are written out, in an array or given by a query.

https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#like_operator_quantified
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.sql.rules.calls import call, is_type
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.texts import as_bytes, is_bytes


def like(node: exp.Expression) -> exp.Expression | None:
    """LIKE: a backslash takes the sense of % and _ away; of BYTES it goes by bytes."""
    pattern = node.expression
    is_negated = bool(node.args.get("negate"))
    if isinstance(pattern, exp.Any | exp.All):
        return _quantified(node.this, pattern, is_negated=is_negated)
    if isinstance(node.parent, exp.Escape):
        return None
    is_plain = isinstance(pattern, exp.Literal) and "\\" not in pattern.name
    if is_plain and not is_bytes(node.this):
        return None
    return _one(node.this, pattern, is_negated=is_negated)


def _one(value: exp.Expression, pattern: exp.Expression, *, is_negated: bool) -> exp.Expression:
    if is_bytes(value) or is_bytes(pattern):
        made = call("athena_like_bytes", as_bytes(value), as_bytes(pattern))
        return exp.Not(this=made) if is_negated else made
    text = f"({{0}} {'NOT ' if is_negated else ''}LIKE {{1}} ESCAPE '\\')"
    return raw(text, value, pattern, kind="BOOL")


def _quantified(value: exp.Expression, quantifier: exp.Expression, *, is_negated: bool) -> exp.Expression:
    """Compare with each pattern: NULL where no answer is decisive and one is NULL; without patterns ANY is false."""
    given = quantifier.this
    inner = given.unnest() if isinstance(given, exp.Paren) else given
    if isinstance(inner, exp.Tuple) or not isinstance(inner, exp.Unnest | exp.Subquery | exp.Query):
        patterns = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
        tests = [exp.Paren(this=_one(value, pattern, is_negated=is_negated)) for pattern in patterns]
        return exp.Paren(this=(exp.or_ if isinstance(quantifier, exp.Any) else exp.and_)(*tests, copy=False))
    patterns = _listed(inner)
    element = exp.Var(this="athena_pattern")
    element.type = value.type
    test = _one(value, element, is_negated=is_negated)
    name = "athena_any" if isinstance(quantifier, exp.Any) else "athena_all"
    return raw(f"{name}(list_transform({{0}}, lambda athena_pattern: {{1}}))", patterns, test, kind="BOOL")


def _listed(inner: exp.Expression) -> exp.Expression:
    """Give the list of an array's elements, or of a query's rows."""
    if isinstance(inner, exp.Unnest):
        if len(inner.expressions) != 1 or inner.args.get("offset"):
            raise unsupported("A quantified comparison with this UNNEST")
        listed: exp.Expression = inner.expressions[0]
        return listed if not is_type(listed, exp.DType.NULL) else raw("CAST([] AS VARCHAR[])")
    query = inner.this if isinstance(inner, exp.Subquery) else inner
    return raw("ARRAY{0}", query)


RULES = {exp.Like: like}
