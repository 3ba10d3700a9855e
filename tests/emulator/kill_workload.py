"""Random writes for the kill tests: what each is to change, and what is true of it after a crash."""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types

ITEMS = 20
ONCE: dict[str, Any] = {"retry": None, "timeout": 30}
SCHEMA = pa.schema([("batch", pa.int64()), ("item", pa.int64()), ("state", pa.int64())])
KIND = types.WriteStream.Type
Key = tuple[str, int]
Value = tuple[int, int] | None
"""Rows and their common state; None where there is nothing."""
FULL: Value = (ITEMS, 0)


@dataclass
class Effect:
    """What one statement changes, all of it or nothing."""

    before: dict[Key, Value]
    after: dict[Key, Value]


@dataclass
class Writer:
    """Writes batches, one statement each; knows what is acknowledged and what was under way."""

    client: bigquery.Client
    storage: BigQueryWriteClient
    first: int
    seed: int
    state: dict[Key, Value]
    """Acknowledged; shared by all writers, whose keys differ."""
    under_way: Effect | None = None
    acknowledged: dict[str, int] = field(default_factory=dict)
    fault: Exception | None = None
    progress: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self, killed: threading.Event) -> None:
        choice = random.Random(self.seed)
        for number in range(self.first, self.first + 100_000):
            name = choice.choice(sorted(_WAYS))
            effect, write = _WAYS[name](self, number, choice)
            self.under_way = effect
            try:
                write()
            except BadRequest as refusal:
                if "concurrent update" not in str(refusal):
                    self.fault = refusal
                    return
                self.under_way = None  # refused, so that nothing of it may be there
                continue
            except Exception as error:  # noqa: BLE001 (the server is gone: that is the test)
                self.fault = None if killed.is_set() else error
                return
            self.state.update(effect.after)
            self.under_way = None
            self.acknowledged[name] = self.acknowledged.get(name, 0) + 1
            self.progress.release()

    # -- ways to write; each gives what it is to change, and how

    def query(self, sql: str) -> None:
        self.client.query_and_wait(sql, retry=None, job_retry=None, api_timeout=30)

    def finish(self, job: Any) -> None:
        while not job.done(**ONCE):
            pass
        if job.error_result:
            raise BadRequest(job.error_result["message"])

    def rows(self, number: int) -> list[dict[str, int]]:
        return [{"batch": number, "item": item, "state": 0} for item in range(ITEMS)]

    def mine(self, table: str, choice: random.Random) -> int | None:
        """Give a batch of this writer's own that is there."""
        found = [n for (where, n), value in self.state.items() if where == table and value and self.first <= n]
        found = [n for n in found if n < self.first + 100_000]
        return choice.choice(found) if found else None

    def append(self, stream: str, number: int) -> None:
        batch = pa.RecordBatch.from_pylist(self.rows(number), schema=SCHEMA)
        request = types.AppendRowsRequest(write_stream=stream)
        request.arrow_rows.writer_schema.serialized_schema = SCHEMA.serialize().to_pybytes()
        request.arrow_rows.rows.serialized_record_batch = batch.serialize().to_pybytes()
        for answer in self.storage.append_rows(iter([request]), timeout=30, retry=None):
            if answer.error.code:
                raise BadRequest(answer.error.message)

    def stream(self, kind: Any) -> str:
        made = self.storage.create_write_stream(parent=TABLE, write_stream=types.WriteStream(type_=kind), **ONCE)
        return str(made.name)


TABLE = "projects/athena/datasets/d/tables/t"
Way = Callable[[Writer, int, random.Random], tuple[Effect, Callable[[], object]]]
_WAYS: dict[str, Way] = {}


def way(make: Way) -> Way:
    _WAYS[make.__name__.strip("_")] = make
    return make


def added(*keys: Key) -> Effect:
    return Effect(dict.fromkeys(keys), dict.fromkeys(keys, FULL))


def source(number: int) -> str:
    return f"SELECT {number} AS batch, item, 0 AS state FROM UNNEST(GENERATE_ARRAY(0, {ITEMS - 1})) AS item"


@way
def _insert(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    values = ", ".join(f"({number}, {item}, 0)" for item in range(ITEMS))
    return added(("t", number)), lambda: writer.query(f"INSERT INTO d.t (batch, item, state) VALUES {values}")


@way
def _select(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    return added(("t", number)), lambda: writer.query(f"INSERT INTO d.t (batch, item, state) {source(number)}")


@way
def _merge(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    sql = (
        f"MERGE d.t t USING ({source(number)}) s ON t.batch = s.batch AND t.item = s.item"
        " WHEN NOT MATCHED THEN INSERT (batch, item, state) VALUES (s.batch, s.item, s.state)"
    )
    return added(("t", number)), lambda: writer.query(sql)


@way
def _update(writer: Writer, number: int, choice: random.Random) -> tuple[Effect, Callable[[], object]]:
    batch = writer.mine("t", choice)
    if batch is None:
        return _insert(writer, number, choice)
    effect = Effect({("t", batch): writer.state["t", batch]}, {("t", batch): (ITEMS, number)})
    return effect, lambda: writer.query(f"UPDATE d.t SET state = {number} WHERE batch = {batch}")


@way
def _delete(writer: Writer, number: int, choice: random.Random) -> tuple[Effect, Callable[[], object]]:
    batch = writer.mine("t", choice)
    if batch is None:
        return _insert(writer, number, choice)
    effect = Effect({("t", batch): writer.state["t", batch]}, {("t", batch): None})
    return effect, lambda: writer.query(f"DELETE FROM d.t WHERE batch = {batch}")


@way
def _insert_all(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    def write() -> None:
        faults = writer.client.insert_rows_json("athena.d.t", writer.rows(number), **ONCE)
        assert faults == []

    return added(("t", number)), write


@way
def _load(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    config = bigquery.LoadJobConfig(write_disposition="WRITE_APPEND", source_format="NEWLINE_DELIMITED_JSON")
    file = io.BytesIO("\n".join(json.dumps(row) for row in writer.rows(number)).encode())

    def write() -> None:
        writer.finish(
            writer.client.load_table_from_file(file, "athena.d.t", job_config=config, num_retries=0, timeout=30)
        )

    return added(("t", number)), write


@way
def _default(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    return added(("t", number)), lambda: writer.append(f"{TABLE}/streams/_default", number)


@way
def _committed(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    return added(("t", number)), lambda: writer.append(writer.stream(KIND.COMMITTED), number)


@way
def _pending(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    """Two streams, committed together."""

    def write() -> None:
        names = [writer.stream(KIND.PENDING), writer.stream(KIND.PENDING)]
        for name, batch in zip(names, (number, number + 50_000_000), strict=True):
            writer.append(name, batch)
            writer.storage.finalize_write_stream(name=name, **ONCE)
        request = types.BatchCommitWriteStreamsRequest(parent=TABLE, write_streams=names)
        answer = writer.storage.batch_commit_write_streams(request=request, **ONCE)
        assert not answer.stream_errors

    return added(("t", number), ("t", number + 50_000_000)), write


@way
def _script(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    """Two tables in one transaction, and a variable."""
    sql = (
        f"DECLARE wanted INT64 DEFAULT {number}; BEGIN TRANSACTION;"
        f" INSERT INTO d.t (batch, item, state) SELECT wanted, item, state FROM ({source(number)});"
        f" INSERT INTO d.u (batch, item, state) SELECT wanted, item, state FROM ({source(number)});"
        " COMMIT TRANSACTION;"
    )
    return added(("t", number), ("u", number)), lambda: writer.query(sql)


@way
def _create(writer: Writer, number: int, _: random.Random) -> tuple[Effect, Callable[[], object]]:
    return added((f"m{number}", number)), lambda: writer.query(f"CREATE TABLE d.m{number} AS {source(number)}")


@way
def _copy(writer: Writer, number: int, choice: random.Random) -> tuple[Effect, Callable[[], object]]:
    made = _made(writer, choice)
    if made is None:
        return _create(writer, number, choice)
    target = f"m{number}"
    effect = Effect({(target, made): None}, {(target, made): writer.state[f"m{made}", made]})
    return effect, lambda: writer.finish(
        writer.client.copy_table(f"athena.d.m{made}", f"athena.d.{target}", retry=None, timeout=30)
    )


@way
def _drop(writer: Writer, number: int, choice: random.Random) -> tuple[Effect, Callable[[], object]]:
    made = _made(writer, choice)
    if made is None:
        return _create(writer, number, choice)
    effect = Effect({(f"m{made}", made): writer.state[f"m{made}", made]}, {(f"m{made}", made): None})
    return effect, lambda: writer.query(f"DROP TABLE d.m{made}")


def _made(writer: Writer, choice: random.Random) -> int | None:
    """Give the number of a table that this writer made itself and that is still there."""
    found = [n for (where, n), value in writer.state.items() if value and where == f"m{n}"]
    found = [n for n in found if writer.first <= n < writer.first + 100_000]
    return choice.choice(found) if found else None


# -- what is there


def present(client: bigquery.Client, tables: set[str]) -> Iterator[tuple[Key, Value]]:
    """Give what is stored in `t`, `u` and the named tables that exist."""
    there = {item.table_id for item in client.list_tables("d")}
    wanted = sorted(({"t", "u"} | tables) & there)
    parts = [f"SELECT '{name}' AS name, batch, state FROM d.{name}" for name in wanted]
    sql = (
        "SELECT name, batch, COUNT(*) AS n, MIN(state) AS low, MAX(state) AS high"
        f" FROM ({' UNION ALL '.join(parts)}) GROUP BY name, batch"
    )
    for row in client.query_and_wait(sql):
        assert row.low == row.high, f"half a statement: {dict(row)}"
        yield (row.name, row.batch), (row.n, row.low)
