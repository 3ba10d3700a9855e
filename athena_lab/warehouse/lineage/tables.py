"""Which table a name means: an own or a foreign project's, a temporary one, an earlier result, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from athena_lab.warehouse.lineage.model import HOLE, Findings
from athena_lab.warehouse.lineage.relation import Column, Origin, Relation, Star

_VIEWS = ("INFORMATION_SCHEMA", "__TABLES__", "__TABLES_SUMMARY__")
_SESSION = "_session"
_SOURCES = (exp.From, exp.Join, exp.Update, exp.Delete, exp.Merge, exp.Subquery, exp.Paren)
"""Where a table's name may be followed by an alias, and is one itself where none follows."""


@dataclass(frozen=True, slots=True)
class Result:
    """An earlier query under a name: its columns and the tables that it read."""

    relation: Relation
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Setting:
    """Where statements run: projects whose tables are named without project, schemas known, earlier results."""

    projects: Collection[str] = ()
    schema: Mapping[str, Collection[str]] = field(default_factory=dict)
    results: Mapping[str, Result] = field(default_factory=dict)
    default_dataset: str | None = None


class Tables:
    """The tables that a script has met so far, and what was found."""

    def __init__(self, setting: Setting, findings: Findings) -> None:
        self.setting, self.findings = setting, findings
        self.schema: dict[str, tuple[str, ...]] = {name: tuple(columns) for name, columns in setting.schema.items()}
        self.temporary: dict[str, Relation] = {}
        self.functions: dict[str, Relation] = {}

    def name(self, table: exp.Table) -> str | None:
        """Give the full name of a table; None, with a doubt noted, where it has none that is certain."""
        parts = [part.name for part in table.parts if part.name]
        if len(parts) > 2 and parts[0] in self.setting.projects:
            parts = parts[1:]
        written = ".".join(parts)
        if HOLE.search(written):
            self.findings.doubt(written)
            return None
        if len(parts) == 1 and self.setting.default_dataset:
            parts = [*self.setting.default_dataset.split("."), *parts]
        if len(parts) < 2:
            self.findings.doubt(f"{written} (a table without its dataset)")
            return None
        return own_name(parts, self.setting.projects)

    def read(self, table: exp.Table) -> Relation:
        """Give a table's columns, and note that it is read."""
        if _is_about_schemas(table):
            return Relation((Star(),))
        local = self.local(table)
        if local is not None:
            return local
        if not table.db and table.name in self.setting.results:
            result = self.setting.results[table.name]
            self.findings.reads |= result.reads
            return result.relation
        name = self.name(table)
        if name is None:
            written = ".".join(part.name for part in table.parts)
            return Relation((Star(doubts=frozenset([written])),))
        self.findings.reads.add(name)
        self.see(table, name, is_write=False)
        return self.columns(name)

    def see(self, table: exp.Table, name: str, *, is_write: bool) -> None:
        """Note the place where a statement names a table, if places are asked for."""
        if self.findings.sightings is None:
            return
        words = list(table.root().find_all(exp.Identifier))
        self.findings.see(name, is_write=is_write)
        places = self.findings.sightings.places
        places[-1] = replace(
            places[-1],
            is_past=table.args.get("version") is not None,
            is_bare=not table.alias and isinstance(table.parent, _SOURCES),
            names=frozenset(word.name.lower() for word in words),
            qualifiers=frozenset(word.name for word in words if isinstance(word.parent, exp.Column | exp.Dot)),
        )

    def columns(self, name: str) -> Relation:
        """Give the columns of a table with that full name, read or not."""
        known = self.schema.get(name)
        if known is None:
            return Relation((Star(name),))
        return Relation(tuple(Column(item, Origin(frozenset([f"{name}.{item}"]))) for item in known))

    def local(self, table: exp.Table) -> Relation | None:
        """Give the columns of a temporary table, None where the name means another."""
        if table.catalog or (table.db and table.db.lower() != _SESSION):
            return None
        return self.temporary.get(table.name.lower())


def own_name(parts: list[str], projects: Collection[str]) -> str:
    """Join a name's parts; an own project is left out, as is the partition after `$`."""
    *above, table = parts
    if len(above) > 1 and above[0] in projects:
        above = above[1:]
    return ".".join([*above, table.split("$")[0]])


def _is_about_schemas(table: exp.Table) -> bool:
    return any(part.name.upper().startswith(_VIEWS) for part in table.parts)
