"""Structs beside each other: they are compared and joined in set operations by place, whatever their fields' names."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.by_name import leaves
from athena_lab.emulator.sql.rules import comparisons
from athena_lab.emulator.sql.rules.calls import call, is_type
from athena_lab.emulator.sql.rules.places import by_place
from athena_lab.emulator.sql.rules.raw import raw


def _is_struct(node: exp.Expression) -> bool:
    is_row = isinstance(node, exp.Anonymous) and node.name == "row"
    return is_row or isinstance(node, exp.Tuple) or is_type(node, exp.DType.STRUCT)


def _parts(node: exp.Expression) -> list[exp.Expression] | None:
    """Give a struct's fields as expressions; None where their names are not known."""
    inner = node.unnest() if isinstance(node, exp.Paren) else node
    is_row = isinstance(inner, exp.Anonymous) and inner.name == "row"
    if is_row or isinstance(inner, exp.Tuple | exp.Struct):
        return [part.expression if isinstance(part, exp.PropertyEQ) else part for part in inner.expressions]
    kind = inner.type
    if kind is None or not all(isinstance(part, exp.ColumnDef) and part.name for part in kind.expressions):
        return None
    made = []
    for part in kind.expressions:
        field = exp.Dot(this=exp.Paren(this=inner.copy()), expression=exp.to_identifier(part.name, quoted=True))
        field.type = part.args.get("kind")
        made.append(field)
    return made


def equal(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Compare two values: structs are equal if their fields are, NULL where one of them is not known."""
    if not (_is_struct(left) and _is_struct(right)):
        _refuse_arrays("Equality", left, right)
        plain = exp.EQ(this=left.copy(), expression=right.copy())
        plain.this.type, plain.expression.type = left.type, right.type
        return comparisons.compare(plain) or exp.Paren(this=plain)
    ours, theirs = _parts(left), _parts(right)
    if ours is None or theirs is None or len(ours) != len(theirs):
        raise unsupported("A comparison of structs whose fields are not known")
    tests = [equal(one, two) for one, two in zip(ours, theirs, strict=True)]
    return exp.Paren(this=exp.and_(*tests, copy=False))


def _ranked(node: exp.Expression) -> exp.Expression | None:
    """JSON values are compared by what they hold, not by how they are written."""
    sides = (node.this, node.expression)
    are_json = [is_type(side, exp.DType.JSON) for side in sides]
    if not any(are_json) or any(isinstance(side, exp.Null) for side in sides):
        return None
    if not all(are_json):
        raise unsupported("A comparison of a JSON with another type")
    ranks = [call("athena_json_rank", raw("CAST({0} AS VARCHAR)", side)) for side in sides]
    return type(node)(this=ranks[0], expression=ranks[1])


def _refuse_arrays(what: str, *sides: exp.Expression) -> None:
    for side in sides:
        if is_type(side, exp.DType.ARRAY) and side.type is not None:
            kind = side.type.sql("bigquery")
            raise invalid_query(f"{what} is not defined for arguments of type {kind}")


def chosen(node: exp.Expression) -> exp.Expression | None:
    """`CASE struct WHEN struct THEN …` compares as `=` does."""
    value = node.this
    if value is None:
        return None
    _refuse_arrays("Equality", value)
    if not _is_struct(value) and not comparisons.may_be_nan(value):
        return None
    branches = [exp.If(this=equal(value, item.this), true=item.args["true"].copy()) for item in node.args["ifs"]]
    default = node.args.get("default")
    return exp.Case(ifs=branches, default=default.copy() if default is not None else None)


def unless_equal(node: exp.Expression) -> exp.Expression | None:
    """NULLIF compares as `=` does."""
    _refuse_arrays("NULLIF", node.this)
    if not _is_struct(node.this) and not comparisons.may_be_nan(node.this):
        return None
    branch = exp.If(this=equal(node.this, node.expression), true=exp.Null())
    return exp.Case(ifs=[branch], default=node.this.copy())


def compare(node: exp.Expression) -> exp.Expression | None:
    """`=` and `!=` of structs and ranges."""
    ranked = _ranked(node)
    if ranked is not None:
        return ranked
    left, right = node.this, node.expression
    if _is_struct(left) and _is_struct(right):
        made = equal(left, right)
        return exp.Not(this=made) if isinstance(node, exp.NEQ) else made
    _refuse_arrays("Equality" if isinstance(node, exp.EQ) else "Inequality", left, right)
    return comparisons.differ(node) if isinstance(node, exp.NEQ) else comparisons.compare(node)


def distinct(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Tell two values apart, of which NULL is one; structs by their fields."""
    ours, theirs = (_parts(left), _parts(right)) if _is_struct(left) and _is_struct(right) else (None, None)
    if ours is None or theirs is None:
        return exp.Paren(this=exp.NullSafeNEQ(this=left.copy(), expression=right.copy()))
    if len(ours) != len(theirs):
        raise unsupported("A comparison of structs whose fields are not known")
    tests = exp.or_(*(distinct(one, two) for one, two in zip(ours, theirs, strict=True)), copy=False)
    if isinstance(left.unnest(), exp.Tuple | exp.Struct) and isinstance(right.unnest(), exp.Tuple | exp.Struct):
        return exp.Paren(this=tests)
    return raw("(({0} IS NULL) <> ({1} IS NULL) OR ({0} IS NOT NULL AND {2}))", left, right, exp.Paren(this=tests))


def told_apart(node: exp.Expression) -> exp.Expression | None:
    """IS [NOT] DISTINCT FROM of structs."""
    if not (_is_struct(node.this) and _is_struct(node.expression)):
        return _ranked(node)
    made = distinct(node.this, node.expression)
    return exp.Paren(this=exp.Not(this=made)) if isinstance(node, exp.NullSafeEQ) else made


def ordered(node: exp.Expression) -> exp.Expression | None:
    """Ranges have an order of their own, in which no bound is the least start and the greatest end."""
    if is_type(node.this, exp.DType.RANGE):
        return type(node)(**{key: call("athena_range_rank", node.args[key]) for key in ("this", "expression")})
    _refuse_arrays("Less than" if isinstance(node, exp.LT | exp.LTE) else "Greater than", node.this, node.expression)
    if _is_struct(node.this):
        raise invalid_query("An order is not defined for arguments of type STRUCT")
    return _ranked(node) or comparisons.compare(node)


def among(node: exp.Expression) -> exp.Expression | None:
    """`struct IN (struct, …)`, `struct IN UNNEST(…)` and `struct IN (SELECT …)`."""
    _refuse_arrays("IN", node.this)
    if not _is_struct(node.this):
        return None
    items, unnest, query = node.expressions, node.args.get("unnest"), node.args.get("query")
    inner = unnest.expressions[0] if isinstance(unnest, exp.Unnest) and unnest.expressions else None
    if isinstance(inner, exp.Array):
        items = inner.expressions  # written out: the same as IN (…)
    if items:
        if not all(_is_struct(item) for item in items):
            return None
        return exp.Paren(this=exp.or_(*(equal(node.this, item) for item in items), copy=False))
    if inner is not None and inner.type is not None and inner.type.this == exp.DType.ARRAY and inner.type.expressions:
        return _among(node.this, inner, _field_types(inner.type.expressions[0]))
    select = next(iter(leaves(query)), None) if isinstance(query, exp.Expression) else None
    if not isinstance(query, exp.Expression) or select is None:
        raise unsupported("IN with structs whose fields are not known")
    if select.args.get("kind") == "STRUCT":
        kinds = [item.type for item in select.selects]
    elif len(select.selects) == 1:
        item = select.selects[0].unalias()
        kinds = _field_types(item.type) or [part.type for part in _parts(item) or ()]
    else:
        raise invalid_query("Subquery of type IN must have only one output column")
    return _among(node.this, raw("ARRAY{0}", query.this if isinstance(query, exp.Subquery) else query), kinds)


def _field_types(kind: exp.DataType | None) -> list[exp.DataType | None]:
    if kind is None or kind.this != exp.DType.STRUCT:
        return []
    return [part.args.get("kind") if isinstance(part, exp.ColumnDef) else part for part in kind.expressions]


def _among(value: exp.Expression, listed: exp.Expression, kinds: list[exp.DataType | None]) -> exp.Expression:
    """Compare with each element of a list, field by field: DuckDB goes by names, and takes NULLs for equal."""
    ours = _parts(value)
    if ours is None or len(ours) != len(kinds):
        raise unsupported("IN with structs whose fields are not known")
    tests = []
    for index, (one, kind) in enumerate(zip(ours, kinds, strict=True), start=1):
        field = exp.Anonymous(
            this="struct_extract_at", expressions=[exp.Var(this="athena_e"), exp.Literal.number(index)]
        )
        field.type = kind
        tests.append(equal(one, field))
    test = exp.and_(*tests, copy=False)
    return raw("athena_any(list_transform({0}, lambda athena_e: {1}))", listed, test, kind="BOOL")


def united(node: exp.Expression) -> exp.Expression | None:
    """The rows of a set operation's right side take the names of the left side's structs."""
    left, right = node.this, node.expression
    if not (isinstance(left, exp.Query) and isinstance(right, exp.Query)):
        return None
    kinds = [item.type for item in left.selects]
    if len(kinds) == len(right.selects):
        _place_rows(right, kinds)
    return None


def _place_rows(query: exp.Expression, kinds: list[exp.DataType | None]) -> None:
    for leaf in leaves(query):
        if leaf.args.get("kind") == "STRUCT":
            continue  # spelling.py has named its fields
        for kind, item in zip(kinds, leaf.selects, strict=True):
            inner = item.unalias()
            if kind is None or inner.type is None:
                continue
            placed = by_place(inner, kind)
            if placed is not inner:
                placed.type = kind
                inner.replace(placed)


RULES = {
    exp.EQ: compare,
    exp.NEQ: compare,
    exp.LT: ordered,
    exp.LTE: ordered,
    exp.GT: ordered,
    exp.GTE: ordered,
    exp.NullSafeEQ: told_apart,
    exp.NullSafeNEQ: told_apart,
    exp.In: among,
    exp.Case: chosen,
    exp.Nullif: unless_equal,
    exp.Union: united,
    exp.Except: united,
    exp.Intersect: united,
}
