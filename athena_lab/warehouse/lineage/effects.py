"""What Python code does to the warehouse, noted: queries followed, tables read and written by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from athena_lab.warehouse.lineage.constants import Holes, Items, Pairs, Thing, Value
from athena_lab.warehouse.lineage.frames import received
from athena_lab.warehouse.lineage.model import HOLE, Findings, Unknown
from athena_lab.warehouse.lineage.relation import Column, Origin, Relation, Star
from athena_lab.warehouse.lineage.sql import Script, follow_script
from athena_lab.warehouse.lineage.tables import Result, Setting, own_name

_STATEMENT = re.compile(
    r"\s*(?:(?:--|\#)[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER|TRUNCATE|EXPORT|LOAD"
    r"|DECLARE|BEGIN|CALL|EXECUTE|FROM|SET|IF|FOR|GRANT|REVOKE|ASSERT|WHILE|LOOP)\b",
    re.IGNORECASE | re.DOTALL,
)
_TABLE = re.compile(r"[\w-]+(?:[.:][\w-]+)?\.[\w$*{}-]+$")


class Effects:
    """Collects lineage while Python is followed."""

    def __init__(self, setting: Setting, findings: Findings) -> None:
        self.setting, self.findings, self.holes = setting, findings, Holes()
        self.projects = set(setting.projects)
        self.client_projects: set[object] = set()

    def doubt(self, text: str) -> None:
        """Note something undecided; holes get their source back."""
        self.findings.doubt(self.holes.restore(text))

    def use_project(self, project: Value, why: str) -> None:
        """Note a client's project; with a second one, `dataset.table` no longer says which project's it is."""
        self.client_projects.update(project.options)
        if len(self.client_projects) > 1:
            self.doubt(f"{why} (tables of more than one project are named without it)")

    def query(
        self,
        sql: Value,
        why: str,
        *,
        into: Value | None = None,
        is_appended: bool = False,
        default_dataset: str | None = None,
        results: Mapping[str, Result] | None = None,
    ) -> Result | None:
        """Follow a query in each form that its text may have; give the last one's columns and reads."""
        if sql.why or not all(isinstance(text, str) for text in sql.options) or not sql.options:
            self.doubt(why)
        setting = replace(self.setting, projects=frozenset(self.projects), results=results or {})
        if default_dataset is not None:
            setting = replace(setting, default_dataset=default_dataset)
        answer = None
        for text in sql.options:
            if isinstance(text, str):
                answer = self._follow(text, setting, into, why)
        if into is not None and not is_appended:
            self.findings.made.update(self.names(into, why))
        return answer

    def _follow(self, text: str, setting: Setting, into: Value | None, why: str) -> Result:
        found = Findings(self.findings.sightings)
        found.cell = self.findings.cell
        before = len(found.sightings.places) if found.sightings is not None else 0
        script = follow_script(text, setting, found)
        self._add(found)
        if found.sightings is not None:
            fresh = [replace(one, text=self.holes.restore(one.text)) for one in found.sightings.places[before:]]
            found.sightings.places[before:] = fresh
        relation = script.answer or Relation()
        if into is not None:
            for name in self.write(into, why):
                self._fill(name, script, relation)
        return Result(relation, frozenset(found.reads))

    def _fill(self, name: str, script: Script, relation: Relation) -> None:
        before = Findings()
        script.findings, script.tables.findings = before, before
        script.statements.fill(name, relation.entries)
        self._add(before)

    def _add(self, found: Findings) -> None:
        found.unknown = {Unknown(item.cell, self.holes.restore(item.text)): None for item in found.unknown}
        self.findings.add(found)

    def read(self, tables: Value | None, why: str) -> None:
        """Note that tables are read by name."""
        self._see(self.names(tables, why), why)

    def _see(self, names: list[str], why: str) -> None:
        self.findings.reads.update(names)
        for name in names:
            self.findings.see(name, is_write=False, text=why)

    def write(self, tables: Value | None, why: str) -> list[str]:
        """Note that tables are written by name; give their full names."""
        names = self.names(tables, why)
        self.findings.writes.update(names)
        for name in names:
            self.findings.see(name, is_write=True, text=why)
        return names

    def rows_of(self, tables: Value | None, why: str) -> Result:
        """Note that tables are read by name; give their rows."""
        names = self.names(tables, why)
        self._see(names, why)
        entries = tuple(entry for name in names for entry in self._columns_of(name))
        return Result(Relation(entries), frozenset(names))

    def _columns_of(self, name: str) -> tuple[Column | Star, ...]:
        known = self.setting.schema.get(name)
        if known is None:
            return (Star(name),)
        return tuple(Column(item, Origin(frozenset([f"{name}.{item}"]))) for item in known)

    def load(self, tables: Value | None, rows: Value | None, why: str, *, is_appended: bool = True) -> None:
        """Note that tables are written with rows, and where their columns come from as far as that is followed."""
        names = self.write(tables, why)
        self.findings.made.update(() if is_appended else names)
        for column, origin in received(rows):
            for name in names:
                self.findings.derive(f"{name}.{column}", origin.columns)
                for doubt in sorted(origin.doubts):
                    self.doubt(f"{name}: {doubt}")

    def names(self, tables: Value | None, why: str) -> list[str]:
        """Give the full names of tables in each form they may have; what is not certain is a doubt."""
        if tables is None or tables.why or not tables.options:
            self.doubt(why)
        found: list[str] = []
        for option in tables.options if tables is not None else ():
            found += self._names_of(option, why)
        return found

    def _names_of(self, option: object, why: str) -> list[str]:
        if isinstance(option, Items):
            return [name for value in option.values for name in self.names(value, why)]
        if isinstance(option, Thing) and isinstance(option.get("name"), Value):
            return self.names(option.get("name"), why)
        if isinstance(option, Pairs):
            return self._names_of_resource(option, why)
        if not isinstance(option, str):
            self.doubt(why)
            return []
        parts = [part for part in option.strip().strip("`").replace(":", ".").replace("`", "").split(".") if part]
        if len(parts) > 2 and parts[0] in self.projects:
            parts = parts[1:]
        if HOLE.search(".".join(parts)):
            self.doubt(option)
            return []
        if len(parts) == 1 and self.setting.default_dataset:
            parts = [*self.setting.default_dataset.split("."), *parts]
        if len(parts) < 2:
            self.doubt(f"{why} ('{option}' has no dataset)")
            return []
        return [own_name(parts, self.projects)]

    def _names_of_resource(self, option: Pairs, why: str) -> list[str]:
        """Read a table as the API writes it: `{"projectId": …, "datasetId": …, "tableId": …}`."""
        inner = option.get("tableReference")
        if inner is not None and isinstance(inner.only, Pairs):
            option = inner.only
        parts = [value.only for key in ("projectId", "datasetId", "tableId") if (value := option.get(key)) is not None]
        if parts and all(isinstance(part, str) for part in parts):
            return self._names_of(".".join(parts), why)
        self.doubt(why)
        return []


def is_query(text: object) -> bool:
    """Say whether a text begins as a SQL statement does."""
    return isinstance(text, str) and _STATEMENT.match(text) is not None


def is_table(text: object) -> bool:
    """Say whether a text looks like the name of a table with its dataset."""
    return isinstance(text, str) and _TABLE.match(text) is not None
