"""A rehearsal writes into its scratch dataset and nowhere else, by whatever road; it reads what its owner reads."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from sqlglot import exp

from athena_lab.emulator import alterations, grpc_server, queries
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies import ddl
from athena_lab.emulator.rest import jobs
from athena_lab.emulator.rest.routes import ROUTES
from athena_lab.emulator.sql import parse
from tests.emulator.scratch_roads import (
    CREATES_SCHEMA,
    EVERYWHERE_REFUSED,
    GRPC,
    JOBS,
    REST,
    SCRIPTS,
    STATEMENTS,
    RefusedError,
    Road,
    Stage,
    by_sql,
    is_destructive,
    path_of,
)
from tests.emulator.test_emulator_storage_write import KIND, append, arrow_request, create

ROADS: dict[str, Road] = {
    **{f"SQL {name}": by_sql(text) for name, text in {**STATEMENTS, **SCRIPTS}.items()},
    **{f"job {name}": road for name, road in JOBS.items()}, **REST, **GRPC,
}  # fmt: skip
MAKES_A_DATASET = {"SQL create schema": by_sql(CREATES_SCHEMA), "POST /datasets": REST["POST /datasets"]}


@pytest.fixture(scope="module")
def stage(emulator: Any) -> Iterator[Stage]:
    made = Stage(emulator)
    yield made
    made.leave()


def refused_of(stage: Stage, roads: dict[str, Road], target: str) -> set[str]:
    """Walk roads to a dataset; give which are refused, and check after each that nothing changed."""
    before, refused = stage.world(), set()
    for name, road in roads.items():
        if stage.is_refused(lambda road=road: road(stage.rehearsal, target)):
            refused.add(name)
        assert stage.world() == before, name
    return refused


def test_no_road_leads_a_rehearsal_out_of_its_scratch_dataset(stage: Stage) -> None:
    stage.furnish()
    without = {name: road for name, road in ROADS.items() if name not in MAKES_A_DATASET}
    assert refused_of(stage, without, stage.outside) == set(without)
    assert refused_of(stage, MAKES_A_DATASET, f"{stage.outside}_new") == set(MAKES_A_DATASET)
    assert refused_of(stage, EVERYWHERE_REFUSED, stage.scratch) == set(EVERYWHERE_REFUSED)


@pytest.fixture(scope="module")
def inside(stage: Stage) -> set[str]:
    """Walk every road into the scratch dataset; give the types of the statements that were run."""
    before, is_furnished = stage.world(), False
    for name, road in {**ROADS, **MAKES_A_DATASET}.items():
        if name in MAKES_A_DATASET:
            stage.clear()
        elif not is_furnished:
            stage.furnish()
        assert not stage.is_refused(lambda road=road: road(stage.rehearsal, stage.scratch)), name
        is_furnished = not is_destructive(name)
    assert stage.world() == before
    jobs_done = [stage.rehearsal.rest("GET", f"/jobs/{job_id}") for job_id in stage.rehearsal.job_ids]
    return {job["statistics"]["query"]["statementType"] for job in jobs_done}


def test_every_road_into_the_scratch_dataset_is_open(inside: set[str]) -> None:
    assert inside


# -- nothing is forgotten: the roads above are those that the code has

HARMLESS = {
    "POST /datasets/{dataset}/tables/{table}:getIamPolicy",
    "POST /datasets/{dataset}/tables/{table}:testIamPermissions",
    "POST /jobs/{job}/cancel", "DELETE /jobs/{job}/delete", "DELETE /resumable/upload",
    "GetWriteStream", "FinalizeWriteStream",
}  # fmt: skip
WALKED_ABOVE = {"POST /jobs", "POST /queries", "POST /resumable/upload"}
WALKED_BELOW = {"FlushRows"}


def test_every_route_that_could_write_is_a_road() -> None:
    prefixes = ("/bigquery/v2/projects/{project}", "/v2/projects/{project}/locations/{location}/dataPolicies")
    found = set()
    for path, method in ((route.path, method) for route in ROUTES for method in route.methods - {"GET", "HEAD"}):
        plain = path.removesuffix("/bigquery/v2/projects/{project}/jobs") if "upload" in path else path
        for prefix in prefixes:
            plain = plain.removeprefix(prefix)
        found.add(f"{method} {plain}".strip())
    assert found - HARMLESS - WALKED_ABOVE - set(REST) == set(EVERYWHERE_REFUSED) & found
    assert set(REST) <= found


def test_every_method_of_storage_write_and_every_kind_of_job_is_a_road() -> None:
    methods = grpc_server._write_handlers(grpc_server.StorageWrite(None), None)
    assert set(methods) - HARMLESS - WALKED_BELOW == set(GRPC)
    tree = ast.parse(inspect.getsource(jobs.insert))
    kinds = {
        node.left.value for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In) and isinstance(node.left, ast.Constant)
    }  # fmt: skip
    assert kinds - set(JOBS) == set(EVERYWHERE_REFUSED) & kinds == {"extract"}


def test_every_type_of_statement_is_a_road(inside: set[str]) -> None:
    read = [tree for tree in (_parsed(text) for text in (*STATEMENTS.values(), CREATES_SCHEMA)) if tree is not None]
    assert set(parse._KNOWN) - {type(tree) for tree in read} == {exp.Query, exp.Export}
    actions = {type(action) for tree in read if isinstance(tree, exp.Alter) for action in tree.args["actions"]}
    assert {name.partition(".")[2] for name in _names(alterations._apply)} == {kind.__name__ for kind in actions}
    planned = _texts(queries.Queries, "Planned") | _returned(queries._create_type) | _keys(ddl.PolicyStatements.plan)
    assert planned - inside - {"SELECT", "CALL", "CREATE_SCHEMA"} == set(EVERYWHERE_REFUSED) & planned - inside


def _parsed(text: str) -> exp.Expression | None:
    try:
        return parse.parse_statement(text.format(d="d", n="n"))
    except BigQueryError:
        return None  # one that sqlglot's grammar has not: policies, grants, procedures


def _names(function: Any) -> set[str]:
    """Give the expressions by which a function's table is looked up."""
    found = (node for node in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(node, ast.Dict))
    return {ast.unparse(key) for node in found for key in node.keys if key is not None}


def _keys(method: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    return {key.value for node in found for key in node.keys if isinstance(key, ast.Constant)}


def _texts(thing: Any, callee: str) -> set[str]:
    """Give the constants with which something is called first."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(thing))) if isinstance(node, ast.Call)]
    first = [node.args[0] for node in calls if ast.unparse(node.func) == callee and node.args]
    return {node.value for node in first if isinstance(node, ast.Constant)}


def _returned(function: Any) -> set[str]:
    found = (node for node in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(node, ast.Return))
    constants = (node for one in found for node in ast.walk(one) if isinstance(node, ast.Constant))
    return {node.value for node in constants if str(node.value).startswith("CREATE_") and not node.value.endswith("_")}


# -- what a text says does not matter

TRICKS = (
    "INSERT INTO `athena.{o}.t` VALUES (2, 'x')", "INSERT INTO `athena`.`{o}`.`t` VALUES (2, 'x')",
    "INSERT INTO `{o}.t` VALUES (2, 'x')", "insert /* {s} */ {o} . t -- {s}\nvalues (2, 'x')",
    "INSERT INTO `{o}`.`t$20260101` VALUES (2, 'x')", "INSERT INTO {o}.w VALUES (2)",
    "INSERT INTO `{o}.t*` VALUES (2, 'x')", "DELETE {o}.t AS {s} WHERE {s}.id = 1",
    "UPDATE {o}.t AS t SET word = 'x' FROM {s}.t AS u WHERE t.id = u.id", "CREATE TABLE {o}.`{s}` (id INT64)",
    "CREATE TABLE {upper}.n (id INT64)", "CREATE TABLE {s}_.n (id INT64)", "CREATE SCHEMA {upper}",
    "CREATE SCHEMA {s}_",
    "CREATE TEMP TABLE t AS SELECT 2 AS id, 'x' AS word; INSERT INTO {o}.t SELECT * FROM t",
    "DECLARE d STRING DEFAULT '{o}'; EXECUTE IMMEDIATE CONCAT('TRUNCATE TABLE ', d, '.t')",
    "CREATE TABLE {s}.n AS SELECT 1 AS id; DROP TABLE {o}.t",
    "CREATE PROCEDURE {s}.q() BEGIN INSERT INTO {o}.t VALUES (2, 'x'); END; CALL {s}.q()",
    "BEGIN TRANSACTION; INSERT INTO {s}.t VALUES (2, 'x'); INSERT INTO {o}.t VALUES (2, 'x'); COMMIT TRANSACTION",
)  # fmt: skip


def test_no_text_fools_the_warehouse(stage: Stage) -> None:
    stage.furnish()
    before = stage.world()
    for trick in TRICKS:
        text = trick.format(o=stage.outside, s=stage.scratch, upper=stage.scratch.upper())
        assert stage.is_refused(lambda text=text: stage.rehearsal.sql(text)), trick
        assert stage.world() == before, trick
    default = {"defaultDataset": {"datasetId": stage.outside}}
    assert stage.is_refused(lambda: stage.rehearsal.sql("INSERT INTO t VALUES (2, 'x')", **default))
    assert stage.is_refused(lambda: stage.rehearsal.sql(f"DELETE FROM {stage.outside}.t WHERE id = 1", dryRun=True))
    assert stage.world() == before


def test_a_script_that_goes_on_after_a_refusal_has_changed_nothing(stage: Stage) -> None:
    stage.furnish()
    before = stage.world()
    stage.rehearsal.sql(
        f"BEGIN TRANSACTION; BEGIN INSERT INTO {stage.outside}.t VALUES (2, 'x'); EXCEPTION WHEN ERROR THEN SELECT 1; "
        f"END; INSERT INTO {stage.scratch}.t VALUES (2, 'two'); COMMIT TRANSACTION;"
    )
    assert stage.world() == before
    assert stage.rehearsal.rows(f"SELECT id FROM {stage.scratch}.t ORDER BY id") == [("1",), ("2",)]


def test_a_refusal_names_the_table(stage: Stage) -> None:
    for text, table in (("INSERT INTO {o}.t VALUES (2, 'x')", "t"), ("CREATE TABLE {o}.n (id INT64)", "n")):
        with pytest.raises(RefusedError, match=rf"Table athena:{stage.outside}\.{table}: a rehearsal may write only"):
            stage.rehearsal.sql(text.format(o=stage.outside))


def test_a_stream_that_was_made_before_the_token_was_bound_takes_no_rows(stage: Stage) -> None:
    before = stage.world()
    table = path_of(stage.outside)
    committed, buffered = (
        create(stage.run.writer, table, KIND.COMMITTED),
        create(stage.run.writer, table, KIND.BUFFERED),
    )
    (answer,) = append(stage.rehearsal.writer, arrow_request(committed, [(1, "a")]))
    assert "a rehearsal may write only" in answer.error.message
    append(stage.run.writer, arrow_request(buffered, [(1, "a")]))
    assert stage.is_refused(lambda: stage.rehearsal.writer.flush_rows({"write_stream": buffered, "offset": 0}))
    assert stage.world() == before


def test_streams_into_the_scratch_dataset_are_flushed_and_committed(stage: Stage) -> None:
    stage.furnish()
    writer, table = stage.rehearsal.writer, path_of(stage.scratch)
    buffered, pending = create(writer, table, KIND.BUFFERED), create(writer, table, KIND.PENDING)
    append(writer, arrow_request(buffered, [(2, "a")]), arrow_request(pending, [(3, "b")]))
    writer.flush_rows({"write_stream": buffered, "offset": 0})
    writer.finalize_write_stream(name=pending)
    writer.batch_commit_write_streams({"parent": table, "write_streams": [pending]})
    assert stage.rehearsal.rows(f"SELECT id FROM {stage.scratch}.t ORDER BY id") == [("1",), ("2",), ("3",)]


def test_temporary_tables_sessions_and_results_are_no_rehearsals_concern(stage: Stage) -> None:
    hand = stage.rehearsal
    script = "CREATE TEMP TABLE x AS SELECT 1 AS i; INSERT INTO x VALUES (2); SELECT SUM(i) FROM x;"
    assert hand.rows(script) == [("3",)]
    session = hand.sql("CREATE TEMP TABLE kept AS SELECT 4 AS i", createSession=True)["sessionInfo"]["sessionId"]
    again = {"connectionProperties": [{"key": "session_id", "value": session}]}
    hand.sql("UPDATE kept SET i = 5 WHERE true", **again)
    assert hand.rows("SELECT i FROM kept", **again) == [("5",)]
    hand.sql(f"CALL BQ.ABORT_SESSION('{session}')")
    hand.sql(f"CREATE SCHEMA IF NOT EXISTS {stage.outside}; CREATE TABLE IF NOT EXISTS {stage.outside}.t (id INT64);")


def test_a_rehearsal_may_only_what_it_can(stage: Stage) -> None:
    asked = {"permissions": ["bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.setIamPolicy"]}
    stage.furnish()
    for dataset, count in ((stage.outside, 1), (stage.scratch, 3)):
        path = f"/datasets/{dataset}/tables/t:testIamPermissions"
        assert stage.rehearsal.rest("POST", path, asked)["permissions"] == asked["permissions"][:count]
