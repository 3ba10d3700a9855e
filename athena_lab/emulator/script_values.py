"""The values of a script's variables: where they are declared, and how expressions are evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.select import Prepared, Preparer, converted_text
from athena_lab.emulator.sql.references import Namespace
from athena_lab.emulator.sql.script import Statement, padded
from athena_lab.emulator.sql.typenames import field_of_type
from athena_lab.emulator.sql.variables import variable
from athena_lab.emulator.types import Field, duckdb_type
from athena_lab.emulator.warehouse import Warehouse


class Statements(Protocol):
    """What a script needs of whoever runs single statements (queries.Queries)."""

    warehouse: Warehouse
    preparer: Preparer

    def space(self, job: Job, query: Mapping[str, Any], temporary: str | None = None) -> Namespace: ...

    def run_text(
        self, job: Job, text: str, given: tuple[Mapping[str, Field], Mapping[str, Any]], temporary: str | None = None
    ) -> None: ...


class Running(Protocol):
    """What evaluating needs of a script (scripting.Script)."""

    queries: Statements
    job: Job
    query: Mapping[str, Any]
    types: dict[str, Field]
    values: dict[str, Any]
    frame: Frame
    text: str
    temporary: str

    def with_functions(self, text: str) -> str: ...


@dataclass(slots=True)
class Variable:
    """A variable's type and its present value, as Arrow gives it to Python."""

    item: Field
    value: Any

    def bound(self) -> Any:
        """Give the value as DuckDB takes it for a parameter."""
        return _bindable(self.value, self.item)


def _bindable(value: Any, item: Field) -> Any:
    if isinstance(value, list):
        return [_bindable(part, item.element()) for part in value]
    if isinstance(value, dict) and item.type == "RECORD":
        return {part.name: _bindable(value.get(part.name), part) for part in item.fields}
    if item.type == "BIGNUMERIC":
        return bignumerics.text_of(value)
    if hasattr(value, "nanoseconds") and hasattr(value, "months"):
        return f"{value.months} months {value.days} days {value.nanoseconds // 1000} microseconds"
    return value


@dataclass(slots=True)
class Frame:
    """The variables of a block, within those of the blocks around it."""

    outer: Frame | None = None
    own: dict[str, Variable] = field(default_factory=dict)
    system: dict[str, Variable] = field(default_factory=dict)

    def root(self) -> Frame:
        """Give the outermost frame."""
        return self if self.outer is None else self.outer.root()

    def declare(self, name: str, value: Variable) -> None:
        """Make a variable of this block."""
        self.own[name.lower()] = value

    def find(self, name: str) -> Variable:
        """Give a variable; refuse a name that is none."""
        found = self.own.get(name.strip().strip("`").lower())
        if found is not None:
            return found
        if self.outer is None:
            raise invalid_query(f"Undeclared variable: {name}")
        return self.outer.find(name)

    def _visible(self) -> dict[str, Variable]:
        outer = self.outer._visible() if self.outer is not None else {}  # noqa: SLF001 (a frame's own kind)
        return {**outer, **self.system, **{variable(name): value for name, value in self.own.items()}}

    def types(self) -> dict[str, Field]:
        """Give the types of all that is visible, by the names of parameters."""
        return {name: value.item for name, value in self._visible().items()}

    def values(self) -> dict[str, Any]:
        """Give the values of all that is visible, by the names of parameters."""
        return {name: value.bound() for name, value in self._visible().items()}


def type_named(text: str) -> Field:
    """Read a type of GoogleSQL."""
    if re.search(r"(?i)\bCOLLATE\b", text):
        raise unsupported("The collation of a variable")
    try:
        kind = exp.DataType.build(text, dialect="bigquery")
    except SqlglotError as error:
        raise invalid_query(f"Type not found: {text}") from error
    return field_of_type("v", kind)


def evaluate(script: Running, text: str, start: int, target: Field | None) -> Variable:
    """Compute an expression, converted to a variable's type if there is one."""
    prepared, values = _prepared(script, f"SELECT ({text.strip()}\n)", start)
    if len(prepared.fields) != 1:
        raise invalid_query("An expression must give one value")
    item = prepared.fields[0]
    sql = f"SELECT c FROM ({prepared.sql}) AS q(c)"  # noqa: S608 (translated)
    if target is not None and duckdb_type(target) != duckdb_type(item):
        is_grown = target.type == "BIGNUMERIC"
        made_of = converted_text("c", item, target) if is_grown else f"CAST(c AS {duckdb_type(target)})"
        sql = f"SELECT {made_of} FROM ({prepared.sql}) AS q(c)"  # noqa: S608
        item = target
    made = Prepared(sql, (item,), prepared.translation)
    result = script.queries.preparer.run(made, values, script.job)
    rows = result.table().column(0).to_pylist()
    result.discard()
    return Variable(target or item, rows[0] if rows else None)


def fetch(script: Running, query: Statement) -> tuple[Field, list[dict[str, Any]]]:
    """Run the query of a FOR; give the struct that its rows are, and the rows."""
    text = query.text.strip()
    text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    prepared, values = _prepared(script, text, query.start)
    result = script.queries.preparer.run(prepared, values, script.job)
    rows = result.table().to_pylist()
    result.discard()
    return Field("v", "RECORD", fields=prepared.fields), rows


def _prepared(script: Running, text: str, start: int) -> tuple[Prepared, dict[str, Any]]:
    types = {**script.types, **script.frame.types()}
    values = {**script.values, **script.frame.values()}
    space = script.queries.space(script.job, script.query, script.temporary)
    whole = script.with_functions(padded(text, max(0, start - len("SELECT (")), script.text))
    prepared = script.queries.preparer.prepare_text(whole, space, types, values)
    if not isinstance(prepared, Prepared):
        raise invalid_query("An expression must be a query")
    return prepared, values
