"""Follow one statement: which tables it reads and writes, and what each written column receives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from athena_lab.warehouse.lineage.model import HOLE
from athena_lab.warehouse.lineage.query import Queries
from athena_lab.warehouse.lineage.relation import Column, Origin, Relation, Scope, Source, Star, join, merge
from athena_lab.warehouse.lineage.tables import Tables

_TABLES = ("TABLE", "VIEW")
_QUIET = (exp.Grant, exp.Revoke, exp.Semicolon, exp.Transaction, exp.Commit, exp.Rollback)


class Statements:
    """Follows statements over the tables that a script knows."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.queries = tables, Queries(tables)
        self.answer: Relation | None = None
        """The columns of the last query."""

    def follow(self, item: exp.Expression) -> None:
        """Note what a statement reads and writes; what it is not known to do is a doubt."""
        if isinstance(item, exp.Query):
            self.answer = self.queries.relation(item)
        elif isinstance(item, exp.Insert):
            self._insert(item)
        elif isinstance(item, exp.Update):
            self._update(item)
        elif isinstance(item, exp.Delete):
            self._delete(item)
        elif isinstance(item, exp.Merge):
            self._merge(item)
        elif isinstance(item, exp.Create):
            self._create(item)
        else:
            self._other(item)

    def _other(self, item: exp.Expression) -> None:
        if isinstance(item, exp.Drop):
            self._drop(item)
        elif isinstance(item, exp.TruncateTable):
            for table in item.expressions:
                self._write(table)
        elif isinstance(item, exp.Alter):
            self._alter(item)
        elif isinstance(item, exp.Export):
            self.queries.relation(item.this)
        elif isinstance(item, exp.LoadData):
            self._load(item)
        elif isinstance(item, exp.Alias | exp.Binary | exp.Unary | exp.Func):  # what follows ASSERT
            self.queries.origin(item, None)
        elif not isinstance(item, _QUIET):
            self.tables.findings.doubt(item.sql("bigquery"))

    # -- what is written

    def _write(self, table: exp.Table) -> str | None:
        """Note a write; give the table's full name, None for a temporary table or a name that is not certain."""
        if self.tables.local(table) is not None:
            return None
        name = self.tables.name(table)
        if name is not None:
            self.tables.findings.writes.add(name)
            self.tables.see(table, name, is_write=True)
        return name

    def _fill(self, table: exp.Table, columns: Sequence[Column | Star]) -> None:
        """Note a write with the origins of columns."""
        local = self.tables.local(table)
        if local is not None:
            self.tables.temporary[table.name.lower()] = _added(local, columns)
            return
        name = self._write(table)
        if name is not None:
            self.fill(name, columns)

    def fill(self, name: str, columns: Sequence[Column | Star]) -> None:
        """Note what the columns of a table receive."""
        for item in columns:
            whole = item.origin if isinstance(item, Column) else item.whole()
            column = item.name if isinstance(item, Column) and not HOLE.search(item.name) else "*"
            self.tables.findings.derive(f"{name}.{column}", whole.columns)
            for doubt in sorted(whole.doubts):
                self.tables.findings.doubt(f"{name}: {doubt}")

    def _placed(self, table: exp.Table, names: Sequence[str], given: Relation) -> list[Column | Star]:
        """Give a query's columns the names of the table's columns that they go to, by position."""
        names = names or self._columns_of(table)
        if not names and given.is_closed and not any(item.columns or item.doubts for item in _origins(given)):
            return []  # constants: whichever columns they go to
        if not names:
            doubt = f"INSERT without a column list: the columns of '{table.sql('bigquery')}' are not known"
            return [Star(doubts=frozenset([doubt]), received=join(_origins(given)).columns)]
        if given.is_closed:
            return [Column(name, origin) for name, origin in zip(names, _origins(given), strict=False)]
        placed: list[Column | Star] = []
        for name, entry in zip(names, given.entries, strict=False):
            if isinstance(entry, Star):
                break
            placed.append(Column(name, entry.origin))
        rest = join(_origins(given))
        return [*placed, *(Column(name, rest) for name in names[len(placed) :])]

    def _columns_of(self, table: exp.Table) -> list[str]:
        local = self.tables.local(table)
        if local is not None:
            return [item.name for item in local.entries if isinstance(item, Column)] if local.is_closed else []
        parts = [part.name for part in table.parts]
        if len(parts) < 2 and not self.tables.setting.default_dataset:
            return []
        name = self.tables.name(table)
        return list(self.tables.schema.get(name or "", ()))

    # -- statements

    def _insert(self, item: exp.Insert) -> None:
        target = item.this
        table, names = _split(target)
        with_ = item.args.get("with_")
        source = item.expression
        if with_ is not None and isinstance(source, exp.Query) and not source.args.get("with_"):
            source.set("with_", with_)
        if not isinstance(table, exp.Table) or source is None:
            self.tables.findings.doubt(item.sql("bigquery"))
            return
        self._fill(table, self._placed(table, names, self.queries.relation(source)))

    def _target(self, table: exp.Table, scope: Scope) -> None:
        """Make the changed table's columns known to expressions; that alone is no read."""
        local = self.tables.local(table)
        name = None if local is not None else self.tables.name(table)
        relation = local if local is not None else self.tables.columns(name) if name else Relation((Star(),))
        path = ".".join(part.name for part in table.parts)
        scope.sources.append(Source(table.alias or table.name, relation, path, has_alias=bool(table.alias)))

    def _update(self, item: exp.Update) -> None:
        scope = Scope(used={column.parts[0].name.lower() for column in item.find_all(exp.Column)})
        self._target(item.this, scope)
        start = item.args.get("from_")
        if start is not None:
            self.queries.add_sources(start.this, scope)
        self._where(item, scope)
        self._fill(item.this, list(self._assignments(item.expressions, item.this, scope)))

    def _where(self, item: exp.Expression, scope: Scope) -> None:
        if item.args.get("where") is not None:
            self.queries.origin(item.args["where"], scope)

    def _assignments(self, items: Sequence[exp.Expression], table: exp.Table, scope: Scope) -> Iterator[Column]:
        for item in items:
            if isinstance(item, exp.EQ):
                parts = [part.name for part in item.this.parts] if hasattr(item.this, "parts") else [item.this.name]
                names = (table.alias_or_name.lower(), table.name.lower())
                name = parts[1] if len(parts) > 1 and parts[0].lower() in names else parts[0]
                yield Column(name, self.queries.origin(item.expression, scope))
            else:
                self.tables.findings.doubt(item.sql("bigquery"))

    def _delete(self, item: exp.Delete) -> None:
        table = item.this if isinstance(item.this, exp.Table) else item.args["tables"][0]
        scope = Scope()
        self._target(table, scope)
        self._where(item, scope)
        self._write(table)

    def _merge(self, item: exp.Merge) -> None:
        scope = Scope(used={column.parts[0].name.lower() for column in item.find_all(exp.Column)})
        self.queries.add_sources(item.args["using"], scope)
        given = Scope(sources=list(scope.sources), used=scope.used)
        source = scope.sources[-1].relation if scope.sources else Relation()
        self._target(item.this, scope)
        self.queries.origin(item.args["on"], scope)
        self._write(item.this)
        columns: list[Column | Star] = []
        for when in item.args["whens"].expressions:
            if when.args.get("condition") is not None:
                self.queries.origin(when.args["condition"], scope)
            action = when.args.get("then")
            if isinstance(action, exp.Update):
                columns += self._assignments(action.expressions, item.this, scope)
            elif isinstance(action, exp.Insert):
                columns += self._inserted(item.this, action, source, given)
        self._fill(item.this, columns)

    def _inserted(self, table: exp.Table, action: exp.Insert, source: Relation, scope: Scope) -> list[Column | Star]:
        values = action.expression
        if not isinstance(values, exp.Tuple | exp.Paren):  # INSERT ROW
            return self._placed(table, (), source)
        items = list(values.expressions) if isinstance(values, exp.Tuple) else [values.this]
        named = action.this
        names = (
            [one.name for one in (named.expressions if isinstance(named, exp.Tuple) else [named.this])] if named else []
        )
        given = Relation(tuple(Column(f"f{i}_", self.queries.origin(one, scope)) for i, one in enumerate(items)))
        return self._placed(table, names, given)

    def _create(self, item: exp.Create) -> None:
        kind = str(item.args.get("kind")).upper()
        if kind == "FUNCTION":
            self._define_function(item)
        elif kind == "MODEL":
            if isinstance(item.expression, exp.Query):
                self.queries.relation(item.expression)
        elif kind in _TABLES:
            self._create_table(item)
        elif kind not in ("SCHEMA", "INDEX"):
            self.tables.findings.doubt(item.sql("bigquery"))

    def _define_function(self, item: exp.Create) -> None:
        """Remember a table function of this script; a scalar one's queries run with whoever calls it."""
        function, body = item.this, item.expression
        arguments = {one.name.lower(): Origin() for one in function.expressions}
        if not isinstance(body, exp.Query | exp.Subquery | exp.Paren):
            return
        before = dict(self.queries.variables)
        self.queries.variables.update(arguments)
        if isinstance(body, exp.Select | exp.SetOperation):
            name = ".".join(part.name for part in function.this.parts)
            self.tables.functions[name] = self.queries.relation(body)
        else:
            self.queries.origin(body, None)
        self.queries.variables = before

    def _create_table(self, item: exp.Create) -> None:
        table, names = _split(item.this)
        properties = item.args.get("properties")
        made = list(properties.expressions) if properties is not None else []
        relation = self._content(item, made, names)
        if any(isinstance(one, exp.TemporaryProperty) for one in made):
            self.tables.temporary[table.name.lower()] = relation
            return
        name = self._write(table)
        if name is None:
            return
        if not item.args.get("exists"):
            self.tables.findings.made.add(name)
        is_filled = isinstance(item.expression, exp.Query | exp.Subquery) or item.args.get("clone") is not None
        if relation.is_closed and relation.entries and not item.args.get("exists"):
            self.tables.schema[name] = tuple(one.name for one in relation.entries if isinstance(one, Column))
        if is_filled:
            self.fill(name, relation.entries)

    def _content(self, item: exp.Create, properties: Sequence[exp.Expression], names: list[str]) -> Relation:
        """Give the columns of a new table: of its query, of the table that it copies, or as declared."""
        if isinstance(item.expression, exp.Query | exp.Subquery):
            return self.queries.relation(item.expression).renamed(names)
        clone = item.args.get("clone")
        if clone is not None:
            return self.tables.read(clone.this)
        for one in properties:
            if isinstance(one, exp.LikeProperty):
                return self.tables.read(one.this)
        return Relation(tuple(Column(name, Origin()) for name in names))

    def _drop(self, item: exp.Drop) -> None:
        kind = str(item.args.get("kind")).upper()
        tables = item.args.get("tables") or [item.this]
        if kind in _TABLES:
            for table in tables:
                if self.tables.local(table) is not None:
                    del self.tables.temporary[table.name.lower()]
                else:
                    self._write(table)
        elif kind == "SCHEMA":
            self.tables.findings.doubt(item.sql("bigquery"))

    def _alter(self, item: exp.Alter) -> None:
        if not isinstance(item.this, exp.Table) or str(item.args.get("kind")).upper() not in _TABLES:
            return
        self._write(item.this)
        for action in item.args.get("actions") or ():
            if isinstance(action, exp.AlterRename):
                new = action.this.copy()
                new.set("db", item.this.args.get("db"))
                new.set("catalog", item.this.args.get("catalog"))
                self._write(new)

    def _load(self, item: exp.LoadData) -> None:
        table, names = _split(item.this)
        if item.args.get("temp"):
            self.tables.temporary[table.name.lower()] = Relation(tuple(Column(name, Origin()) for name in names))
        else:
            self._write(table)


def _split(target: exp.Expression) -> tuple[exp.Table, list[str]]:
    """Take a table's name and the column list after it apart."""
    if isinstance(target, exp.Schema):
        return target.this, [one.name for one in target.expressions if isinstance(one, exp.Identifier | exp.ColumnDef)]
    return target, []


def _origins(relation: Relation) -> list[Origin]:
    return [item.origin if isinstance(item, Column) else item.whole() for item in relation.entries]


def _added(relation: Relation, columns: Sequence[Column | Star]) -> Relation:
    """Give a temporary table's columns after more rows came."""
    fresh = {item.name.lower(): item for item in columns if isinstance(item, Column)}
    entries = [
        replace(item, origin=merge(item.origin, fresh[item.name.lower()].origin))
        if isinstance(item, Column) and item.name.lower() in fresh
        else item
        for item in relation.entries
    ]
    return Relation((*entries, *(item for item in columns if isinstance(item, Star))))
