"""Numbers: literals, division, rounding and casts (INT64, FLOAT64, NUMERIC)."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import failing
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, INTEGERS, call, cast, is_a, is_type
from athena_lab.emulator.sql.rules.intervals import moment_difference, scaled
from athena_lab.emulator.sql.rules.raw import raw

NUMERIC = "DECIMAL(38, 9)"


def literal(node: exp.Expression) -> exp.Expression | None:
    """A number with a point is FLOAT64 in GoogleSQL, a DECIMAL in DuckDB unless it has an exponent."""
    if node.args.get("is_string") or node.name.isdigit():
        return None
    text = node.name.lower()
    return None if "e" in text or text.startswith("0x") else exp.Literal.number(f"{text}e0")


_LEAST = 2**63


def negative(node: exp.Expression) -> exp.Expression | None:
    """The least INT64 is no INT64 without its sign."""
    inner = node.this
    if isinstance(inner, exp.Literal) and inner.name == str(_LEAST):
        return raw(f"CAST('-{_LEAST}' AS BIGINT)", kind="INT64")
    return None


def divide(node: exp.Expression) -> exp.Expression | None:
    """`/` fails on zero and is FLOAT64, or NUMERIC if a side is NUMERIC and none is FLOAT64."""
    left, right = node.this, node.expression
    spans = scaled(node)
    if spans is not None:
        return spans
    sides = [exact(left), exact(right)]
    if any(is_a(side, DECIMALS) for side in (left, right)) and not any(is_a(side, FLOATS) for side in sides):
        return raw("athena_divide_numeric({0}, {1})", *sides, kind="NUMERIC")
    if isinstance(right, exp.Literal) and not right.args.get("is_string") and float(right.name) >= 1:
        return None
    return call("athena_divide", left, right)


def exact(node: exp.Expression) -> exp.Expression:
    """Give a number that is written out, beside a NUMERIC, as the NUMERIC that it is."""
    if isinstance(node, exp.Literal) and not node.is_string and is_a(node, FLOATS):
        text = f"CAST(athena_parse_decimal('{node.name.removesuffix('e0')}', 9, 29) AS {NUMERIC})"
        return raw(text, kind="NUMERIC")
    return node


def safe_divide(node: exp.Expression) -> exp.Expression:
    """SAFE_DIVIDE gives NULL on zero."""
    left, right = node.this, node.expression
    if (is_a(left, DECIMALS) or is_a(right, DECIMALS)) and not (is_a(left, FLOATS) or is_a(right, FLOATS)):
        return raw("TRY(CASE WHEN {1} <> 0 THEN athena_divide_numeric({0}, {1}) END)", left, right, kind="NUMERIC")
    return call("athena_safe_divide", left, right)


def round_(node: exp.Expression) -> exp.Expression | None:
    """ROUND of an INT64 is a FLOAT64; of a NUMERIC it may say how halves are rounded."""
    mode, places = node.args.get("truncate"), node.args.get("decimals")
    if mode is not None:
        return _rounded(node, mode)
    name = "trunc" if isinstance(node, exp.Trunc) else "round"
    if is_a(node.this, DECIMALS):
        return None if places is None else cast(call(name, node.this, call("athena_places", places)), NUMERIC)
    if places is None:
        return call(name, cast(node.this, "DOUBLE")) if is_a(node.this, INTEGERS) else None
    return call(f"athena_{name}", cast(node.this, "DOUBLE"), places)


def _rounded(node: exp.Expression, mode: exp.Expression) -> exp.Expression:
    if not isinstance(mode, exp.Literal) or not is_a(node.this, DECIMALS):
        raise unsupported("ROUND with a rounding mode that is not a constant, or of anything but NUMERIC")
    if mode.name.upper() == "ROUND_HALF_AWAY_FROM_ZERO":
        return cast(call("round", node.this, node.args["decimals"]), NUMERIC)
    if mode.name.upper() != "ROUND_HALF_EVEN":
        raise invalid_query(f"Could not cast literal '{mode.name}' to type ROUNDING_MODE")
    return cast(call("athena_round_even", cast(node.this, "VARCHAR"), node.args["decimals"]), NUMERIC)


def power(node: exp.Expression) -> exp.Expression:
    """POW and EXP fail where the result is no number of FLOAT64, or none at all."""
    if isinstance(node, exp.Exp):
        return call("athena_exp", cast(node.this, "DOUBLE"))
    if is_a(node, DECIMALS):
        return cast(call("pow", cast(node.this, "DOUBLE"), cast(node.expression, "DOUBLE")), NUMERIC)
    return call("athena_pow", cast(node.this, "DOUBLE"), cast(node.expression, "DOUBLE"))


def correlation(node: exp.Expression) -> exp.Expression | None:
    """CORR of fewer than two pairs is NULL."""
    if isinstance(node.parent, exp.Window):
        return None
    return raw("CASE WHEN regr_count({0}, {1}) < 2 THEN NULL ELSE corr({0}, {1}) END", node.this, node.expression)


def days(node: exp.Expression) -> exp.Expression | None:
    """GENERATE_DATE_ARRAY refuses a step of 0."""
    step = node.args.get("step")
    inner = step.this if isinstance(step, exp.Interval) else step
    if isinstance(inner, exp.Literal) and inner.name.strip("-") == "0":
        raise invalid_query("Sequence step cannot be 0.")
    if inner is None or isinstance(inner, exp.Literal | exp.Neg) or node.meta.get("is_final"):
        return None
    plain = node.copy()
    plain.meta["is_final"] = True
    return raw("CASE WHEN {0} = 0 THEN athena_error('Sequence step cannot be 0.') ELSE {1} END",
               inner, plain, kind="ARRAY<DATE>")  # fmt: skip


def series(node: exp.Expression) -> exp.Expression:
    """GENERATE_ARRAY, of INT64, NUMERIC or FLOAT64, of 1,048,575 elements at most."""
    bounds = [node.args["start"], node.args["end"], node.args.get("step") or exp.Literal.number(1)]
    if any(is_a(bound, FLOATS) for bound in bounds):
        return call("athena_numbers", *(cast(bound, "DOUBLE") for bound in bounds))
    if any(is_a(bound, DECIMALS) for bound in bounds):
        return call("athena_numbers", *(cast(bound, NUMERIC) for bound in bounds))
    return call("athena_integers", *bounds)  # which refuses a fraction, where the types are not known


def sign(node: exp.Expression) -> exp.Expression:
    """SIGN has the type of its argument."""
    if is_a(node.this, INTEGERS | DECIMALS):
        return cast(call("sign", node.this), "BIGINT" if is_a(node.this, INTEGERS) else NUMERIC)
    return call("athena_sign", cast(node.this, "DOUBLE"))


def safe_arithmetic(node: exp.Expression) -> exp.Expression:
    """SAFE_ADD and its sisters give NULL on overflow."""
    operator = {exp.SafeAdd: exp.Add, exp.SafeSubtract: exp.Sub, exp.SafeMultiply: exp.Mul}[type(node)]
    return call(
        "TRY", operator(this=exp.Paren(this=node.this.copy()), expression=exp.Paren(this=node.expression.copy()))
    )


def safe_negate(node: exp.Expression) -> exp.Expression:
    """SAFE_NEGATE gives NULL on overflow."""
    if is_a(node.this, INTEGERS):
        return raw("TRY(0 - {0})", node.this)
    return call("TRY", exp.Neg(this=exp.Paren(this=node.this.copy())))


def whole(node: exp.Expression) -> exp.Expression | None:
    """Whole numbers are INT64; DuckDB's literals have half of that, and overflow with it."""
    if not (is_a(node.this, INTEGERS) and is_a(node.expression, INTEGERS)):
        return None
    return type(node)(this=cast(node.this, "BIGINT"), expression=node.expression.copy())


def total(node: exp.Expression) -> exp.Expression | None:
    """`+`."""
    return _of_numerics(node) or whole(node) or finite(node)


def _of_numerics(node: exp.Expression) -> exp.Expression | None:
    """A sum of a NUMERIC and a number that is written out is exact."""
    sides = (node.this, node.expression)
    if not is_type(node, exp.DType.DECIMAL) or all(exact(side) is side for side in sides):
        return None
    return type(node)(this=exact(node.this).copy(), expression=exact(node.expression).copy())


def quotient(node: exp.Expression) -> exp.Expression | None:
    """DIV of NUMERICs is a NUMERIC without a fraction."""
    if is_a(node.this, DECIMALS) or is_a(node.expression, DECIMALS):
        texts = (cast(cast(item, NUMERIC), "VARCHAR") for item in (node.this, node.expression))
        return cast(call("athena_quotient", *texts), NUMERIC)
    return None


def shifted(node: exp.Expression) -> exp.Expression | None:
    """`>>` of an INT64 brings in zeros, whatever its sign."""
    if not is_a(node.this, INTEGERS):
        return None
    return raw(
        "CASE WHEN {1} < 0 THEN athena_error('Bitwise shift by a negative number: ' || {1}) WHEN {1} = 0 THEN {0} "
        "WHEN {1} > 63 THEN 0 ELSE CAST((CAST({0} AS BIGINT) >> CAST({1} AS INTEGER)) & "
        "((CAST(1 AS HUGEINT) << (64 - CAST({1} AS INTEGER))) - 1) AS BIGINT) END",
        node.this, node.expression, kind="INT64",
    )  # fmt: skip


_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Paren)


def finite(node: exp.Expression) -> exp.Expression | None:
    """FLOAT64 arithmetic fails where finite numbers give none; asked once, at the outermost operator."""
    outer: exp.Expression | None = node.parent
    while isinstance(outer, exp.Paren):
        outer = outer.parent
    if not is_a(node, FLOATS) or isinstance(outer, _ARITHMETIC):
        return None
    parts = [item for item in _leaves(node) if is_a(item, FLOATS) and not isinstance(item, exp.Literal)]
    tests = "".join(f" AND isfinite({{{index}}})" for index in range(1, len(parts) + 1))
    text = f"CASE WHEN NOT isfinite({{0}}){tests} THEN athena_error('double overflow') ELSE {{0}} END"
    return raw(text, node.copy(), *parts)


def _leaves(node: exp.Expression) -> list[exp.Expression]:
    if not isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Neg | exp.Paren):
        return [node]
    return [leaf for part in node.iter_expressions() for leaf in _leaves(part)]


def magnitude(node: exp.Expression) -> exp.Expression | None:
    """ABS and BIT_COUNT of whole numbers."""
    if isinstance(node, exp.BitwiseCount):
        if is_type(node.this, exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB):
            return call("athena_bit_count_bytes", node.this)
        return cast(call("bit_count", cast(node.this, "BIGINT")), "BIGINT")
    return exp.Abs(this=cast(node.this, "BIGINT")) if is_a(node.this, INTEGERS) else None


def product(node: exp.Expression) -> exp.Expression | None:
    """A product of NUMERICs is NUMERIC again (DuckDB would add the scales)."""
    if is_type(node, exp.DType.DECIMAL, exp.DType.BIGDECIMAL) and not node.find(exp.Interval):
        return call("athena_multiply_numeric", exact(node.this), exact(node.expression))
    return scaled(node) or whole(node) or finite(node)


def logarithm(node: exp.Expression) -> exp.Expression | None:
    """LN and LOG fail on what is not positive."""
    if isinstance(node, exp.Ln):
        return call("athena_ln", cast(node.this, "DOUBLE"))
    value, base = (node.expression, node.this) if node.expression is not None else (node.this, None)
    if base is None:
        return call("athena_ln", cast(value, "DOUBLE"))
    return call("athena_log", cast(value, "DOUBLE"), cast(base, "DOUBLE"))


def square_root(node: exp.Expression) -> exp.Expression:
    """SQRT fails on what is negative."""
    return call("athena_sqrt", cast(node.this, "DOUBLE"))


def difference(node: exp.Expression) -> exp.Expression | None:
    """A DATE less a DATE is an INTERVAL of days."""
    if is_type(node.this, exp.DType.DATE) and is_type(node.expression, exp.DType.DATE):
        made = call("to_days", exp.Sub(this=node.this.copy(), expression=node.expression.copy()))
        made.type = exp.DataType.build("INTERVAL")
        return made
    return moment_difference(node) or _of_numerics(node) or whole(node) or finite(node)


def trigonometric(node: exp.Expression) -> exp.Expression:
    """SEC, CSC, COT and the hyperbolic ones that DuckDB lacks."""
    templates = {
        exp.Sec: "(1 / cos({0}))", exp.Csc: "(1 / sin({0}))", exp.Sech: "(1 / cosh({0}))",
        exp.Csch: "(1 / sinh({0}))", exp.Coth: "(1 / tanh({0}))", exp.Cot: "(1 / tan({0}))",
    }  # fmt: skip
    value = cast(node.this, "DOUBLE")
    made = raw(templates[type(node)], value)
    if isinstance(node, exp.Sec | exp.Sech):
        return made
    name = type(node).__name__.upper()
    text = f"CASE WHEN {{0}} = 0 THEN athena_error('Floating point error in function: {name}(0)') ELSE {{1}} END"
    return raw(text, value, made)


def checked(node: exp.Expression) -> exp.Expression:
    """ACOS, COSH and their kind fail where a number has no value or none that FLOAT64 holds."""
    name, value = type(node).__name__.lower(), cast(node.this, "DOUBLE")
    return call("athena_checked", name.upper(), value, call(name, value.copy()))


def bucket(node: exp.Expression) -> exp.Expression:
    """RANGE_BUCKET: the number of bounds that are not above the point."""
    name = "athena_range_bucket_floats" if is_a(node.this, FLOATS) else "athena_range_bucket"
    return call(name, node.this, node.expression)


def shifted_left(node: exp.Expression) -> exp.Expression | None:
    """`<<` of an INT64 drops what goes beyond its 64 bits."""
    if not is_a(node.this, INTEGERS):
        return None
    return raw("athena_shift_left({0}, {1})", node.this, node.expression, kind="INT64")


RULES = {
    exp.Literal: literal,
    exp.Div: divide,
    exp.Neg: negative,
    exp.Mul: product,
    exp.Add: total,
    exp.BitwiseLeftShift: shifted_left,
    exp.BitwiseRightShift: shifted,
    exp.IntDiv: quotient,
    exp.Abs: magnitude,
    exp.BitwiseCount: magnitude,
    exp.SafeDivide: safe_divide,
    exp.Round: round_,
    exp.Trunc: round_,
    exp.Acos: checked,
    exp.Acosh: checked,
    exp.Asin: checked,
    exp.Atanh: checked,
    exp.Cosh: checked,
    exp.Sinh: checked,
    exp.Sign: sign,
    exp.SafeAdd: safe_arithmetic,
    exp.SafeSubtract: safe_arithmetic,
    exp.SafeMultiply: safe_arithmetic,
    exp.SafeNegate: safe_negate,
    exp.SafeFunc: failing.safe_call,
    exp.Sec: trigonometric,
    exp.Csc: trigonometric,
    exp.Cot: trigonometric,
    exp.Sech: trigonometric,
    exp.Csch: trigonometric,
    exp.Coth: trigonometric,
    exp.RangeBucket: bucket,
    exp.Ln: logarithm,
    exp.Log: logarithm,
    exp.Sqrt: square_root,
    exp.Pow: power,
    exp.Exp: power,
    exp.Corr: correlation,
    exp.GenerateSeries: series,
    exp.GenerateDateArray: days,
    exp.Sub: difference,
}
