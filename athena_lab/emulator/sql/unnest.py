"""UNNEST after resolution: offsets count from 0, elements that are structs give their fields as columns."""

from __future__ import annotations

from sqlglot import exp


def name_tuples(tree: exp.Expression) -> None:
    """Before resolution: in an array of structs `(1, 'x')` is a struct with the first one's names."""
    for array in tree.find_all(exp.Array):
        names = _names(array)
        for item in array.expressions[1:] if names else ():
            if not isinstance(item, exp.Tuple | exp.Struct) or len(item.expressions) != len(names):
                continue
            parts = [part.expression if isinstance(part, exp.PropertyEQ) else part for part in item.expressions]
            named = [
                exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=part.copy())
                for name, part in zip(names, parts, strict=True)
            ]
            item.replace(exp.Struct(expressions=named))


def _name_scalars(tree: exp.Expression) -> None:
    """An array of scalars written out, without an alias, gives no names: outer ones are seen through it."""
    for unnest in tree.find_all(exp.Unnest):
        array = unnest.expressions[0] if unnest.expressions else None
        is_plain = isinstance(array, exp.Array) and all(isinstance(item, exp.Literal) for item in array.expressions)
        if unnest.args.get("alias") is None and is_plain and isinstance(unnest.parent, exp.From | exp.Join):
            unnest.set("alias", exp.TableAlias(columns=[exp.to_identifier("athena_scalar")]))


def names_seen(item: exp.Expression) -> set[str]:
    """Give the names under which a table, or an UNNEST's element, is seen."""
    alias = item.args.get("alias")
    columns = alias.args.get("columns") or () if isinstance(item, exp.Unnest) and alias is not None else ()
    return {item.alias_or_name.lower(), *(part.name.lower() for part in columns)}


def name_struct_unnests(tree: exp.Expression) -> None:
    """Before resolution: an array of structs written out, without an alias, gives the fields' names as columns."""
    name_tuples(tree)
    _name_scalars(tree)
    for unnest in list(tree.find_all(exp.Unnest)):
        names = _written_names(unnest)
        if unnest.args.get("alias") is not None or not names or isinstance(unnest.parent, exp.In):
            continue
        element = exp.to_identifier("athena_element")
        columns = [
            exp.alias_(exp.column(exp.to_identifier(name), table=element.copy()), name, quoted=True) for name in names
        ]
        offset = unnest.args.get("offset")
        if offset:
            offset = offset if isinstance(offset, exp.Identifier) else exp.to_identifier("offset")
            columns.append(exp.column(offset.copy()))
        inner = exp.Unnest(
            expressions=[item.copy() for item in unnest.expressions],
            alias=exp.TableAlias(columns=[element]),
            offset=offset,
        )
        select = exp.Select(expressions=columns)
        select.set("from_", exp.From(this=inner))
        unnest.replace(exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier("athena_elements"))))


def _written_names(unnest: exp.Unnest) -> list[str]:
    array = unnest.expressions[0] if unnest.expressions else None
    return _names(array) if isinstance(array, exp.Array) else []


def _names(array: exp.Array) -> list[str]:
    first = array.expressions[0] if array.expressions else None
    if not isinstance(first, exp.Struct):
        return []
    names = [part.name if isinstance(part, exp.PropertyEQ) else "" for part in first.expressions]
    return names if all(names) else []


def wrap_queries(tree: exp.Expression) -> None:
    """Before resolution: a query within what is unnested in FROM stands in a query of its own, else nobody types it."""
    for unnest in list(tree.find_all(exp.Unnest)):
        for item in list(unnest.expressions):
            if isinstance(item, exp.Subquery) or not item.find(exp.Query):
                continue
            made = exp.Subquery(this=exp.Select(expressions=[exp.alias_(item.copy(), "athena_array", quoted=True)]))
            made.meta["is_wrapped"] = True
            item.replace(made)


def _unwrap_queries(tree: exp.Expression) -> None:
    for node in list(tree.find_all(exp.Subquery)):
        if node.meta.get("is_wrapped"):
            node.replace(node.this.selects[0].unalias())


def straighten_unnests(tree: exp.Expression) -> exp.Expression:
    """Rewrite the unnests of a resolved tree for DuckDB, whose ordinality counts from 1."""
    _unwrap_queries(tree)
    for unnest in list(tree.find_all(exp.Unnest)):
        alias = unnest.args.get("alias")
        select = unnest.find_ancestor(exp.Select)
        unnest.set("explode_array", None)  # sqlglot's own way of it loses the alias
        if alias is None or select is None:
            continue
        _count_from_zero(unnest, alias, select)
        _open_structs(unnest, alias, select)
        if isinstance(unnest.args.get("offset"), exp.Identifier) and not alias.args.get("columns"):
            alias.set("columns", [exp.to_identifier("athena_scalar")])  # else the offset would name the element
    return tree


def _count_from_zero(unnest: exp.Unnest, alias: exp.TableAlias, select: exp.Select) -> None:
    offset = unnest.args.get("offset")
    if offset is None or isinstance(offset, bool):
        return
    for column in list(select.find_all(exp.Column)):
        if column.table == alias.name and column.name.lower() == offset.name.lower():
            minus = exp.Sub(this=column.copy(), expression=exp.Literal.number(1))
            column.replace(exp.Paren(this=minus))


def _open_structs(unnest: exp.Unnest, alias: exp.TableAlias, select: exp.Select) -> None:
    """Without an alias for the element the fields of a struct stand for themselves; `*` gives them in any case."""
    named = alias.args.get("columns") or []
    kind = unnest.expressions[0].type
    element = kind.expressions[0] if kind is not None and kind.expressions else None
    if element is None or not isinstance(element, exp.DataType) or element.this != exp.DType.STRUCT:
        return
    offset = unnest.args.get("offset")
    kept = offset.name.lower() if isinstance(offset, exp.Identifier) else ""
    fields = {part.name.lower() for part in element.expressions}
    if named:
        _open_named(named[0].name, alias.name, fields, select)
        return
    alias.set("columns", [exp.to_identifier("element", quoted=True)])
    for column in list(select.find_all(exp.Column)):
        if column.table == alias.name and column.name.lower() != kept:
            whole = exp.column(
                exp.to_identifier("element", quoted=True), table=exp.to_identifier(alias.name, quoted=True)
            )
            made = exp.Dot(this=whole, expression=column.this.copy())
            made.type = column.type
            column.replace(made)
    _open_star(alias, element, select)


def _open_named(name: str, table: str, fields: set[str], select: exp.Select) -> None:
    """What `*` gives of a named element are its fields, and not itself."""
    kept = [item for item in select.expressions if not _is_starred(item, name, table)]
    if kept:
        select.set("expressions", kept)
    for column in list(select.find_all(exp.Column)):
        if column.table == table and column.name.lower() != name.lower() and column.name.lower() in fields:
            whole = exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table, quoted=True))
            made = exp.Dot(this=whole, expression=column.this.copy())
            made.type = column.type
            column.replace(made)


def _is_starred(item: exp.Expression, name: str, table: str) -> bool:
    """Tell whether a column is the element, and nobody wrote it (name_columns gives labels to what is written)."""
    inner = item.unalias()
    is_element = isinstance(inner, exp.Column) and inner.table == table and inner.name.lower() == name.lower()
    return is_element and not item.meta.get("label")


def _open_star(alias: exp.TableAlias, element: exp.DataType, select: exp.Select) -> None:
    if len(select.expressions) != 1 or not isinstance(select.expressions[0], exp.Star):
        return
    made = []
    for part in element.expressions:
        whole = exp.column(exp.to_identifier("element", quoted=True), table=exp.to_identifier(alias.name, quoted=True))
        field = exp.alias_(
            exp.Dot(this=whole, expression=exp.to_identifier(part.name, quoted=True)), part.name, quoted=True
        )
        field.meta["label"] = part.name
        made.append(field)
    select.set("expressions", made)
