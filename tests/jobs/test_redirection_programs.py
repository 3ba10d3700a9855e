"""Redirected programs are run beside their originals: they ask the same of the warehouse, of other tables alone."""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import random
from typing import Any

import pytest
from google.cloud import bigquery

from athena_lab.jobs.redirection import redirect

TABLES = {"ds.t": "_rehearsal_1.ds__t", "ds.u": "_rehearsal_1.ds__u"}
DEFINITIONS = [
    "T = 'ds.t'",
    "D, N = 'ds', 't'",
    "U = 'p.ds.u'",
    "SQL = 'SELECT t.a FROM ds.t WHERE b = 1'",
    "both = {'out': 'ds.t', 'in': 'ds.u'}",
    "class C:\n    OUT = 'ds.t'\n    IN = 'ds.u'",
    "names, tables, pairs = ['t', 'u'], ['ds.t', 'ds.u'], [('ds', 't'), ('ds', 'u')]",
    "def sql(table, x=1):\n    return f'SELECT a FROM {table} WHERE x = {x}'",
    "def save(frame, name='ds.t'):\n    client.load_table_from_dataframe(frame, name)",
    "ref = bigquery.TableReference.from_string('p.ds.t')",
]
USES = [
    "client.query(f'TRUNCATE TABLE {T}')\nprint(f'emptied {T}')",
    "client.query(f'INSERT INTO {D}.t (a) SELECT t.a FROM {D}.t')",
    "client.query('DELETE FROM ' + D + '.u WHERE true')",
    "client.query('TRUNCATE TABLE {}.{}'.format(D, N))",
    "client.query(SQL)",
    'client.query(f\'INSERT INTO {both["out"]} (a) SELECT a FROM {both["in"]}\')',
    "client.query(f'INSERT INTO {C.OUT} (a) SELECT a FROM {C.IN}')",
    "for n in names:\n    client.query(f'TRUNCATE TABLE ds.{n}')",
    "for n in names:\n    client.query(f'TRUNCATE TABLE {D}.{n}')\n    keep(n)",
    "for n in tables:\n    client.query(f'TRUNCATE TABLE {n}')",
    "for d, n in pairs:\n    client.query(f'TRUNCATE TABLE {d}.{n}')",
    "client.query(sql('ds.t'))\nclient.query(sql(U, x=3))",
    "save(rows)\nsave(rows, name='ds.u')",
    "client.delete_table(ref)",
    "client.delete_table(client.dataset('ds').table('t'))",
    "client.insert_rows_json(U, [{'table': 'ds.u'}])",
]
KEPT = ["keep(T)", "keep(T.split('.'))", "keep(f'{D}/{N}')", "keep(f'{D}.{x}')", "keep(SQL)", "keep(both['in'])",
        "keep(C.IN)", "for n in tables:\n    keep(n)", "for d, n in pairs:\n    keep(d)", "keep(sql(T))",
        "keep(ref.table_id)", "keep({U: 1})",
        "client.query(f\"SELECT '{T}' AS name\")", "rows['table'] = T"]  # fmt: skip
"""Where the text itself matters."""


class Client:
    """Writes down what it is asked for. A program's requests are compared here, not their answers."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self._asked.append(f"{name} {[str(item) for item in given]} {named}")

    def dataset(self, name: str) -> bigquery.DatasetReference:
        return bigquery.DatasetReference("p", name)


def run(program: str) -> tuple[list[str], list[str], str]:
    """Give what a program asks of the client, what it keeps elsewhere, and what it prints."""
    asked: list[str] = []
    kept: list[str] = []
    rows: dict[str, str] = {}
    names = {
        "client": Client(asked),
        "bigquery": bigquery,
        "rows": rows,
        "x": "x",
        "keep": lambda item: kept.append(str(item)),
    }
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, "program", "exec"), names)
    return asked, [*kept, str(rows)], printed.getvalue()


def is_whole(program: str) -> bool:
    """Say whether a program defines every name that it uses."""
    nodes = list(ast.walk(ast.parse(program)))
    known = {*dir(builtins), "client", "bigquery", "rows", "x", "keep"}
    known |= {item.id for item in nodes if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    known |= {item.name for item in nodes if isinstance(item, ast.FunctionDef | ast.ClassDef)}
    known |= {item.arg for item in nodes if isinstance(item, ast.arg)}
    return all(item.id in known for item in nodes if isinstance(item, ast.Name))


def in_old_names(text: str) -> str:
    text = text.replace("_rehearsal_1.ds__", "ds.")
    return text.replace(" AS t", "")


@pytest.mark.parametrize("seed", range(4))
def test_redirected_program_differs_in_the_tables_that_it_asks_for_alone(seed):
    choose, compared = random.Random(seed), 0
    while compared < 8:
        lines = choose.sample(DEFINITIONS, 7) + choose.sample(USES, 4) + choose.sample(KEPT, 2)
        program = "\n".join(lines)
        if not is_whole(program):
            continue
        cell = {"cell_type": "code", "metadata": {}, "source": program}
        found = redirect({"cells": [cell]}, TABLES, project="p")
        if not found.changed:
            continue
        before, after = run(program), run(found.notebook["cells"][0]["source"])
        assert [in_old_names(text) for text in after[0]] == [in_old_names(text) for text in before[0]], program
        assert after[1] == before[1], program
        assert in_old_names(after[2]) == before[2], program
        compared += 1
