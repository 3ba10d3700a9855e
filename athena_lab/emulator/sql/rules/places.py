"""Structs go by the places of their fields in GoogleSQL; DuckDB would match them by name wherever two kinds meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from athena_lab.emulator.sql.rules.raw import text_of


def by_place(value: exp.Expression, to: exp.DataType) -> exp.Expression:
    """Give a value's structs, at any depth, the names of another type's fields, by their places."""
    own = value.type
    if own is None or not _differs(own, to):
        return value
    text = text_of(value)
    if isinstance(value, exp.Column | exp.Placeholder):
        return exp.Paren(this=exp.Var(this=_renamed(text, own, to, 0)))
    made = _renamed("e", own, to, 1)  # a lambda computes the value once
    return exp.Paren(this=exp.Var(this=f"list_transform([{text}], lambda e: {made})[1]"))


def _parts(kind: exp.DataType) -> list[tuple[str, exp.DataType | None]]:
    """Give a struct's fields: names ("" for none) and types."""
    return [
        (part.name, part.args.get("kind")) if isinstance(part, exp.ColumnDef) else ("", _kind(part))
        for part in kind.expressions
    ]


def _kind(part: exp.Expression) -> exp.DataType | None:
    return part if isinstance(part, exp.DataType) else None


def _differs(own: exp.DataType | None, to: exp.DataType | None) -> bool:
    if own is None or to is None or own.this != to.this or len(own.expressions) != len(to.expressions):
        return False
    if own.this == exp.DType.ARRAY:
        return _differs(_kind(own.expressions[0]), _kind(to.expressions[0]))
    if own.this != exp.DType.STRUCT:
        return False
    pairs = zip(_parts(own), _parts(to), strict=True)
    return any(one[0].lower() != two[0].lower() or _differs(one[1], two[1]) for one, two in pairs)


def _renamed(text: str, own: exp.DataType, to: exp.DataType, depth: int) -> str:
    if own.this == exp.DType.ARRAY:
        name = f"e{depth}"
        inner = _renamed(name, own.expressions[0], to.expressions[0], depth + 1)
        return f"list_transform({text}, lambda {name}: {inner})"
    made = []
    for index, ((_, kind), (name, wanted)) in enumerate(zip(_parts(own), _parts(to), strict=True), start=1):
        field = f"struct_extract_at({text}, {index})"
        if kind is not None and wanted is not None and _differs(kind, wanted):
            field = _renamed(field, kind, wanted, depth + 1)
        made.append(f'"{name or f"_field_{index}"}" := {field}')
    return f"CASE WHEN {text} IS NOT NULL THEN struct_pack({', '.join(made)}) END"


# -- values of which one is chosen, or that stand beside each other


def align(node: exp.Expression) -> None:
    """Give all values of which `node` chooses or makes its own the fields' names of the first that has any."""
    choices = _CHOICES.get(type(node))
    found = [item for item in choices(node) if _has_struct(item.type)] if choices is not None else []
    if len(found) < 2:
        return
    kind = next((item.type for item in found if _is_named(item.type)), found[0].type)
    assert kind is not None  # noqa: S101 (it has a struct)
    for item in found:
        placed = by_place(item, kind)
        if placed is not item:
            placed.type = kind
            item.replace(placed)
    if node.type is not None and _has_struct(node.type):
        node.type = kind


def _has_struct(kind: exp.DataType | None) -> bool:
    return kind is not None and kind.find(exp.DataType) is not None and _shape(kind) is not None


def _shape(kind: exp.DataType) -> exp.DataType | None:
    if kind.this == exp.DType.ARRAY and kind.expressions:
        inner = _kind(kind.expressions[0])
        return _shape(inner) if inner is not None else None
    return kind if kind.this == exp.DType.STRUCT and kind.expressions else None


def _is_named(kind: exp.DataType | None) -> bool:
    shape = _shape(kind) if kind is not None else None
    return shape is not None and all(isinstance(part, exp.ColumnDef) for part in shape.expressions)


def _of_if(node: exp.Expression) -> Iterator[exp.Expression]:
    if not isinstance(node.parent, exp.Case):
        yield from (node.args[key] for key in ("true", "false") if node.args.get(key) is not None)


def _of_case(node: exp.Expression) -> Iterator[exp.Expression]:
    yield from (item.args["true"] for item in node.args["ifs"])
    if node.args.get("default") is not None:
        yield node.args["default"]


def _of_all(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node.this, exp.Expression):
        yield node.this
    yield from node.expressions


_CHOICES: dict[type[exp.Expression], Callable[[exp.Expression], Iterator[exp.Expression]]] = {
    exp.If: _of_if, exp.Case: _of_case, exp.Coalesce: _of_all, exp.ArrayConcat: _of_all, exp.Array: _of_all,
}  # fmt: skip
