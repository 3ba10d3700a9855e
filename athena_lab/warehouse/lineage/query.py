"""Follow queries: which tables they read, and where each of their columns comes from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from athena_lab.warehouse.lineage.model import HOLE
from athena_lab.warehouse.lineage.naming import resolve
from athena_lab.warehouse.lineage.relation import (
    NOWHERE,
    Column,
    Origin,
    Relation,
    Scope,
    Source,
    Star,
    join,
    merge,
    struct,
    union,
)
from athena_lab.warehouse.lineage.tables import Tables

_TRANSPARENT = (exp.Paren, exp.Bracket, exp.ArrayAgg, exp.AnyValue, exp.First, exp.Last, exp.Cast, exp.Order, exp.Limit,
                exp.HavingMax, exp.IgnoreNulls, exp.Distinct, exp.Alias)  # fmt: skip
"""What keeps the fields of the struct that it is given."""
_CHANGES_OF = ("APPENDS", "CHANGES")
_KNOWN_FUNCTIONS = ("GAP_FILL", "RANGE_SESSIONIZE", "VECTOR_SEARCH")
"""Table functions that read their arguments alone."""
_RECURSIONS = 3
_PREDICATES = (exp.Where, exp.Having, exp.Qualify, exp.And, exp.Or, exp.Not)


class Queries:
    """Follows queries over the tables that a script knows; `variables` are the script's."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.variables: dict[str, Origin] = {}

    # -- queries

    def relation(self, query: exp.Expression, outer: Scope | None = None) -> Relation:
        """Give the columns of a query (SELECT, set operation, VALUES, with or without parentheses)."""
        scope = Scope(parent=outer)
        self._define(query.args.get("with_"), scope)
        if isinstance(query, exp.Select):
            return self._select(query, scope)
        if isinstance(query, exp.SetOperation):
            left, right = self.relation(query.this, scope), self.relation(query.expression, scope)
            return union(left, right, is_by_name=bool(query.args.get("by_name")))
        if isinstance(query, exp.Subquery | exp.Paren):
            return self._from_parenthesis(query, scope)
        if isinstance(query, exp.Values):
            return self._values(query, scope)
        if isinstance(query, exp.Table):
            return self._table(query, scope)
        return Relation((Column("f0_", self.origin(query, scope)),))

    def _define(self, clause: exp.With | None, scope: Scope) -> None:
        for item in clause.expressions if clause is not None else ():
            name, query = item.alias.lower(), item.this
            names = [column.name for column in item.args["alias"].args.get("columns") or ()]
            if clause is not None and clause.args.get("recursive") and isinstance(query, exp.SetOperation):
                scope.ctes[name] = self.relation(query.this, scope).renamed(names)
                for _ in range(_RECURSIONS):
                    scope.ctes[name] = self.relation(query, scope).renamed(names)
            else:
                scope.ctes[name] = self.relation(query, scope).renamed(names)

    def _from_parenthesis(self, query: exp.Expression, scope: Scope) -> Relation:
        inner = query.this
        if isinstance(inner, exp.Table) and (inner.args.get("joins") or query.args.get("joins")):
            self.add_sources(inner, scope)
            return Relation(tuple(entry for source in scope.sources for entry in _all_of(source, scope)))
        return self.relation(inner, scope)

    def _values(self, query: exp.Values, scope: Scope) -> Relation:
        rows = [[self.origin(item, scope) for item in _items(row)] for row in query.expressions]
        columns = [join(cells) for cells in zip(*rows, strict=False)]
        return Relation(tuple(Column(f"f{index}_", origin) for index, origin in enumerate(columns)))

    # -- FROM

    def _select(self, query: exp.Select, scope: Scope) -> Relation:
        scope.used = {column.parts[0].name.lower() for column in query.find_all(exp.Column)}
        start = query.args.get("from_")
        if start is not None:
            self.add_sources(start.this, scope)
        for item in query.args.get("joins") or ():
            self._join(item, scope)
        for lateral in query.args.get("laterals") or ():
            self.tables.findings.doubt(lateral.sql("bigquery"))
        for window in query.args.get("windows") or ():
            scope.windows[window.name.lower()] = join(self.origin(item, scope) for item in _children(window))
        for key in ("where", "group", "having", "qualify", "order", "limit", "offset"):
            clause = query.args.get(key)
            if clause is not None:
                self.origin(clause, scope)
        relation = Relation(tuple(self._projections(query, scope)))
        if query.args.get("kind") == "STRUCT":
            return Relation(relation.entries, relation.whole())
        return self._as_value(relation) if query.args.get("kind") == "VALUE" else relation

    def _as_value(self, relation: Relation) -> Relation:
        only = relation.entries[0] if len(relation.entries) == 1 else None
        if not isinstance(only, Column):
            return Relation(relation.entries, relation.whole())
        if only.origin.fields is not None:
            return Relation(tuple(Column(name, item) for name, item in only.origin.fields.items()), only.origin)
        return Relation((Star(doubts=frozenset(["SELECT AS VALUE of a value with unknown fields"])),), only.origin)

    def add_sources(self, item: exp.Expression, scope: Scope) -> None:
        """Add a thing of the FROM clause, and what is joined to it, to the scope."""
        source = self._source(item, scope)
        if source is not None:
            for pivot in item.args.get("pivots") or ():
                source = self._pivoted(pivot, source, scope)
            scope.sources.append(source)
        for joined in item.args.get("joins") or ():
            self._join(joined, scope)

    def _join(self, item: exp.Join, scope: Scope) -> None:
        self.add_sources(item.this, scope)
        for column in item.args.get("using") or ():
            scope.shared[column.name.lower()] = column.name
        if item.args.get("on") is not None:
            self.origin(item.args["on"], scope)

    def _source(self, item: exp.Expression, scope: Scope) -> Source | None:
        alias = item.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or ()) if alias is not None] if alias else []
        if isinstance(item, exp.Unnest):
            return self._array(item.expressions[0], (names or [item.alias])[0], item.args.get("offset"), scope)
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table) and not item.alias:
            self.add_sources(item.this, scope)
            return None
        if isinstance(item, exp.Table):
            array = self._array_path(item, scope)
            if array is not None:
                return array
            name = ".".join(part.name for part in item.parts) if not _is_function(item) else ""
            relation = self._table(item, scope).renamed(names)
            return Source(item.alias or name.split(".")[-1], relation, name, has_alias=bool(item.alias))
        return Source(item.alias, self.relation(item, scope).renamed(names), has_alias=True)

    def _array_path(self, item: exp.Table, scope: Scope) -> Source | None:
        """Read `t.items` as an array where `t` is a source of this query or of one around it."""
        if not item.db or _is_function(item) or scope.source(item.parts[0].name) is None:
            return None
        path: exp.Expression = exp.column(item.parts[1].name, item.parts[0].name)
        for part in item.parts[2:]:
            path = exp.Dot(this=path, expression=part.copy())
        return self._array(path, item.alias or item.name, None, scope)

    def _array(self, array: exp.Expression, alias: str, offset: exp.Expression | None, scope: Scope) -> Source:
        element = self.origin(array, scope)
        index = (Column(offset.name, NOWHERE),) if isinstance(offset, exp.Identifier) else ()
        if element.fields is not None:
            columns = tuple(Column(name, origin) for name, origin in element.fields.items())
            return Source(alias, Relation((*columns, *index), element), is_array=True, has_alias=bool(alias))
        itself = (Column(alias, element),) if alias else ()
        value = None if _has_scalars(array) else element
        return Source(alias, Relation((*itself, *index), value), is_array=True, has_alias=bool(alias))

    def _table(self, item: exp.Table, scope: Scope) -> Relation:
        if _is_function(item):
            return self._function(item, scope)
        if not item.db:
            found = scope.cte(item.name)
            if found is not None:
                return found
        version = item.args.get("version")
        if version is not None:
            self.origin(version, scope)
        return self.tables.read(item)

    def _function(self, item: exp.Table, scope: Scope) -> Relation:
        """Read a table function: its arguments are followed, what it reads itself is only known in this script."""
        call = item.this
        arguments = [self._argument(child, scope) for child in call.iter_expressions()]
        name = ".".join([*(part.name for part in item.parts[:-1]), call.name if _is_named(call) else call.key.upper()])
        known = self.tables.functions.get(name)
        if known is not None:
            return known
        if name.upper() in _CHANGES_OF and arguments:
            return Relation((Star(received=arguments[0].columns, doubts=arguments[0].doubts),))
        if _is_named(call) and name.upper() not in _KNOWN_FUNCTIONS and not name.upper().startswith(("ML.", "AI.")):
            self.tables.findings.doubt(f"{item.sql('bigquery')} (a table function)")
        origin = join(arguments)
        doubt = f"columns of {name.upper()} are not known"
        return Relation((Star(doubts=origin.doubts | {doubt}, received=origin.columns),))

    def _argument(self, argument: exp.Expression, scope: Scope) -> Origin:
        if isinstance(argument, exp.Table):
            is_model = argument is argument.parent.this and isinstance(argument.parent, exp.Predict)
            return NOWHERE if is_model else self._table(argument, scope).whole()
        if isinstance(argument, exp.Subquery | exp.Query):
            return self.relation(argument, scope).whole()
        return self.origin(argument, scope)

    def _pivoted(self, pivot: exp.Pivot, source: Source, scope: Scope) -> Source:
        """Give the columns after PIVOT or UNPIVOT; new columns come from what was aggregated or gathered."""
        inner = Scope(sources=[source], parent=scope)
        alias = pivot.alias or source.alias
        fields = pivot.args.get("fields") or ()
        if pivot.args.get("unpivot"):
            gathered = [item for field in fields for item in field.expressions]
            value = join(self.origin(item, inner) for item in gathered)
            kept = source.relation.without(item.name for column in gathered for item in column.find_all(exp.Column))
            made = [Column(item.name, value) for item in pivot.expressions]
            made += [Column(field.this.name, NOWHERE) for field in fields]
            return Source(alias, Relation((*kept.entries, *made)), has_alias=True)
        value = join(self.origin(item, inner) for item in pivot.expressions)
        used = [column.name for item in (*pivot.expressions, *fields) for column in item.find_all(exp.Column)]
        made = [Column(item.name, value) for item in pivot.args.get("columns") or ()]
        return Source(alias, Relation((*source.relation.without(used).entries, *made)), has_alias=True)

    # -- the SELECT list

    def _projections(self, query: exp.Select, scope: Scope) -> Iterator[Column | Star]:
        for index, item in enumerate(query.expressions):
            if isinstance(item, exp.Star):
                entries = [entry for source in scope.sources for entry in _all_of(source, scope)]
                yield from self._star(item, entries, scope)
            elif isinstance(item, exp.Column | exp.Dot) and isinstance(_last(item), exp.Star):
                yield from self._star(_last(item), self._named_star(item, scope), scope)
            else:
                yield Column(_name_of(item, index), self.origin(item, scope))

    def _named_star(self, item: exp.Expression, scope: Scope) -> list[Column | Star]:
        parts = [part for part in item.parts if not isinstance(part, exp.Star)]
        source = scope.source(parts[-1].name) if parts else None
        if source is not None:
            return _all_of(source, None)
        origin = resolve([part.name for part in parts], scope, self.variables)
        if origin.fields is not None:
            return [Column(name, field) for name, field in origin.fields.items()]
        doubt = f"{item.sql('bigquery')}: its fields are not known"
        return [Star(doubts=origin.doubts | {doubt}, received=origin.columns)]

    def _star(self, star: exp.Star, entries: list[Column | Star], scope: Scope) -> Iterator[Column | Star]:
        replaced = {item.alias.lower(): item for item in star.args.get("replace") or ()}
        renamed = {item.this.name.lower(): item.alias for item in star.args.get("rename") or ()}
        relation = Relation(tuple(entries))
        yield from (
            Column(replaced[entry.name.lower()].alias, self.origin(replaced.pop(entry.name.lower()).this, scope))
            if isinstance(entry, Column) and entry.name.lower() in replaced
            else Column(renamed.pop(entry.name.lower()), entry.origin)
            if isinstance(entry, Column) and entry.name.lower() in renamed
            else entry
            for entry in relation.without(item.name for item in star.args.get("except_") or ()).entries
            if isinstance(entry, Column)
        )
        gone = [*replaced, *renamed, *(item.name for item in star.args.get("except_") or ())]
        yield from (entry for entry in relation.without(gone).entries if isinstance(entry, Star))
        for item in replaced.values():
            yield Column(item.alias, self.origin(item.this, scope))
        for name, new in renamed.items():
            yield Column(new, relation.find(name) or NOWHERE)

    # -- expressions

    def origin(self, item: exp.Expression, scope: Scope | None) -> Origin:
        """Give where a value comes from: all columns in its expression, and the outputs of its subqueries."""
        if isinstance(item, exp.Column):
            return self._column(item, scope)
        if isinstance(item, exp.Dot):
            return self._dot(item, scope)
        if isinstance(item, exp.Struct):
            fields = enumerate(item.expressions)
            return struct({_name_of(child, index): self.origin(child, scope) for index, child in fields})
        if isinstance(item, exp.PropertyEQ | exp.Kwarg):
            return self.origin(item.expression, scope)
        if isinstance(item, exp.Subquery | exp.Query):
            return self._value_of(self.relation(item, scope))
        if isinstance(item, exp.Exists):
            return self.relation(item.this, scope).whole() if isinstance(item.this, exp.Query) else NOWHERE
        return self._elements(item, scope) if isinstance(item, exp.Array) else self._combined(item, scope)

    def _combined(self, item: exp.Expression, scope: Scope | None) -> Origin:
        """Give what comes from all parts of an expression; the fields of a struct survive what only hands it on."""
        origins = [self.origin(child, scope) for child in _children(item)]
        if isinstance(item, exp.Window) and item.alias and scope is not None:
            origins.append(scope.window(item.alias))
        whole = join(origins)
        if isinstance(item, _TRANSPARENT) and origins:
            return Origin(whole.columns, whole.doubts, origins[0].fields)
        return whole

    def _column(self, item: exp.Column, scope: Scope | None) -> Origin:
        parts = [part.name for part in item.parts if not isinstance(part, exp.Star)]
        if isinstance(item.this, exp.Star):
            return NOWHERE
        if HOLE.fullmatch(".".join(parts)) and isinstance(item.parent, (*_PREDICATES, exp.Join)):
            self.tables.findings.doubt(parts[0])
        return resolve(parts, scope, self.variables)

    def _dot(self, item: exp.Dot, scope: Scope | None) -> Origin:
        if isinstance(item.expression, exp.Func):  # `dataset.function(…)`, `SAFE.function(…)`
            return self.origin(item.expression, scope)
        return self.origin(item.this, scope).field(item.expression.name)

    def _value_of(self, relation: Relation) -> Origin:
        if relation.value is not None:
            return relation.value
        only = relation.entries[0] if len(relation.entries) == 1 else None
        return only.origin if isinstance(only, Column) else relation.whole()

    def _elements(self, item: exp.Array, scope: Scope | None) -> Origin:
        """Give where an array's elements come from; structs after the first give their fields by position."""
        origins = [self._element(child, scope) for child in item.expressions]
        first = origins[0] if origins else NOWHERE
        names = list(first.fields or ())
        for other in origins[1:]:
            given = list((other.fields or {}).values())
            if names and len(given) == len(names):
                first = merge(first, struct(dict(zip(names, given, strict=True))))
            else:
                whole = join([first, other])
                first = Origin(whole.columns, whole.doubts, first.fields)
        return first

    def _element(self, item: exp.Expression, scope: Scope | None) -> Origin:
        if isinstance(item, exp.Tuple):
            return struct({f"f{index}_": self.origin(child, scope) for index, child in enumerate(item.expressions)})
        return self.origin(item, scope)


def _children(item: exp.Expression) -> Iterator[exp.Expression]:
    skipped = (exp.Identifier, exp.DataType, exp.Literal, exp.Var, exp.Star, exp.Table)
    return (child for child in item.iter_expressions() if not isinstance(child, skipped))


def _items(row: exp.Expression) -> list[exp.Expression]:
    return list(row.expressions) if isinstance(row, exp.Tuple) else [row]


def _all_of(source: Source, scope: Scope | None) -> list[Column | Star]:
    """Give what `*` gives of a source; a column of USING is given by the first source alone."""
    if source.is_array and source.relation.value is not None and source.relation.value.fields is None:
        doubt = f"* of the array '{source.alias}': its fields are not known"
        return [Star(doubts=frozenset([doubt]), received=source.relation.value.columns)]
    if scope is None or not scope.shared or source is scope.sources[0]:
        return list(source.relation.entries)
    return list(source.relation.without(scope.shared).entries)


def _last(item: exp.Expression) -> exp.Expression:
    return item.expression if isinstance(item, exp.Dot) else item.this


def _name_of(item: exp.Expression, index: int) -> str:
    if isinstance(item, exp.PropertyEQ):
        return str(item.this.name)
    if isinstance(item, exp.Dot):
        return str(item.expression.name)
    return str(item.alias_or_name) if isinstance(item, exp.Alias | exp.Column) else f"f{index}_"


def _is_function(item: exp.Table) -> bool:
    return not isinstance(item.this, exp.Identifier)


def _is_named(call: exp.Expression) -> bool:
    return isinstance(call, exp.Anonymous)


def _has_scalars(array: exp.Expression) -> bool:
    """Say whether an array surely holds plain values: `['a', 'b']`, `GENERATE_DATE_ARRAY(…)`, `SPLIT(…)`."""
    if isinstance(array, exp.Array):
        return all(isinstance(item, exp.Literal | exp.Neg | exp.Cast | exp.Boolean) for item in array.expressions)
    generators = (exp.GenerateSeries, exp.GenerateDateArray, exp.GenerateTimestampArray, exp.Split)
    return isinstance(array, generators)
