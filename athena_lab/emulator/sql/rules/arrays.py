"""Arrays and structs: element access, UNNEST with its offset, tuples that stand for structs."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import namespaced
from athena_lab.emulator.sql.rules.calls import INTEGERS, call, is_type
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.texts import as_bytes


def element(node: exp.Expression) -> exp.Expression | None:
    """`[OFFSET(i)]` fails outside of the array, `[SAFE_OFFSET(i)]` gives NULL."""
    if len(node.expressions) != 1 or is_type(node.this, exp.DType.MAP):
        return None
    index = node.expressions[0]
    if is_type(node.this, exp.DType.STRUCT) and node.this.type is not None:
        return _by_position(node, index, len(node.this.type.expressions))
    if is_json(node.this):
        return _member(node.this, index)
    if node.args.get("offset") == 1:
        index = exp.Sub(this=exp.Paren(this=index.copy()), expression=exp.Literal.number(1))
    return call("athena_safe_element" if node.args.get("safe") else "athena_element", node.this, index)


def _by_position(node: exp.Expression, index: exp.Expression, size: int) -> exp.Expression:
    """`struct[OFFSET(i)]`: a field by its place, which must be written out."""
    if not isinstance(index, exp.Literal) or index.is_string:
        raise invalid_query("Field element access is only supported for literal integer positions")
    place = int(index.name) + (0 if node.args.get("offset") == 1 else 1)
    if not 1 <= place <= size:
        raise invalid_query(f"Field ordinal {place} is out of bounds in STRUCT, which has {size} fields")
    return call("struct_extract_at", node.this, place)


def is_json(node: exp.Expression) -> bool:
    """Tell whether a node is a JSON, or a part of one."""
    return is_type(node, exp.DType.JSON)


def _member(node: exp.Expression, key: exp.Expression) -> exp.Expression:
    """`json[key]`: a member by its name, an element by its index."""
    if isinstance(key, exp.Literal) and not key.is_string:
        return raw(f"json_extract({{0}}, '$[{int(key.name)}]')", node, kind="JSON")
    if is_type(key, *INTEGERS):
        return raw("json_extract({0}, '$[' || {1} || ']')", node, key, kind="JSON")
    return raw("json_extract({0}, athena_json_step({1}))", node, key, kind="JSON")


def field(node: exp.Expression) -> exp.Expression | None:
    """`json.name`."""
    if isinstance(node.expression, exp.Identifier) and is_json(node.this):
        return _member(node.this, exp.Literal.string(node.expression.name))
    return namespaced.dotted(node)


def array(node: exp.Expression) -> exp.Expression | None:
    """In an array of structs `(1, 'x')` is a struct with the first one's names."""
    items = node.expressions
    if len(items) < 2 or not isinstance(items[0], exp.Struct):
        return None
    names = [part.this if isinstance(part, exp.PropertyEQ) else None for part in items[0].expressions]
    for item in items[1:]:
        if not _is_written(item):
            continue
        parts = item.expressions
        if len(parts) != len(names):
            raise unsupported("An array of structs of different shapes")
        values = [part.expression if isinstance(part, exp.PropertyEQ) else part for part in parts]
        made = [
            exp.PropertyEQ(this=name.copy(), expression=value.copy()) if name is not None else value.copy()
            for name, value in zip(names, values, strict=True)
        ]
        item.replace(exp.Struct(expressions=made))
    return None


def _is_written(item: exp.Expression) -> bool:
    """Tell whether a struct's fields are written out."""
    is_row = isinstance(item, exp.Anonymous) and item.name == "row"
    return is_row or isinstance(item, exp.Tuple | exp.Struct)


def struct(node: exp.Expression) -> exp.Expression | None:
    """A struct without names takes those of the struct that it stands beside, by position."""
    if any(isinstance(part, exp.PropertyEQ | exp.Alias | exp.Column | exp.Dot) for part in node.expressions):
        return None
    return call("row", *node.expressions)


def part(node: exp.Expression) -> exp.Expression:
    """ARRAY_SLICE: from 0, both ends included, negative ones from the end."""
    return call("athena_array_slice", node.this, node.args["start"], node.args["end"])


def indexed(node: exp.Expression) -> exp.Expression:
    """A lambda's second parameter is the index, from 0; DuckDB's is from 1."""
    parameters = node.expressions
    if len(parameters) != 2:
        return node
    index = parameters[1].name.lower()
    made = node.copy()
    for name in list(made.this.find_all(exp.Identifier, exp.Column)):
        if name.name.lower() == index and not (
            isinstance(name, exp.Identifier) and isinstance(name.parent, exp.Column)
        ):
            less = exp.Paren(this=exp.Sub(this=name.copy(), expression=exp.Literal.number(1)))
            if name is made.this:
                made.set("this", less)
            else:
                name.replace(less)
    return made


def joined(node: exp.Expression) -> exp.Expression | None:
    """ARRAY_TO_STRING of BYTES."""
    kind, null = node.this.type, node.args.get("null")
    if kind is None or not kind.expressions or kind.expressions[0].this not in _BINARIES:
        given = [item for item in (node.expression, null) if item is not None]
        if all(isinstance(item, exp.Literal) for item in given):
            return None
        return call("athena_join_texts" if null is None else "athena_join_texts_nulls", node.this, *given)
    if null is None:
        return call("athena_join_bytes", node.this, as_bytes(node.expression))
    return call("athena_join_bytes_nulls", node.this, as_bytes(node.expression), as_bytes(null))


def end(node: exp.Expression) -> exp.Expression:
    """ARRAY_FIRST and ARRAY_LAST fail on an empty array."""
    which = "first" if isinstance(node, exp.ArrayFirst) else "last"
    return call(f"athena_array_{which}", node.this)


_BINARIES = (exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB)
RULES = {
    exp.ArrayToString: joined,
    exp.ArraySlice: part,
    exp.Lambda: indexed,
    exp.ArrayFirst: end,
    exp.ArrayLast: end,
    exp.Bracket: element,
    exp.Dot: field,
    exp.Array: array,
    exp.Struct: struct,
}
