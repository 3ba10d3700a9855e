"""Redirection over the corpora: for lineage, sqlglot's trees and the emulator nothing but the tables' names differs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from google.cloud import bigquery
from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.jobs.redirection import preparation, redirect
from athena_lab.warehouse.lineage import sightings_of_notebook
from athena_lab.warehouse.lineage.script import steps_of
from bench.corpus_lineage import _cell, read_cases
from bench.corpus_slices import read_corpus
from tests.warehouse.corpus_emulator import corpus_client

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance" / "recorded.jsonl"


def cell_of(sql: str) -> dict[str, Any]:
    return {"cells": [_cell(f"%%athena\n{sql}")]}


def corpus() -> Iterator[tuple[str, dict[str, Any]]]:
    for case in read_cases():
        texts = [f"%%athena\n{case['sql']}"] if "sql" in case else [case.get("python")]
        cells = case.get("cells", texts)
        yield f"{case['file']}: {case['name']}", {"cells": [_cell(item) for item in cells]}
    for notebook in read_corpus():
        yield f"slices: {notebook.title}", {"cells": [_cell(text) for text in notebook.cells]}


@pytest.mark.parametrize("is_every_table", [False, True], ids=["written tables", "every table"])
def test_lineage_of_the_corpora_reads_the_same_but_for_the_names(is_every_table):
    wrong, writes, changed = [], 0, 0
    for title, notebook in corpus():
        before, places = sightings_of_notebook(notebook, projects=("athena",))
        names = {*before.writes, *(before.reads if is_every_table else ())}
        tables = {name: f"_rehearsal_1.{name.replace('.', '__')}" for name in names if name.count(".") == 1}
        back = {new: old for old, new in tables.items()}
        found = redirect(notebook, tables, project="athena")
        after, others = sightings_of_notebook(found.notebook, projects=("athena",))
        left = [item for item in others.places if item.table in tables]
        told = Counter((item.cell, item.text.split(":")[0]) for item in (*found.missed, *found.stale))
        numbers = [at for at, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
        is_same = {back.get(name, name) for name in after.writes} == set(before.writes)
        is_same &= {back.get(name, name) for name in after.reads} == set(before.reads)
        is_same &= len(after.unknown) == len(before.unknown) and len(after.columns) == len(before.columns)
        if not is_same or any((numbers.index(item.cell), item.table) not in told for item in left):
            wrong.append(title)
        count = sum(item.is_write and item.table in tables for item in places.places)
        writes += count
        changed += count - sum(item.is_write for item in left)
    assert not wrong
    assert writes > 150
    assert changed / writes > 0.95


def statements_of() -> Iterator[str]:
    """The SQL of the corpus and, where they are at hand, some of the conformance corpora's."""
    yield from (case["sql"] for case in read_cases() if "sql" in case)
    for line in CONFORMANCE.read_text().splitlines()[::12] if CONFORMANCE.exists() else ():
        case = json.loads(line)
        for text in (one for one in (case["setup"], case["query"]) if len(one) < 4_000):
            yield text.replace("${DATASET}", "ds").replace("${DATASET_ID}", "ds").replace("${PROJECT}", "athena")


def written_trees(sql: str, names: dict[str, str]) -> list[str]:
    """Each statement as sqlglot writes it, its tables renamed in the tree and without an alias that says the same."""
    found = []
    for step in steps_of(sql):
        for tree in sqlglot.parse(step.text, read="bigquery"):
            for table in tree.find_all(exp.Table) if tree is not None else ():
                rename(table, names)
            text = "" if tree is None else tree.sql("bigquery").replace("`", "").lower()
            for new, old in names.items() if isinstance(tree, exp.Command) else ():
                text = text.replace(new, old)
            found.append(text)
    return found


def rename(table: exp.Table, names: dict[str, str]) -> None:
    plain, *partition = table.name.split("$")
    new = names.get(f"{table.db}.{plain}")
    if new is not None:
        table.set("db", exp.to_identifier(new.split(".")[0]))
        table.this.set("this", "$".join([new.split(".")[1], *partition]))
    if table.db and table.alias.lower() == table.name.lower():
        table.set("alias", None)


def test_tree_of_redirected_sql_differs_in_the_tables_alone():
    compared = 0
    for sql in statements_of():
        notebook = cell_of(sql)
        before, _ = sightings_of_notebook(notebook, projects=("athena",))
        tables = {
            name: f"_rehearsal_1.{name.replace('.', '__')}"
            for name in (*before.reads, *before.writes)
            if name.count(".") == 1 and "*" not in name
        }
        found = redirect(notebook, tables, project="athena")
        after = found.notebook["cells"][0]["source"].removeprefix("%%athena\n")
        if not found.changed or "IMMEDIATE" in sql.upper() or "RENAME TO" in sql.upper():
            continue  # texts within texts, and a name without its dataset, have their own tests
        try:
            expected = written_trees(sql, {})
        except SqlglotError:
            continue  # the parser does not know it whole
        assert written_trees(after, {new: old for old, new in tables.items()}) == expected
        compared += 1
    assert compared > 180


# -- the emulator runs what was redirected


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """A client of an emulator that trusts everybody, with the tables that the corpus' statements meet."""
    with corpus_client(tmp_path_factory.mktemp("redirection")) as client:
        client.query_and_wait("INSERT INTO shop.tree (id, parent, label) VALUES (1, NULL, 'a'), (2, 1, 'b')")
        client.query_and_wait("INSERT INTO shop.customers (id, name, country) VALUES (1, 'Ann', 'NL'), (2, 'Bo', 'DE')")
        client.query_and_wait("INSERT INTO mart.people (id, name, orders) VALUES (1, 'x', 7), (3, 'y', 8)")
        yield client


def rows_of(client: bigquery.Client, table: str) -> list[str]:
    return sorted(repr(dict(row.items())) for row in client.query_and_wait(f"SELECT * FROM `{table}`"))


RUNNABLE = [case["sql"] for case in read_cases() if case["file"] == "runnable.yaml" and case.get("writes")]
QUALIFIED = [
    "UPDATE mart.people SET name = UPPER(people.name) WHERE people.id IN (SELECT customers.id FROM shop.customers)",
    "DELETE FROM mart.people WHERE people.orders > 7",
    "INSERT INTO mart.people (id, orders) SELECT people.id + 10, people.orders FROM mart.people",
    """MERGE mart.people USING shop.customers ON people.id = customers.id
    WHEN MATCHED THEN UPDATE SET name = customers.name
    WHEN NOT MATCHED THEN INSERT (id, name) VALUES (customers.id, customers.name)""",
    "CREATE OR REPLACE TABLE mart.out_q AS SELECT people.* FROM `athena.mart.people` WHERE people.id = 1",
]


@pytest.mark.stack
@pytest.mark.parametrize("sql", [*RUNNABLE, *QUALIFIED])
def test_redirected_statement_does_to_the_copies_what_it_does_to_the_tables(open_client, sql):
    given = cell_of(sql)
    names = sightings_of_notebook(given, projects=("athena",))[0].writes
    dataset = "_rehearsal_1"
    tables = {name: f"{dataset}.{name.replace('.', '__')}" for name in names}
    existing = {
        f"{item.dataset_id}.{item.table_id}" for one in ("shop", "mart") for item in open_client.list_tables(one)
    }
    found = redirect(given, tables, project="athena")
    before = {name: rows_of(open_client, name) for name in names if name in existing}
    open_client.query_and_wait(preparation(tables, existing, dataset)["source"].removeprefix("%%athena\n"))
    open_client.query_and_wait(found.notebook["cells"][0]["source"].removeprefix("%%athena\n"))
    assert not found.missed
    assert {name: rows_of(open_client, name) for name in before} == before
    open_client.query_and_wait(sql)
    assert {name: rows_of(open_client, tables[name]) for name in names} == {
        name: rows_of(open_client, name) for name in names
    }
    open_client.delete_dataset(dataset, delete_contents=True)
