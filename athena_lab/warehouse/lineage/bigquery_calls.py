"""Calls of the BigQuery client, of pandas-gbq and their kin: what each reads, writes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from athena_lab.warehouse.lineage.constants import Thing, Value, known, text_of, unknown
from athena_lab.warehouse.lineage.effects import Effects, is_query, is_table
from athena_lab.warehouse.lineage.frames import frame, result_of

_CLIENT_PATH = "google.cloud.bigquery"
_OTHER_ENGINES = frozenset(
    ["duckdb", "sqlite3", "sqlalchemy", "psycopg", "psycopg2", "pymysql", "mysql", "snowflake", "clickhouse_connect",
     "clickhouse_driver", "pyspark", "polars", "ibis", "pymongo", "elasticsearch", "trino", "presto", "prestodb",
     "pyodbc", "oracledb", "cx_Oracle", "redshift_connector", "databricks", "asyncpg", "aiosqlite", "pandasql",
     "influxdb_client", "neo4j", "cassandra", "records", "dataset", "peewee", "django",
     "pandas", "numpy", "sqlparse", "sqlglot", "IPython", "loguru", "rich", "jinja2", "string",
      "geopandas", "dask", "requests", "httpx", "boto3"]
)  # fmt: skip
_NAMES_OF_CLIENTS = ("client", "bq", "bigquery", "warehouse")
_LOADS = ("load_table_from_dataframe", "load_table_from_file", "load_table_from_json", "load_table_from_uri")
_INSERTS = ("insert_rows", "insert_rows_json", "insert_rows_from_dataframe")
_SURE = frozenset(["query_and_wait", *_LOADS, *_INSERTS, "list_rows", "create_read_session"])
"""Names that no other library has: whatever they are called on is a BigQuery client."""
_TABLE_KEYWORDS = frozenset(
    ["query", "destination", "destination_table", "table", "source", "sources", "table_ref", "table_id", "dataset_ref",
     "dataset_id", "query_or_table", "default_dataset", "job_config", "default_query_job_config", "project",
     "project_id"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call with evaluated arguments; `why` is its source text."""

    name: str
    arguments: Sequence[Value] = ()
    named: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""
    owner: Thing | None = None

    def argument(self, position: int, *names: str) -> Value | None:
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.arguments[position] if 0 <= position < len(self.arguments) else None


def is_foreign(path: str) -> bool:
    """Say whether a module is another engine's or another world's, whose SQL is not ours."""
    return path.split(".")[0] in _OTHER_ENGINES


def is_known_library(path: str) -> bool:
    """Say whether a module is a library whose functions are known, ours or others'."""
    return is_foreign(path) or path.startswith((_CLIENT_PATH, "athena_lab", "pandas_gbq", "bigframes"))


def is_client_name(name: str) -> bool:
    """Say whether a variable's name tells that it holds a BigQuery client."""
    words = name.lower()
    return any(word in words for word in _NAMES_OF_CLIENTS)


def call_client(effects: Effects, call: Call) -> Value | None:
    """Note what a method of a client does and give what it returns; None where it is no method that is known."""
    act = _METHODS.get(call.name)
    return act(effects, call) if act is not None else None


def call_unknown(effects: Effects, call: Call, receiver: str) -> Value | None:
    """Treat a method of something unknown: as a client's where its name, or the receiver's, says so."""
    if call.name not in _METHODS:
        return None
    first = call.arguments[0] if call.arguments else Value()
    if call.name in _SURE or is_client_name(receiver):
        return call_client(effects, call)
    is_suspect = is_query if call.name in ("query", "query_and_wait") else is_table
    if call.name not in _CREATORS and any(is_suspect(option) for option in first.options):
        effects.doubt(call.why)
    return None


def call_path(effects: Effects, call: Call, path: str) -> Value | None:
    """Call a function or class that was imported, by its dotted path."""
    last = path.rsplit(".", 1)[-1]
    if path.startswith((_CLIENT_PATH, "athena_lab")):
        make = _CLASSES.get(last if not path.endswith(".from_string") else "from_string")
        if path.endswith(("Client.from_service_account_json", "Client.from_service_account_info")):
            make = _client
        return make(effects, call) if make is not None else None
    if path in ("pandas_gbq.to_gbq", "pandas.io.gbq.to_gbq"):
        rows = call.argument(0, "dataframe")
        effects.load(call.argument(1, "destination_table"), rows, call.why, is_appended=_is_added(call))
        return known(None)
    if last in _READERS:
        return _read_gbq(effects, call)
    return None


def call_frame(effects: Effects, call: Call) -> Value | None:
    """Call a method that reaches BigQuery whatever it is called on: `to_gbq`, `read_gbq`."""
    if call.name == "to_gbq":
        rows = known(call.owner) if call.owner is not None else None
        effects.load(call.argument(0, "destination_table"), rows, call.why, is_appended=_is_added(call))
        return known(None)
    return _read_gbq(effects, call) if call.name in _READERS else None


def _is_added(call: Call) -> bool:
    """Say whether `to_gbq` keeps the table: `if_exists` is "fail" where nothing is said."""
    found = call.named.get("if_exists")
    return found is None or found.only in ("append", "fail")


# -- the client's methods


def _query(effects: Effects, call: Call) -> Value:
    config = call.argument(1, "job_config")
    thing = config.only if config is not None else None
    client_config = call.owner.get("config") if call.owner is not None else None
    if config is not None and not isinstance(thing, Thing):
        if config.why and not config.options:
            effects.doubt(f"{call.why}: {config.why} (its destination)")
        thing = None
    if thing is not None and isinstance(dry := thing.get("dry_run"), Value) and dry.only is True:
        return known(Thing("job"))
    into = thing.get("destination") if thing is not None else None
    dataset = thing.get("default_dataset") if thing is not None else None
    if dataset is None and isinstance(client_config, Thing):
        dataset = client_config.get("default_dataset")
    default = _name_of(dataset)
    if (project := call.named.get("project")) is not None:
        effects.use_project(effects.holes.filled(project), call.why)
    sql = call.argument(0, "query")
    sql, is_appended = sql or unknown(call.why), _is_appended(thing, otherwise=False)
    result = effects.query(sql, call.why, into=_some(into), is_appended=is_appended, default_dataset=default)
    made = Thing("job", (("destination", into),) if into is not None else ())
    return known(made.having("result", result) if result is not None else made)


def _is_appended(config: object, *, otherwise: bool) -> bool:
    """Say whether a job surely keeps the table that it writes: its disposition, or what holds without one."""
    if not isinstance(config, Thing):
        return otherwise and config is None
    found = config.get("write_disposition")
    only = found.only if isinstance(found, Value) else None
    return otherwise if found is None else str(getattr(only, "path", only)).endswith("WRITE_APPEND")


def _some(value: Value | None) -> Value | None:
    return None if value is None or value.options == (None,) else value


def _name_of(value: Value | None) -> str | None:
    if value is None:
        return None
    thing = value.only
    return thing if isinstance(thing, str) else text_of(thing)


def _load(effects: Effects, call: Call) -> Value:
    config = call.argument(5, "job_config")
    is_appended = config is None or _is_appended(config.only or Value(), otherwise=True)
    rows = call.argument(0, "dataframe", "json_rows")
    effects.load(call.argument(1, "destination"), rows, call.why, is_appended=is_appended)
    return known(Thing("job"))


def _write_first(effects: Effects, call: Call) -> Value:
    table = call.argument(0, "table", "destination")
    effects.load(table, call.argument(1, "rows", "json_rows", "dataframe"), call.why)
    return table or unknown(call.why)


def _create_table(effects: Effects, call: Call) -> Value:
    table = call.argument(0, "table")
    thing = table.only if table is not None else None
    view = (thing.get("view_query") or thing.get("mview_query")) if isinstance(thing, Thing) else None
    if isinstance(thing, Thing) and isinstance(view, Value):
        effects.query(view, call.why, into=thing.get("name"))
    else:
        effects.write(table, call.why)
    return table or unknown(call.why)


def _read_first(effects: Effects, call: Call) -> Value:
    table = call.argument(0, "table", "source")
    if table is not None and isinstance(table.only, Thing) and table.only.kind == "job":
        return known(frame(result_of(table.only)))
    rows = effects.rows_of(table, call.why)
    return known(frame(rows)) if call.name != "get_table" else _as_table(table, call.why)


def _as_table(table: Value | None, why: str) -> Value:
    if table is None:
        return unknown(why)
    return table if isinstance(table.only, Thing) else known(Thing("table", (("name", table),)))


def _copy(effects: Effects, call: Call) -> Value:
    effects.read(call.argument(0, "sources"), call.why)
    effects.write(call.argument(1, "destination"), call.why)
    return known(Thing("job"))


def _note(effects: Effects, call: Call) -> Value:
    effects.doubt(call.why)
    return unknown(call.why)


def _dataset(_: Effects, call: Call) -> Value:
    return known(Thing("dataset", (("name", call.argument(0, "dataset_id", "dataset_ref") or unknown(call.why)),)))


_METHODS: Mapping[str, Callable[[Effects, Call], Value]] = {
    "query": _query,
    "query_and_wait": _query,
    **dict.fromkeys(_LOADS, _load),
    **dict.fromkeys(_INSERTS, _write_first),
    "copy_table": _copy,
    "get_table": _read_first,
    "list_rows": _read_first,
    "list_partitions": _read_first,
    "extract_table": _read_first,
    "create_table": _create_table,
    "update_table": _write_first,
    "delete_table": _write_first,
    "delete_dataset": _note,
    "create_job": _note,
    "dataset": _dataset,
    "get_dataset": _dataset,
    "create_dataset": _dataset,
    "create_read_session": _note,
    "append_rows": _note,
}
_CREATORS = ("dataset", "get_dataset", "create_dataset", "delete_dataset", "create_job")


# -- classes of google.cloud.bigquery


def _client(effects: Effects, call: Call) -> Value:
    project = call.argument(0, "project")
    if project is not None:
        named = effects.holes.filled(project)
        effects.projects.update(item for item in named.options if isinstance(item, str))
        effects.use_project(named, call.why)
    config = call.named.get("default_query_job_config")
    own = project or known(min(effects.setting.projects, default="own-project"))
    if project is None:
        effects.projects.update(own.options)
    return known(Thing("client", (("project", own), ("config", config.only if config is not None else None))))


def _config(_: Effects, call: Call) -> Value:
    return known(Thing("config", tuple(call.named.items())))


def _table(_: Effects, call: Call) -> Value:
    name = call.argument(0, "table_ref") or unknown(call.why)
    inner = name.only
    return name if isinstance(inner, Thing) and inner.kind == "table" else known(Thing("table", (("name", name),)))


def _dotted(effects: Effects, call: Call, kind: str, names: Sequence[str]) -> Value:
    parts = [call.argument(index, name) for index, name in enumerate(names)]
    texts = [effects.holes.filled(part) for part in parts if part is not None]
    plain = [text.only if isinstance(text.only, str) else text_of(text.only) for text in texts]
    if any(part is None for part in plain):
        return unknown(call.why)
    return known(Thing(kind, (("name", known(".".join(str(part) for part in plain))),)))


_CLASSES: Mapping[str, Callable[[Effects, Call], Value]] = {
    "Client": _client,
    "QueryJobConfig": _config,
    "LoadJobConfig": _config,
    "CopyJobConfig": _config,
    "Table": _table,
    "Dataset": lambda effects, call: _dotted(effects, call, "dataset", ["dataset_ref"]),
    "DatasetReference": lambda effects, call: _dotted(effects, call, "dataset", ["project", "dataset_id"]),
    "TableReference": lambda effects, call: _dotted(effects, call, "table", ["dataset_ref", "table_id"]),
    "from_string": lambda _, call: known(Thing("table", (("name", call.argument(0) or unknown(call.why)),))),
}


def is_table_argument(receiver: str, name: str, place: int | str) -> bool:
    """Say whether a call's argument, by position or keyword, is a table or SQL and no data: `load_table_…(rows, HERE)`.

    `receiver` is the name that a method is called on, "" for a function.
    """
    if name not in _METHODS and name not in _CLASSES and name not in _READERS and name != "to_gbq":
        return False
    if isinstance(place, str):
        return place in _TABLE_KEYWORDS
    is_rows_first = name in _LOADS or (name == "to_gbq" and receiver in ("", "pandas_gbq", "gbq"))
    if is_rows_first:
        return place in (1, 5)
    return place == 0 or (place == 1 and name in ("query", "copy_table", "TableReference", "DatasetReference"))


def is_method(name: str) -> bool:
    """Say whether a client has a method of that name that reads or writes."""
    return name in _METHODS


def method_of(client: Thing | None, name: str) -> Thing:
    """Give a client's method as a value, to be called later or by others."""
    return Thing("method", (("client", client), ("name", name)))


def attribute_of(thing: Thing, name: str) -> Value | None:
    """Give an attribute of one of our things: `client.project`, `table.table_id`, `table.reference`, …"""
    found = thing.get(name)
    if isinstance(found, Value):
        return found
    text = text_of(thing)
    if text is None:
        return None
    parts = text.replace(":", ".").split(".")
    if name == "reference":
        return known(thing)
    places = {"table_id": -1, "dataset_id": -2 if thing.kind == "table" else -1, "full_table_id": None}
    if name in places:
        place = places[name]
        return known(text if place is None else parts[place]) if len(parts) >= -(place or 0) else None
    return None


def table_of_dataset(effects: Effects, thing: Thing, call: Call) -> Value:
    """Give `dataset.table("name")`."""
    inner = known(Thing("dataset", thing.attributes))
    return _dotted(effects, Call("table", [inner, *call.arguments], {}, call.why), "table", ["dataset_ref", "table_id"])


# -- pandas-gbq and its kin

_READERS = frozenset(["read_gbq", "read_gbq_query", "read_gbq_table"])


def _read_gbq(effects: Effects, call: Call) -> Value:
    given = call.argument(0, "query_or_table", "query", "table_id") or unknown(call.why)
    project = call.named.get("project_id")
    if project is not None and isinstance(project.only, str):
        effects.projects.add(project.only)
    queries = [option for option in given.options if is_query(option)]
    tables = [option for option in given.options if not is_query(option)]
    rows = effects.query(Value(tuple(queries)), call.why) if queries else None
    if tables or given.why or not given.options:
        rows = effects.rows_of(Value(tuple(tables), given.why), call.why)
    return known(frame(rows))
