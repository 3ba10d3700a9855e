"""Redirection of a notebook's tables: what is changed, what never is, and that lineage reads the same afterwards."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
import pytest

from athena_lab.gateway_api.worker import PREPARATION_TAG
from athena_lab.jobs.redirection import Redirection, preparation, redirect

TABLES = {
    "ds.t": "_rehearsal_1.ds__t",
    "ds.u": "_rehearsal_1.ds__u",
    "ds.my-t": "_rehearsal_1.ds__my-t",
    "ds.day_1": "_rehearsal_1.ds__day_1",
}
CLIENT = "from google.cloud import bigquery\nclient = bigquery.Client()\n"


def notebook_of(*sources: str, parameters: int | None = None) -> dict[str, Any]:
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    if parameters is not None:
        cells[parameters]["metadata"] = {"tags": ["parameters"]}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def redirected(*sources: str, parameters: int | None = None) -> tuple[list[str], Redirection]:
    found = redirect(notebook_of(*sources, parameters=parameters), TABLES, project="p")
    return [cell["source"] for cell in found.notebook["cells"]], found


def short(text: str) -> str:
    """Write a scratch table as `S.table`, so that pairs can be read."""
    return text.replace("_rehearsal_1.ds__", "S.").replace("_rehearsal_1", "S").replace("ds__", "s_")


# -- SQL: (before, after), `S.` for the scratch dataset's tables

SQL = [
    ("INSERT INTO ds.t (a) SELECT 1 AS a", "INSERT INTO S.t (a) SELECT 1 AS a"),
    ("TRUNCATE TABLE `p.ds.t`", "TRUNCATE TABLE `p.S.t`"),
    ("DROP TABLE IF EXISTS ds.t", "DROP TABLE IF EXISTS S.t"),
    ("INSERT INTO ds.`my-t` (a) SELECT 1 AS a", "INSERT INTO S.`s_my-t` (a) SELECT 1 AS a"),
    ("SELECT x FROM `p`.ds.`t` JOIN ds . u USING (x)", "SELECT x FROM `p`.S.`s_t` JOIN S . s_u USING (x)"),
    ("INSERT INTO ds.t$20240101 (a) SELECT 1 AS a", "INSERT INTO S.t$20240101 (a) SELECT 1 AS a"),
    # comments, strings, columns and aliases
    (
        'SELECT \'ds.t\' AS a, """ds.t""" AS b /* ds.t */ FROM ds.t -- ds.t',
        'SELECT \'ds.t\' AS a, """ds.t""" AS b /* ds.t */ FROM S.t -- ds.t',
    ),
    ("SELECT ds.t, ds.u.v FROM q.ds", "SELECT ds.t, ds.u.v FROM q.ds"),
    ("SELECT ds.t FROM ds.u AS ds", "SELECT ds.t FROM S.u AS ds"),
    # qualifiers
    ("SELECT t.x FROM ds.t", "SELECT t.x FROM S.t AS t"),
    ("SELECT ds.t.x, t.y FROM ds.t WHERE p.ds.t.z > 1", "SELECT t.x, t.y FROM S.t AS t WHERE t.z > 1"),
    ("SELECT TO_JSON_STRING(t) AS j FROM ds.t", "SELECT TO_JSON_STRING(t) AS j FROM S.t AS t"),
    ("SELECT i.a FROM ds.t, UNNEST(t.items) AS i", "SELECT i.a FROM S.t AS t, UNNEST(t.items) AS i"),
    (
        "INSERT INTO ds.t (x) SELECT t.x FROM ds.t JOIN ds.u AS o ON o.x = t.x",
        "INSERT INTO S.t (x) SELECT t.x FROM S.t AS t JOIN S.u AS o ON o.x = t.x",
    ),
    ("UPDATE ds.t SET x = t.x + 1 WHERE t.y > 1", "UPDATE S.t AS t SET x = t.x + 1 WHERE t.y > 1"),
    ("DELETE FROM ds.t WHERE t.x = 1", "DELETE FROM S.t AS t WHERE t.x = 1"),
    (
        "MERGE ds.t USING ds.u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.b",
        "MERGE S.t AS t USING S.u AS u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.b",
    ),
    (
        "MERGE INTO ds.t d USING (SELECT a FROM ds.u) AS s ON d.a = s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
        "MERGE INTO S.t d USING (SELECT a FROM S.u) AS s ON d.a = s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
    ),
    (
        "SELECT 1 AS a FROM ds.u WHERE EXISTS (SELECT 1 FROM ds.t WHERE t.id = u.id)",
        "SELECT 1 AS a FROM S.u AS u WHERE EXISTS (SELECT 1 FROM S.t AS t WHERE t.id = u.id)",
    ),
    (
        "SELECT * FROM ds.t TABLESAMPLE SYSTEM (10 PERCENT) WHERE t.x > 1",
        "SELECT * FROM S.t AS t TABLESAMPLE SYSTEM (10 PERCENT) WHERE t.x > 1",
    ),
    # names of the same word that mean another thing
    ("WITH u AS (SELECT x FROM ds.t) SELECT x FROM u", "WITH u AS (SELECT x FROM S.t) SELECT x FROM u"),
    (
        "CREATE TEMP TABLE u AS SELECT x FROM ds.t; INSERT INTO u (x) SELECT 1 AS x; SELECT x FROM _SESSION.u",
        "CREATE TEMP TABLE u AS SELECT x FROM S.t; INSERT INTO u (x) SELECT 1 AS x; SELECT x FROM _SESSION.u",
    ),
    (
        "SELECT * FROM ds.INFORMATION_SCHEMA.TABLES WHERE table_name = 't'",
        "SELECT * FROM ds.INFORMATION_SCHEMA.TABLES WHERE table_name = 't'",
    ),
    ("INSERT INTO `other.ds.t` (a) SELECT 1 AS a", "INSERT INTO `other.ds.t` (a) SELECT 1 AS a"),
    # DDL and scripts
    (
        "CREATE OR REPLACE TABLE ds.t PARTITION BY d OPTIONS (description = 'ds.t') AS SELECT d FROM ds.u",
        "CREATE OR REPLACE TABLE S.t PARTITION BY d OPTIONS (description = 'ds.t') AS SELECT d FROM S.u",
    ),
    ("CREATE TABLE ds.t CLONE ds.u", "CREATE TABLE S.t CLONE S.u"),
    ("ALTER TABLE ds.t RENAME TO u", "ALTER TABLE S.t RENAME TO s_u"),
    ("EXPORT DATA OPTIONS (uri = 'gs://ds.t/*') AS SELECT 1", "EXPORT DATA OPTIONS (uri = 'gs://ds.t/*') AS SELECT 1"),
    (
        "EXECUTE IMMEDIATE \"INSERT INTO ds.t (a) SELECT t.a FROM ds.t WHERE b = 'ds.t'\"",
        "EXECUTE IMMEDIATE \"INSERT INTO S.t (a) SELECT t.a FROM S.t AS t WHERE b = 'ds.t'\"",
    ),
    (
        "DECLARE n INT64 DEFAULT (SELECT MAX(n) FROM ds.t); IF n > 0 THEN TRUNCATE TABLE ds.t; END IF",
        "DECLARE n INT64 DEFAULT (SELECT MAX(n) FROM S.t); IF n > 0 THEN TRUNCATE TABLE S.t; END IF",
    ),
    (
        "DECLARE q, r STRING; SET q = 'TRUNCATE TABLE ds.t'; SET r = q || ''; EXECUTE IMMEDIATE r",
        "DECLARE q, r STRING; SET q = 'TRUNCATE TABLE S.t'; SET r = q || ''; EXECUTE IMMEDIATE r",
    ),
    (
        "DECLARE n STRING DEFAULT 't'; EXECUTE IMMEDIATE CONCAT('TRUNCATE TABLE ds.', n); SELECT n",
        "DECLARE n STRING DEFAULT 't'; EXECUTE IMMEDIATE CONCAT('TRUNCATE TABLE S.', n); SELECT n",
    ),
    (
        "BEGIN INSERT INTO ds.t (a) SELECT 1 AS a; EXCEPTION WHEN ERROR THEN TRUNCATE TABLE ds.u; END",
        "BEGIN INSERT INTO S.t (a) SELECT 1 AS a; EXCEPTION WHEN ERROR THEN TRUNCATE TABLE S.u; END",
    ),
]


@pytest.mark.parametrize(("before", "after"), SQL)
def test_sql_names_the_other_tables_and_nothing_else_changes(before, after):
    (source,), found = redirected(f"%%athena\n{before}")
    assert short(source) == f"%%athena\n{after}"
    assert not found.missed
    assert not found.stale


LEFT = [
    ("ALTER TABLE ds.t RENAME TO nobody_maps_this", "missed"),
    ("DECLARE q STRING DEFAULT 'TRUNCATE TABLE ds.t'; SELECT q; EXECUTE IMMEDIATE q", "missed"),
    ("DECLARE q STRING; SET q = 'ds.t'; EXECUTE IMMEDIATE FORMAT('TRUNCATE TABLE %s', q) USING q", "missed"),
    ("DECLARE q STRING DEFAULT 'ds.t'; EXECUTE IMMEDIATE FORMAT('DELETE FROM %s WHERE \\'%s\\' = a', q, q)", "missed"),
    ("SET @@dataset_id = 'ds'; TRUNCATE TABLE t", "missed"),
    ("SELECT x FROM `ds.day_*`", "missed"),
    ("SELECT x FROM ds.t FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01'", "stale"),
]


@pytest.mark.parametrize(("sql", "where"), LEFT)
def test_sql_that_cannot_be_changed_is_told(sql, where):
    (source,), found = redirected(f"%%athena\n{sql}")
    assert source == f"%%athena\n{sql}"
    assert found.changed == 0
    assert [item.cell for item in getattr(found, where)] == [0]


# -- Python: (before, after), each after CLIENT

PYTHON = [
    (
        "client.load_table_from_dataframe(df, 'ds.t').result()\nprint('wrote ds.t')",
        "client.load_table_from_dataframe(df, 'S.t').result()\nprint('wrote ds.t')",
    ),
    ("df.to_gbq('ds.t', project_id='p')", "df.to_gbq('S.t', project_id='p')"),
    ("client.create_table(bigquery.Table('p.ds.t'))", "client.create_table(bigquery.Table('p.S.t'))"),
    (
        "client.query('SELECT a FROM ds.u', bigquery.QueryJobConfig(destination='p.ds.t', labels={'a': 'ds.t'}))",
        "client.query('SELECT a FROM S.u', bigquery.QueryJobConfig(destination='p.S.t', labels={'a': 'ds.t'}))",
    ),
    (
        "client.delete_table(client.dataset('ds').table('t'))",
        "client.delete_table(client.dataset('S').table('s_t'))",
    ),
    (
        "client.delete_table(bigquery.TableReference(bigquery.DatasetReference('p', 'ds'), 't'))",
        "client.delete_table(bigquery.TableReference(bigquery.DatasetReference('p', 'S'), 's_t'))",
    ),
    (
        "client.delete_table({'projectId': 'p', 'datasetId': 'ds', 'tableId': 't'})",
        "client.delete_table({'projectId': 'p', 'datasetId': 'S', 'tableId': 's_t'})",
    ),
    (
        "client.query(f\"INSERT INTO ds.t (a) SELECT t.a FROM ds.t WHERE d = '{day}' AND e = 'ds.t'\")",
        "client.query(f\"INSERT INTO S.t (a) SELECT t.a FROM S.t AS t WHERE d = '{day}' AND e = 'ds.t'\")",
    ),
    ("client.query('TRUNCATE\\nTABLE\\tds.t')", "client.query('TRUNCATE\\nTABLE\\tS.t')"),
    (
        "for d, t in [('ds', 't'), ('ds', 'u')]:\n    client.query(f'TRUNCATE TABLE {d}.{t}')",
        "for d, t in [('S', 's_t'), ('S', 's_u')]:\n    client.query(f'TRUNCATE TABLE {d}.{t}')",
    ),
    # constants
    (
        "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nprint(f'wrote {T}')\nassert ok, f'no {T}'",
        "T = 'S.t'\nclient.query(f'TRUNCATE TABLE {T}')\nprint(f'wrote {T}')\nassert ok, f'no {T}'",
    ),
    (
        "D = 'ds'\nT = f'p.{D}.t'\nclient.query(f'TRUNCATE TABLE `{T}`')\nclient.create_dataset(D)",
        "D = 'ds'\nT = f'p.S.t'\nclient.query(f'TRUNCATE TABLE `{T}`')\nclient.create_dataset(D)",
    ),
    ("D, T = 'ds', 't'\nclient.delete_table('{}.{}'.format(D, T))", "D, T = 'ds', 't'\nclient.delete_table('S.t')"),
    (
        "D = 'ds'\nclient.query('DELETE FROM ' + D + \".t WHERE d = '\" + day + \"'\")",
        "D = 'ds'\nclient.query(\"DELETE FROM S.t WHERE d = '\" + day + \"'\")",
    ),
    ("D = 'ds'\nclient.query('TRUNCATE TABLE %s.t' % D)  # ü", "D = 'ds'\nclient.query('TRUNCATE TABLE S.t')  # ü"),
    (
        "%matplotlib inline\nD = 'ds'\nclient.query('TRUNCATE TABLE ' + D + '.t')",
        "%matplotlib inline\nD = 'ds'\nclient.query('TRUNCATE TABLE S.t')",
    ),
    (
        "for t in ['ds.t', 'ds.u']:\n    client.query(f'TRUNCATE TABLE {t}')",
        "for t in ['S.t', 'S.u']:\n    client.query(f'TRUNCATE TABLE {t}')",
    ),
    (
        "for t in ['t', 'u']:\n    client.query(f'INSERT INTO `p.ds.{t}` (a) SELECT a FROM ds.{t}')\n    open(t)",
        "for t in ['t', 'u']:\n    client.query(f'INSERT INTO `p.S.{t}` (a) SELECT a FROM S.{t}')\n    open(t)",
    ),
    (
        "D = 'ds'\nfor n in [1]:\n    client.query(f'DROP TABLE {D}.day_{n}')",
        "D = 'ds'\nfor n in [1]:\n    client.query(f'DROP TABLE S.day_{n}')",
    ),
    (
        "for n in [1]:\n    client.delete_table('ds.day_' + str(n))",
        "for n in [1]:\n    client.delete_table('S.day_' + str(n))",
    ),
    (
        "def write(df, name):\n    df.to_gbq('ds.{}'.format(name))\nwrite(df, 't')\nwrite(df, name='u')",
        "def write(df, name):\n    df.to_gbq('S.{}'.format(name))\nwrite(df, 't')\nwrite(df, name='u')",
    ),
    (
        "SQL = {'one': 'TRUNCATE TABLE ds.t'}\nfor name, sql in SQL.items():\n    client.query(sql)",
        "SQL = {'one': 'TRUNCATE TABLE S.t'}\nfor name, sql in SQL.items():\n    client.query(sql)",
    ),
    (
        "def load(df, to='ds.t'):\n    client.load_table_from_dataframe(df, to)\nload(df)\nload(df, to='ds.u')",
        "def load(df, to='S.t'):\n    client.load_table_from_dataframe(df, to)\nload(df)\nload(df, to='S.u')",
    ),
    (
        "class Config:\n    TABLE = 'ds.t'\nclient.query(f'TRUNCATE TABLE {Config.TABLE}')",
        "class Config:\n    TABLE = 'S.t'\nclient.query(f'TRUNCATE TABLE {Config.TABLE}')",
    ),
    (
        "def sql():\n    return 'TRUNCATE TABLE ds.t'\nclient.query(sql())",
        "def sql():\n    return 'TRUNCATE TABLE S.t'\nclient.query(sql())",
    ),
]


@pytest.mark.parametrize(("before", "after"), PYTHON)
def test_python_names_the_other_tables_where_that_changes_nothing_else(before, after):
    (source,), found = redirected(CLIENT + before)
    assert short(source) == CLIENT + after
    assert not found.missed
    assert not found.stale


OTHERWISE_USED = [
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nif T == 'ds.t':\n    pass",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nopen(T + '.csv')",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nname = T.split('.')[1]",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nsizes[T] = 1",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\n!echo {T}",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nexec('x = T')",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nimport os\nos.environ['T'] = T",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nclient.query(f\"SELECT '{T}' AS name\")",
    "T = 'ds.t'\nclient.query(f'TRUNCATE TABLE {T}')\nclient.query(f'SELECT {T:>9} AS a')",
    "T = 'ds.t'\ndf['source'] = T\nclient.load_table_from_dataframe(df, T)",
    "T = 'ds.t'\nclient.insert_rows_json(T, [{'table': T}])",
    "T = 'ds.t'\nclient.query(f'SELECT t.x FROM {T}')\nclient.query(f'TRUNCATE TABLE {T}')",
    "SQL = 'INSERT INTO ds.t (a) SELECT a FROM raw.a'\nclient.query(SQL)\nimport duckdb\nduckdb.query(SQL)",
    "SQL = 'TRUNCATE TABLE ds.t'\nclient.query(SQL)\nimport hashlib\nkey = hashlib.sha256(SQL.encode())",
    "class Config:\n    TABLE = 'ds.t'\nclient.query(f'TRUNCATE TABLE {Config.TABLE}')\nopen(Config.TABLE)",
    "ref = bigquery.Table('ds.t')\nclient.delete_table(ref)\npath = ref.table_id + '.csv'",
    "for t in ['t', 'other']:\n    client.query(f'TRUNCATE TABLE ds.{t}')",
    "for t in ['t', name]:\n    client.query(f'TRUNCATE TABLE ds.{t}')",
    "for t in ['t', 'u']:\n    name = f'ds.{t}'\n    client.delete_table(name)\n    open(name)",
    "for D in ['ds', 'other']:\n    client.query(f'TRUNCATE TABLE {D}.t')",
    "for d, t in [('ds', 't')]:\n    client.query(f'TRUNCATE TABLE {d}.{t}')\n    open(d)",
    "dataset = client.dataset('ds')\nclient.delete_table(dataset.table('t'))",
]


@pytest.mark.parametrize("source", OTHERWISE_USED)
def test_literal_that_is_used_otherwise_stays_and_its_writes_are_told(source):
    (after,), found = redirected(CLIENT + source)
    assert after == CLIENT + source
    assert {item.cell for item in found.missed} == {0}


def test_constant_that_a_run_may_change_is_not_followed():
    sources, found = redirected("D = 'ds'", CLIENT + "client.query(f'TRUNCATE TABLE {D}.t')", parameters=0)
    assert sources == ["D = 'ds'", CLIENT + "client.query(f'TRUNCATE TABLE {D}.t')"]
    assert found.changed == 0


def test_constant_within_an_fstring_is_used_there():
    source = f"{CLIENT}D, N = 'ds', 't'\nclient.delete_table(client.dataset(D).table(N))\nopen(f'{{D}}.{{x}}')"
    (after,), found = redirected(source)
    assert after == source
    assert [item.cell for item in found.missed] == [0]


def test_parameter_of_a_query_is_a_use_as_a_value():
    cells = ("T = 'ds.t'", "%%athena\nSELECT @T AS name", "client.query(f'TRUNCATE TABLE {T}')")
    sources, found = redirected(*cells)
    assert sources == list(cells)
    assert [item.cell for item in found.missed] == [2]


def test_lines_of_magics_are_redirected():
    sources, found = redirected(
        "T = 'ds.t'",
        "%%athena name --into ds.t --mode append\nSELECT a FROM ds.u",
        "%%bigquery df --destination_table ds.t\nSELECT t.x FROM ds.t",
        "%%bigquery --destination_table $T\nSELECT 1 AS a",
        "q = 'TRUNCATE TABLE ds.u'",
        "%%bigquery\n$q",
        "%%time\n%%athena\nTRUNCATE TABLE ds.t",
        "%%time\nclient.query('TRUNCATE TABLE ds.t')",
    )
    assert [short(source) for source in sources] == [
        "T = 'S.t'",
        "%%athena name --into S.t --mode append\nSELECT a FROM S.u",
        "%%bigquery df --destination_table S.t\nSELECT t.x FROM S.t AS t",
        "%%bigquery --destination_table $T\nSELECT 1 AS a",
        "q = 'TRUNCATE TABLE S.u'",
        "%%bigquery\n$q",
        "%%time\n%%athena\nTRUNCATE TABLE S.t",
        "%%time\nclient.query('TRUNCATE TABLE S.t')",
    ]
    assert found.changed == 8
    assert not found.missed


def test_result_of_an_earlier_cell_is_no_table():
    sources, _ = redirected("%%athena t\nSELECT x FROM ds.t", "%%athena --into ds.u\nSELECT t.x FROM t")
    assert [short(source) for source in sources] == [
        "%%athena t\nSELECT x FROM S.t",
        "%%athena --into S.u\nSELECT t.x FROM t",
    ]


def test_given_notebook_stays_and_the_other_keeps_its_form():
    given = notebook_of("%%athena\nTRUNCATE TABLE ds.t")
    given["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "fills ds.t"})
    given["cells"][1]["source"] = ["%%athena\n", "TRUNCATE TABLE ds.t"]
    before = copy.deepcopy(given)
    found = redirect(given, TABLES, project="p")
    assert given == before
    assert found.notebook["cells"][0] == given["cells"][0]
    assert found.notebook["cells"][1]["source"] == ["%%athena\n", "TRUNCATE TABLE _rehearsal_1.ds__t"]
    found.notebook["cells"].clear()
    assert len(given["cells"]) == 2


def test_cells_of_what_is_missed_are_numbered_among_the_code_cells():
    given = notebook_of("x = 1", CLIENT + "for t in ['ds.t', 'ds.u']:\n    client.delete_table(t)\n    open(t)")
    given["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "fills ds.t"})
    found = redirect(given, TABLES, project="p")
    assert [item.cell for item in found.missed] == [1, 1]
    assert ["ds.t" in item.text for item in found.missed] == [True, False]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "%%athena",
        "%%athena\n",
        "%%athena\nSELECT FROM WHERE ds.t",
        "x = (",
        "%%bash\nbq rm ds.t",
        "'ds.t",
        "%%time",
    ],
)
def test_cell_that_says_nothing_to_lineage_stays(source):
    (after, other), found = redirected(source, "%%athena\nTRUNCATE TABLE ds.t")
    assert after == source
    assert short(other) == "%%athena\nTRUNCATE TABLE S.t"
    assert found.changed == 1


def test_statement_that_would_read_otherwise_does_not_keep_others_from_being_changed():
    sql = "INSERT INTO ds.u (v) SELECT a-ds.t.x AS v FROM ds.t"  # the minus sign makes `a-ds` look like a project
    (source,), found = redirected(f"%%athena\nTRUNCATE TABLE ds.t;\n{sql}")
    assert short(source).startswith("%%athena\nTRUNCATE TABLE S.t;\nINSERT INTO S.u")
    assert source.endswith("SELECT a-ds.t.x AS v FROM ds.t")
    assert [item.text for item in found.stale] == [f"ds.t: {sql}".replace("ds.u", "_rehearsal_1.ds__u")]


# -- the preparation


def test_preparation_makes_the_dataset_and_copies_what_exists():
    cell = preparation(TABLES, {"ds.t", "ds.my-t", "ds.other"}, "_rehearsal_1")
    assert cell["metadata"] == {"tags": [PREPARATION_TAG]}
    lines = [line.strip() for line in cell["source"].splitlines()]
    assert lines[0] == "%%athena"
    assert [line for line in lines if line.startswith("CREATE")] == [
        "CREATE SCHEMA IF NOT EXISTS `_rehearsal_1` OPTIONS (default_table_expiration_days = 1);",
        "CREATE TABLE IF NOT EXISTS `_rehearsal_1.ds__my-t` CLONE `ds.my-t`;",
        "CREATE TABLE IF NOT EXISTS `_rehearsal_1.ds__my-t` LIKE `ds.my-t`;",
        "CREATE TABLE IF NOT EXISTS `_rehearsal_1.ds__t` CLONE `ds.t`;",
        "CREATE TABLE IF NOT EXISTS `_rehearsal_1.ds__t` LIKE `ds.t`;",
        "CREATE TABLE IF NOT EXISTS `_rehearsal_1.__preparation` AS",
    ]
    notebook = notebook_of()
    notebook["cells"] = [cell]
    nbformat.validate(nbformat.from_dict(notebook))
