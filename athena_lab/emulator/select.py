"""A query made ready: translated, bound to DuckDB, its result's schema known, what it reads counted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from athena_lab.emulator.access import Principal
from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.parameters import describe
from athena_lab.emulator.policies.protection import quotes_nothing
from athena_lab.emulator.results import BATCH_ROWS, Result, collect
from athena_lab.emulator.sql.parse import parse_statement
from athena_lab.emulator.sql.references import Namespace
from athena_lab.emulator.sql.rules.bignumerics import to_big
from athena_lab.emulator.sql.translate import Translation, translate_query
from athena_lab.emulator.types import Field, duckdb_type, field_from_duckdb, googlesql_type, is_exact, quote
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Source

_CACHED = 512


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that DuckDB accepted; `sql` gives exactly the columns of `fields`."""

    sql: str
    fields: tuple[Field, ...]
    translation: Translation

    def parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give the values that the text uses."""
        return {name: values[name] for name in self.translation.parameters}

    def arrow(self) -> dict[str, pa.Table]:
        """Give the results that the text reads by name."""
        return {name: result.table() for name, result in self.translation.sources.results.items()}

    def shaped(self, columns: Sequence[Field]) -> str:
        """Give the text with structs named as a table's columns are: they are assigned by position."""
        pairs = list(zip(self.fields, columns, strict=True))
        if all(_names(own) == _names(column) and not _grows(own, column) for own, column in pairs):
            return self.sql
        names = [f'"c{index}"' for index in range(len(pairs))]
        values = ", ".join(_assigned(name, *pair) for name, pair in zip(names, pairs, strict=True))
        return f"SELECT {values} FROM ({self.sql}) AS q({', '.join(names)})"  # noqa: S608 (our own translation)

    def source(self, values: Mapping[str, Any]) -> Source:
        """Give the query's rows for writing."""
        return Source(self.sql, self.fields, self.parameters(values), self.arrow())


class Preparer:
    """Prepares queries and remembers them until a definition changes."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[Any, ...], Prepared] = OrderedDict()

    def prepare_text(
        self, text: str, space: Namespace, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Prepared | exp.Expression:
        """Prepare the query that `text` is, or give the statement that it is instead."""
        key = (text, describe(types), space.default_dataset, space.state.version, space.viewer, space.temporary)
        with self._lock:
            found = self._cache.get(key)
        if found is not None:
            return found
        statement = parse_statement(text)
        if not isinstance(statement, exp.Query):
            return statement
        made = self.prepare(statement, space, types, values)
        sources = made.translation.sources
        if not sources.results and not sources.is_volatile:
            with self._lock:
                self._cache[key] = made
                if len(self._cache) > _CACHED:
                    self._cache.popitem(last=False)
        return made

    def prepare(
        self, query: exp.Query, space: Namespace, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Prepared:
        """Translate a query (it is consumed) and bind it, without running it."""
        return self.bind(translate_query(query, replace(space, given=(types, values)), types), values)

    def bind(self, translation: Translation, values: Mapping[str, Any]) -> Prepared:
        """Ask DuckDB for the types of a translation's result, and cast to BigQuery's where they differ."""
        draft = Prepared(translation.sql, (), translation)
        with self._warehouse.catalog.reading(tables_of(translation)) as cursor:
            for name, table in draft.arrow().items():
                cursor.register(name, table)
            with quotes_nothing(translation.sql):
                relation = cursor.sql(translation.sql, params=draft.parameters(values))
            kinds = list(relation.types)
        labels = _told_apart(translation.labels)
        fields = tuple(
            _field(label, kind, hint) for label, kind, hint in zip(labels, kinds, translation.hints, strict=True)
        )
        return Prepared(_cast_all(translation.sql, fields, kinds), fields, translation)

    def run(self, prepared: Prepared, values: Mapping[str, Any], holder: Any) -> Result:
        """Run a query to its end; `holder`, a job, learns which connection to interrupt."""
        with self._warehouse.catalog.reading(tables_of(prepared.translation)) as cursor:
            holder.hold(cursor)
            try:
                for name, table in prepared.arrow().items():
                    cursor.register(name, table)
                with quotes_nothing(prepared.sql):
                    relation = cursor.sql(prepared.sql, params=prepared.parameters(values))
                    reader = relation.to_arrow_reader(BATCH_ROWS)
                    return collect(iter(reader), prepared.fields, self._warehouse.store.results)
            except OSError as error:
                raise _engine_error(error) from None
            finally:
                holder.hold(None)


def _engine_error(error: OSError) -> Exception:
    """Give DuckDB's error back as what it was: Arrow tells one that comes between batches as an OSError.

    As such it would be taken for a fault of ours and be logged, with the values that it quotes.
    """
    if error.errno is not None:
        return error
    kinds: dict[str, type[Exception]] = {
        "INTERRUPT": duckdb.InterruptException, "Out of Memory": duckdb.OutOfMemoryException,
    }  # fmt: skip
    kind: type[Exception] = kinds.get(str(error).partition(" Error:")[0], duckdb.Error)
    return kind(str(error))


def tables_of(translation: Translation) -> frozenset[str]:
    """Give DuckDB's names of the tables that a translation reads."""
    return frozenset(table.physical for table in translation.sources.tables.values())


def space_for(warehouse: Warehouse, principal: Principal, query: Mapping[str, Any]) -> Namespace:
    """Tell where a query's configuration looks names up."""
    return warehouse.namespace(principal, (query.get("defaultDataset") or {}).get("datasetId"))


def _told_apart(labels: Sequence[str]) -> list[str]:
    """Give columns of the same name different ones, as BigQuery does with a result's: id, id_1, id_2."""
    taken = {label.lower() for label in labels}
    seen: set[str] = set()
    made = []
    for label in labels:
        name, number = label, 0
        while name.lower() in seen or (number and name.lower() in taken):
            number += 1
            name = f"{label}_{number}"
        seen.add(name.lower())
        made.append(name)
    return made


def _field(label: str, kind: Any, hint: str | None) -> Field:
    found = field_from_duckdb(label, kind)
    return replace(found, type=hint) if hint == "TIMESTAMP" and found.type in ("DATETIME", "DATE") else found


def _names(item: Field) -> tuple[object, ...]:
    return tuple((part.name.lower(), _names(part)) for part in item.fields)


def _positional(value: str, own: Field, column: Field) -> str:
    """Name a struct's fields as another's, by their places."""
    if own.type != "RECORD" or len(own.fields) != len(column.fields):
        return value
    if own.is_repeated:
        return f"list_transform({value}, lambda e: {_positional('e', own.element(), column.element())})"
    parts = ", ".join(
        f"{quote(new.name)} := {_positional(f'({value}).{quote(old.name)}', old, new)}"
        for old, new in zip(own.fields, column.fields, strict=True)
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({parts}) END"


def _grows(own: Field, column: Field) -> bool:
    """Tell whether a value becomes a BIGNUMERIC, or has a part that does: DuckDB takes it for a number of 10^-38."""
    pairs = zip(own.fields, column.fields, strict=False)
    return (column.type == "BIGNUMERIC" != own.type) or any(_grows(*pair) for pair in pairs)


def _assigned(name: str, own: Field, column: Field) -> str:
    if not _grows(own, column):
        return _positional(name, own, column)
    return converted_text(name, own, column)


def converted_text(name: str, own: Field, column: Field) -> str:
    """Give DuckDB's text of a value of one type as a BIGNUMERIC."""
    if column.is_repeated or column.type == "RECORD" or own.is_repeated or own.type == "RECORD":
        raise unsupported("A conversion of a STRUCT or ARRAY to one with BIGNUMERIC in it")
    value = exp.Var(this=name)
    value.type = exp.DataType.build(googlesql_type(own), dialect="bigquery")
    return str(to_big(value).sql("duckdb"))


def without_nulls(value: str, item: Field) -> str:
    """Give the text of a value that is given out or stored: until then arrays may have NULLs, then BigQuery fails."""
    found = _null_tests(value, item)
    if not found:
        return value
    said = f"Array cannot have a null element; error in writing field {item.name}".replace("'", "''")
    return f"CASE WHEN {' OR '.join(found)} THEN athena_error('{said}') ELSE {value} END"


def _null_tests(value: str, item: Field) -> list[str]:
    if item.is_repeated:
        inner = _null_tests("e", item.element())
        nested = [f"len(list_filter({value}, lambda e: {' OR '.join(inner)})) > 0"] if inner else []
        return [f"list_count({value}) < len({value})", *nested]
    return [test for part in item.fields for test in _null_tests(f"({value}).{quote(part.name)}", part)]


def _is_checked(item: Field) -> bool:
    return item.type == "INTERVAL" or bool(_null_tests("", item))


def _within_range(value: str, item: Field) -> str:
    """Refuse an INTERVAL that BigQuery has not, or that Arrow cannot give out."""
    if item.type != "INTERVAL":
        return value
    if item.is_repeated:
        return f"list_transform({value}, lambda e: athena_interval_checked(e))"
    return f"athena_interval_checked({value})"


def _cast_all(sql: str, fields: tuple[Field, ...], kinds: list[Any]) -> str:
    plain = (is_exact(item, kind) and not _is_checked(item) for item, kind in zip(fields, kinds, strict=True))
    if all(plain):
        return sql
    names = [f'"c{index}"' for index in range(len(fields))]
    columns = []
    for name, item, kind in zip(names, fields, kinds, strict=True):
        value = name if is_exact(item, kind) else f"CAST({name} AS {duckdb_type(item)})"
        value = _within_range(value, item)
        value = without_nulls(value, item)
        value = f"coalesce({value}, []::{duckdb_type(item)})" if item.is_repeated else value
        columns.append(f"{value} AS {quote(item.name)}")
    return f"SELECT {', '.join(columns)} FROM ({sql}) AS q({', '.join(names)})"  # noqa: S608 (our own translation)
