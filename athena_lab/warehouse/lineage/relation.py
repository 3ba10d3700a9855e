"""Values while SQL is followed: where an expression comes from, and the columns of a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """Source columns of a value, what about them is undecided, and (of a struct made in the query) its fields."""

    columns: frozenset[str] = frozenset()
    doubts: frozenset[str] = frozenset()
    fields: Mapping[str, Origin] | None = None

    def field(self, name: str) -> Origin:
        """Give the origin of a struct's field; a field of a table's column comes from the column."""
        if self.fields is None:
            return self
        found = self.fields.get(name.lower())
        return found if found is not None else replace(self, fields=None)


NOWHERE = Origin()


def join(origins: Iterable[Origin]) -> Origin:
    """Give what comes from all of these."""
    items = list(origins)
    return Origin(
        frozenset().union(*(item.columns for item in items)), frozenset().union(*(item.doubts for item in items))
    )


def merge(left: Origin, right: Origin) -> Origin:
    """Give what comes from either, keeping the fields of structs of the same shape."""
    if left.fields is not None and right.fields is not None and set(left.fields) == set(right.fields):
        fields = {name: merge(left.fields[name], right.fields[name]) for name in left.fields}
        return replace(join([left, right]), fields=fields)
    return join([left, right])


def struct(fields: Mapping[str, Origin]) -> Origin:
    """Make the origin of a struct."""
    return replace(join(fields.values()), fields={name.lower(): origin for name, origin in fields.items()})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query that has a name."""

    name: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Star:
    """All columns of a table whose columns are not known, but for `hidden`. No table: rows from somewhere unseen."""

    table: str = ""
    hidden: frozenset[str] = frozenset()
    doubts: frozenset[str] = frozenset()
    received: frozenset[str] = frozenset()
    """Source columns of which it is only known that some columns come from them."""

    def column(self, name: str) -> Origin:
        return Origin(self.received | ({f"{self.table}.{name}"} if self.table else set()), self.doubts)

    def whole(self) -> Origin:
        doubt = f"SELECT * of '{self.table}': its columns are not known"
        return Origin(
            self.received | ({f"{self.table}.*"} if self.table else set()),
            self.doubts | ({doubt} if self.table else set()),
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """The columns of a table, query or array, in order; `value` is the row itself where it is not a plain row."""

    entries: tuple[Column | Star, ...] = ()
    value: Origin | None = None

    @property
    def is_closed(self) -> bool:
        return not any(isinstance(entry, Star) for entry in self.entries)

    def known(self, name: str) -> Origin | None:
        """Give the column of that name if it is certain that there is one."""
        found = [item.origin for item in self.entries if isinstance(item, Column) and item.name.lower() == name.lower()]
        return found[0] if found else None

    def possible(self, name: str) -> Origin | None:
        """Give the column of that name where a table's unknown columns may hold it."""
        stars = [item for item in self.entries if isinstance(item, Star) and name.lower() not in item.hidden]
        if len(stars) > 1:
            tables = " or ".join(f"'{item.table}'" for item in stars)
            return Origin(doubts=frozenset([f"column '{name}' is of {tables}"]))
        return stars[0].column(name) if stars else None

    def find(self, name: str) -> Origin | None:
        known = self.known(name)
        return known if known is not None else self.possible(name)

    def whole(self) -> Origin:
        """Give the row as one value."""
        if self.value is not None:
            return self.value
        if self.is_closed:
            return struct({item.name: item.origin for item in self.entries if isinstance(item, Column)})
        return join(item.origin if isinstance(item, Column) else item.whole() for item in self.entries)

    def renamed(self, names: list[str]) -> Relation:
        """Give the columns new names, in order."""
        if not names or not self.is_closed or len(names) != len(self.entries):
            return self
        columns = [item for item in self.entries if isinstance(item, Column)]
        return Relation(tuple(Column(name, item.origin) for name, item in zip(names, columns, strict=True)))

    def without(self, names: Iterable[str]) -> Relation:
        """Leave columns out."""
        gone = frozenset(name.lower() for name in names)
        return Relation(
            tuple(
                replace(item, hidden=item.hidden | gone) if isinstance(item, Star) else item
                for item in self.entries
                if isinstance(item, Star) or item.name.lower() not in gone
            )
        )


def union(left: Relation, right: Relation, *, is_by_name: bool = False) -> Relation:
    """Join the columns of two queries by position (or by name), as UNION does."""
    if left.is_closed and right.is_closed:
        return _closed_union(left, right, is_by_name=is_by_name)
    if left == right:
        return left
    doubt = frozenset(["UNION by position over SELECT *: the order of columns is not known"])
    stars = tuple(
        replace(item, doubts=item.doubts | doubt)
        if isinstance(item, Star)
        else Column(item.name, _doubted(item, doubt))
        for item in (*left.entries, *right.entries)
    )
    return Relation(stars)


def _doubted(item: Column, doubt: frozenset[str]) -> Origin:
    return replace(item.origin, doubts=item.origin.doubts | doubt)


def _closed_union(left: Relation, right: Relation, *, is_by_name: bool) -> Relation:
    ours = [item for item in left.entries if isinstance(item, Column)]
    theirs = [item for item in right.entries if isinstance(item, Column)]
    if not is_by_name:
        pairs = [merge(a.origin, b.origin) for a, b in zip(ours, theirs, strict=False)]
        return Relation(tuple(Column(item.name, origin) for item, origin in zip(ours, pairs, strict=False)))
    merged = {item.name.lower(): item for item in ours}
    for item in theirs:
        mine = merged.get(item.name.lower())
        merged[item.name.lower()] = Column(mine.name, merge(mine.origin, item.origin)) if mine else item
    return Relation(tuple(merged.values()))


@dataclass(slots=True)
class Source:
    """One thing of a FROM clause: how it may be called (its alias; its full name), and its columns."""

    alias: str
    relation: Relation
    path: str = ""
    is_array: bool = False
    has_alias: bool = False


@dataclass(slots=True)
class Scope:
    """The sources that names of a query may mean; those of the query around it are looked at after its own."""

    sources: list[Source] = field(default_factory=list)
    parent: Scope | None = None
    shared: dict[str, str] = field(default_factory=dict)
    """Columns of USING: their lower-case names."""
    windows: dict[str, Origin] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """First parts, in lower case, of the names in the query: the aliases that are used are among them."""
    ctes: dict[str, Relation] = field(default_factory=dict)

    def source(self, alias: str) -> Source | None:
        for item in self.sources:
            if item.alias.lower() == alias.lower():
                return item
        return self.parent.source(alias) if self.parent else None

    def cte(self, name: str) -> Relation | None:
        """Give what a WITH clause, of this query or one around it, defines under the name."""
        found = self.ctes.get(name.lower())
        if found is None and self.parent is not None:
            return self.parent.cte(name)
        return found

    def window(self, name: str) -> Origin:
        """Give what a named window is made of, of this query or one around it."""
        if name.lower() not in self.windows and self.parent is not None:
            return self.parent.window(name)
        return self.windows.get(name.lower(), NOWHERE)
