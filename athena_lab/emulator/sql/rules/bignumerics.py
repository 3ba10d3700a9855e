"""BIGNUMERIC: what stands beside one is converted first; what would take it for its whole number is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from athena_lab.emulator.bignumerics import SCALE, scaled
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.by_name import leaves
from athena_lab.emulator.sql.rules.calls import FLOATS, INTEGERS, call, cast, is_a
from athena_lab.emulator.sql.rules.raw import raw

_BIG = frozenset({exp.DType.BIGDECIMAL})
_TEXTS = frozenset({exp.DType.TEXT, exp.DType.VARCHAR})
_MADE = {
    exp.Mul: "athena_big_multiplied", exp.Div: "athena_big_divided", exp.Mod: "athena_big_remainder",
    exp.IntDiv: "athena_big_quotient", exp.Pow: "athena_big_power",
}  # fmt: skip
_SAFE = {exp.SafeAdd: exp.Add, exp.SafeSubtract: exp.Sub, exp.SafeMultiply: exp.Mul}
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ROUNDED = {exp.Round: "ROUND", exp.Trunc: "TRUNC", exp.Ceil: "CEIL", exp.Floor: "FLOOR"}
_FUNCTIONS = {exp.Sqrt: "SQRT", exp.Exp: "EXP", exp.Ln: "LN"}
_AS_FLOATS = (
    exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp,
    exp.Sin, exp.Cos, exp.Tan, exp.IsNan, exp.IsInf, exp.PercentileCont,
)  # fmt: skip
_PLAIN = (
    exp.Min, exp.Max, exp.AnyValue, exp.ArrayAgg, exp.Count, exp.ApproxDistinct, exp.FirstValue, exp.LastValue,
    exp.NthValue, exp.Lag, exp.Lead, exp.ArgMax, exp.ArgMin, exp.IgnoreNulls, exp.RespectNulls, exp.Distinct,
    exp.Cast, exp.TryCast, exp.JSONFormat, exp.Format, exp.Typeof, exp.Struct, exp.Array, exp.Is, exp.Not, exp.Unnest,
    exp.Exists, exp.In, exp.Between, exp.ParseBignumeric, exp.JSONObject, exp.JSONArray, exp.SafeFunc, exp.RowNumber,
    exp.And, exp.Or, exp.Paren, exp.Dot, exp.Bracket, exp.PropertyEQ, exp.Alias, exp.CountIf, exp.Kwarg,
)  # fmt: skip
"""What takes a value as it is, or is dealt with elsewhere."""


def is_big(node: exp.Expression | None) -> bool:
    """Tell whether a node is a BIGNUMERIC."""
    return is_a(node, _BIG)


def to_big(value: exp.Expression) -> exp.Expression:
    """Give a value as a BIGNUMERIC."""
    if is_big(value):
        return value.copy()
    made = _made_big(value)
    made.type = exp.DataType.build("BIGNUMERIC", dialect="bigquery")
    return made


def _made_big(value: exp.Expression) -> exp.Expression:
    if isinstance(value, exp.Null) or is_a(value, {exp.DType.NULL}):
        return cast(exp.Null(), "BIGNUM")
    sign, inner = ("-", value.this) if isinstance(value, exp.Neg) else ("", value)
    if isinstance(inner, exp.Literal) and not inner.is_string:
        try:
            return raw(f"CAST('{scaled(Decimal(sign + inner.name))}' AS BIGNUM)")
        except ValueError as error:
            raise invalid_query(str(error)) from error
    if isinstance(inner, exp.Literal):
        return call("athena_big_of_text", value)
    if is_a(value, INTEGERS):
        return raw(f"CAST(CAST({{0}} AS VARCHAR) || '{'0' * SCALE}' AS BIGNUM)", value)
    if is_a(value, {exp.DType.DECIMAL}):
        text = f"replace(CAST(CAST({{0}} AS DECIMAL(38, 9)) AS VARCHAR), '.', '') || '{'0' * (SCALE - 9)}'"
        return raw(f"CAST({text} AS BIGNUM)", value)
    if is_a(value, FLOATS):
        return call("athena_big_of_float", value)
    if is_a(value, _TEXTS):
        return call("athena_big_of_text", value)
    raise unsupported("A conversion of this type to BIGNUMERIC")


def to_float(value: exp.Expression) -> exp.Expression:
    """Give a BIGNUMERIC as a FLOAT64, anything else as it is."""
    return call("athena_big_float", value) if is_big(value) else value.copy()


def rewrite(node: exp.Expression) -> exp.Expression | None:
    """Give what stands for a node that has to do with BIGNUMERIC; None for any other."""
    if isinstance(node, exp.SetOperation):
        _united(node)
        return None
    operands = _operands(node)
    if not any(is_big(item) for item in operands) and not is_big(node):
        return None
    for kinds, make in _MAKERS:
        if isinstance(node, kinds):
            return make(node)
    is_known = isinstance(node, _PLAIN) or not isinstance(node, exp.Func | exp.Binary)
    if not is_known and any(is_big(item) for item in operands):
        if isinstance(node, exp.Anonymous) and (node.name.startswith("athena_") or node.meta.get("is_ours")):
            return None
        raise unsupported(f"{_name(node)} of BIGNUMERIC")
    return None


def _name(node: exp.Expression) -> str:
    return str(node.name if isinstance(node, exp.Anonymous) else node.key).upper()


def _operands(node: exp.Expression) -> list[exp.Expression]:
    return [item for item in node.iter_expressions() if isinstance(item, exp.Expression)]


def _typed(made: exp.Expression, kind: str = "BIGNUMERIC") -> exp.Expression:
    made.type = exp.DataType.build(kind, dialect="bigquery")
    return made


def _with_floats(node: exp.Expression) -> exp.Expression:
    """Compute with FLOAT64 where one side is one; the rules for those follow."""
    made = node.copy()
    for old, new in zip(_operands(node), _operands(made), strict=True):
        if is_big(old):
            new.replace(to_float(old))
        else:
            new.type = old.type
    made.type = node.type
    made.meta["is_float"] = True
    return made


def _arithmetic(node: exp.Expression) -> exp.Expression:
    left, right = node.this, node.expression
    if is_a(left, FLOATS) or is_a(right, FLOATS):
        return _with_floats(node)
    one, two = to_big(left), to_big(right)
    if type(node) in _MADE:
        return _typed(call(_MADE[type(node)], one, two))
    operator = "+" if isinstance(node, exp.Add) else "-"
    return _typed(raw(f"athena_big_checked({{0}} {operator} {{1}})", one, two))


def _safe(node: exp.Expression) -> exp.Expression:
    plain = _SAFE[type(node)](this=node.this.copy(), expression=node.expression.copy())
    plain.this.type, plain.expression.type = node.this.type, node.expression.type
    return _typed(call("TRY", _arithmetic(plain)))


def _safe_divided(node: exp.Expression) -> exp.Expression:
    if is_a(node.this, FLOATS) or is_a(node.expression, FLOATS):
        return _with_floats(node)
    return _typed(call("TRY", call("athena_big_divided", to_big(node.this), to_big(node.expression))))


def _compared(node: exp.Expression) -> exp.Expression:
    left, right = node.this, node.expression
    if is_a(left, FLOATS) or is_a(right, FLOATS):
        return _with_floats(node)
    return type(node)(this=to_big(left), expression=to_big(right))


def _between(node: exp.Expression) -> exp.Expression:
    if any(is_a(item, FLOATS) for item in _operands(node)):
        return _with_floats(node)
    return exp.Between(this=to_big(node.this), low=to_big(node.args["low"]), high=to_big(node.args["high"]))


def _among(node: exp.Expression) -> exp.Expression | None:
    if not node.expressions:
        return None
    if any(is_a(item, FLOATS) for item in _operands(node)):
        return _with_floats(node)
    return exp.In(this=to_big(node.this), expressions=[to_big(item) for item in node.expressions])


def _chosen(node: exp.Expression) -> exp.Expression | None:
    """IF, CASE, COALESCE, GREATEST and their kind: all that may be given is of one type."""
    if not is_big(node) and not isinstance(node, exp.Nullif):
        return None
    made = node.copy()
    made.type = node.type
    for old, new in zip(_given(node), _given(made), strict=True):
        if not is_big(old):
            new.type = old.type
            new.replace(to_big(old))
        else:
            new.type = old.type
    return made


def _given(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.If):
        return [item for item in (node.args.get("true"), node.args.get("false")) if item is not None]
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        return [item.args["true"] for item in node.args["ifs"]] + ([default] if default is not None else [])
    if isinstance(node, exp.Nullif):
        return [node.this, node.expression]
    return [*([node.this] if isinstance(node.this, exp.Expression) else []), *node.expressions]


def _array(node: exp.Expression) -> exp.Expression | None:
    if all(is_big(item) for item in node.expressions):
        return None
    return exp.Array(expressions=[to_big(item) for item in node.expressions])


def _rounded(node: exp.Expression) -> exp.Expression:
    digits = node.args.get("decimals")
    mode = node.args.get("truncate") if isinstance(node, exp.Round) else None
    how = mode if mode is not None else exp.Literal.string(_ROUNDED[type(node)])
    return _typed(call("athena_big_rounded", node.this, digits if digits is not None else exp.Literal.number(0), how))


def _signed(node: exp.Expression) -> exp.Expression:
    one = f"CAST('{10**SCALE}' AS BIGNUM)"
    zero = "CAST('0' AS BIGNUM)"
    templates = {
        exp.Neg: "athena_big_checked(-{0})",
        exp.SafeNegate: "TRY(athena_big_checked(-{0}))",
        exp.Abs: f"CASE WHEN {{0}} < {zero} THEN athena_big_checked(-{{0}}) ELSE {{0}} END",
        exp.Sign: f"CASE WHEN {{0}} < {zero} THEN -{one} WHEN {{0}} > {zero} THEN {one} ELSE {{0}} END",
    }
    return _typed(raw(templates[type(node)], node.this))


def _function(node: exp.Expression) -> exp.Expression:
    return _typed(call("athena_big_function", _FUNCTIONS[type(node)], to_big(node.this)))


def _logarithm(node: exp.Expression) -> exp.Expression:
    value, base = (node.expression, node.this) if node.expression is not None else (node.this, None)
    made = call("athena_big_function", "LN", to_big(value))
    if base is None:
        return _typed(made)
    return _typed(call("athena_big_divided", made, call("athena_big_function", "LN", to_big(base))))


def _summed(node: exp.Expression) -> exp.Expression | None:
    if isinstance(node.parent, exp.Window | exp.Filter):
        return None
    return _typed(raw("athena_big_checked(sum({0}))", node.this))


_SHARE = "athena_big_divided(athena_big_checked({0}), CAST(CAST({1} AS VARCHAR) || '" + "0" * SCALE + "' AS BIGNUM))"


def _averaged(node: exp.Expression) -> exp.Expression | None:
    if isinstance(node.parent, exp.Window | exp.Filter):
        return None
    total, count = exp.Sum(this=node.this.copy()), exp.Count(this=node.this.copy())
    return _typed(raw("CASE WHEN {1} > 0 THEN " + _SHARE + " END", total, count))


def _windowed(node: exp.Expression) -> exp.Expression | None:
    inner = node.this
    if isinstance(inner, exp.Sum) and is_big(inner.this):
        return _typed(call("athena_big_checked", node.copy()))
    if isinstance(inner, exp.Avg) and is_big(inner.this):
        total, count = node.copy(), node.copy()
        total.set("this", exp.Sum(this=inner.this.copy()))
        count.set("this", exp.Count(this=inner.this.copy()))
        return _typed(raw("CASE WHEN {1} > 0 THEN " + _SHARE + " END", total, count))
    return None


def _as_float(node: exp.Expression) -> exp.Expression:
    return _with_floats(node)


def _united(node: exp.Expression) -> None:
    """The columns of a set operation are all BIGNUMERIC where one is."""
    if isinstance(node.parent, exp.SetOperation):
        return
    selects = leaves(node)
    if len({len(select.selects) for select in selects}) != 1:
        return
    for column in zip(*(select.selects for select in selects), strict=True):
        inner = [item.unalias() for item in column]
        if any(is_big(item) for item in inner):
            for item in inner:
                if not is_big(item):
                    made = to_big(item)
                    item.replace(made)


_MAKERS: tuple[tuple[tuple[type[exp.Expression], ...], Callable[[exp.Expression], exp.Expression | None]], ...] = (
    (_COMPARED, _compared),
    ((exp.Add, exp.Sub, *_MADE), _arithmetic),
    (tuple(_SAFE), _safe),
    ((exp.SafeDivide,), _safe_divided),
    ((exp.Between,), _between),
    ((exp.In,), _among),
    ((exp.If, exp.Case, exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif), _chosen),
    ((exp.Array,), _array),
    (tuple(_ROUNDED), _rounded),
    ((exp.Neg, exp.Abs, exp.Sign, exp.SafeNegate), _signed),
    (tuple(_FUNCTIONS), _function),
    ((exp.Log,), _logarithm),
    ((exp.Sum,), _summed),
    ((exp.Avg,), _averaged),
    ((exp.Window,), _windowed),
    (_AS_FLOATS, _as_float),
)
