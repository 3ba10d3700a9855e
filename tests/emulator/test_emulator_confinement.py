"""A rehearsal reads what its owner reads and may copy; whatever it writes, the catalog has checked once more."""

from __future__ import annotations

import ast
import inspect
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from athena_lab.emulator.access import Principal, asking
from athena_lab.emulator.catalog import Catalog, Change
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.jobs.redirection import NOTES, preparation
from tests.emulator.policy_parts import MASKED, PEOPLE
from tests.emulator.scratch_roads import CREATES_SCHEMA, REST, Hand, RefusedError, Stage, by_sql, in_table


@pytest.fixture(scope="module")
def stage(emulator: Any) -> Iterator[Stage]:
    made = Stage(emulator)
    yield made
    made.leave()


@pytest.fixture
def people(stage: Stage) -> Iterator[str]:
    """A table of which the analysts see masked addresses, and not everybody's row."""
    mark, rows = uuid.uuid4().hex[:12], ", ".join(f"({id_}, '{email}')" for id_, email, *_ in PEOPLE)
    raw, masked = f"`athena.us.raw_{mark}`", f"`athena.us.masked_{mark}`"
    names = ", ".join(f"\"{{'name':'{name.strip('`')}'}}\"" for name in (raw, masked))
    stage.admin.sql(f"""
        CREATE SCHEMA p_{mark}; CREATE TABLE p_{mark}.people (id INT64, email STRING);
        INSERT INTO p_{mark}.people VALUES {rows};
        CREATE DATA_POLICY {raw} OPTIONS (data_policy_type = 'RAW_DATA_ACCESS_POLICY');
        CREATE DATA_POLICY {masked} OPTIONS (data_policy_type = 'DATA_MASKING_POLICY', masking_expression =
          'EMAIL_MASK');
        GRANT FINE_GRAINED_READ ON DATA_POLICY {raw} TO 'group:fine';
        GRANT FINE_GRAINED_READ ON DATA_POLICY {masked} TO 'group:analysts';
        ALTER TABLE p_{mark}.people ALTER COLUMN email SET OPTIONS (data_policies = [{names}]);
    """)
    yield f"p_{mark}.people"
    stage.admin.sql(f"DROP SCHEMA p_{mark} CASCADE; DROP DATA_POLICY {raw}; DROP DATA_POLICY {masked};")


def addresses(hand: Hand, table: str) -> list[str]:
    return [row[0] for row in hand.rows(f"SELECT email FROM {table} ORDER BY id")]


def test_a_rehearsal_reads_what_its_owner_reads_masked_as_ever(stage: Stage, people: str) -> None:
    stage.furnish()
    hand = stage.rehearsal_of("mona", "analysts")
    assert addresses(hand, people) == MASKED
    for copying in ("CLONE {p}", "COPY {p}"):
        with pytest.raises(RefusedError, match="protected by data policies"):
            hand.sql(f"CREATE TABLE {stage.scratch}.people {copying.format(p=people)}")
    source, target = (dict(zip(("datasetId", "tableId"), name.split("."), strict=True))
                      for name in (people, f"{stage.scratch}.people"))  # fmt: skip
    with pytest.raises(RefusedError, match="protected by data policies"):
        hand.job(copy={"sourceTable": source, "destinationTable": target})
    hand.sql(f"CREATE TABLE {stage.scratch}.people AS SELECT * FROM {people}")
    assert addresses(stage.admin, f"{stage.scratch}.people") == MASKED


def test_a_clone_in_the_scratch_dataset_keeps_policies_and_rows_are_filtered_as_before(
    stage: Stage, people: str
) -> None:
    stage.admin.sql(f"CREATE ROW ACCESS POLICY all_rows ON {people} GRANT TO ('group:fine') FILTER USING (TRUE)")
    stage.admin.sql(f"CREATE ROW ACCESS POLICY first ON {people} GRANT TO ('group:analysts') FILTER USING (id = 1)")
    stage.furnish()
    owner = stage.rehearsal_of("ines", "fine")
    owner.sql(f"CREATE TABLE {stage.scratch}.people CLONE {people}")
    for hand in (stage.rehearsal_of("mona", "analysts"), Hand(stage.emulator, "mona", {"groups": ["analysts"]})):
        assert addresses(hand, f"{stage.scratch}.people") == MASKED[:1]
    assert addresses(owner, f"{stage.scratch}.people") == [email for _, email, *_ in PEOPLE]


def test_a_scratch_dataset_is_its_owners_alone(stage: Stage) -> None:
    for make in (by_sql(CREATES_SCHEMA), REST["POST /datasets"]):
        stage.clear()
        ada = stage.rehearsal_of("ada")
        make(ada, stage.scratch)
        ada.sql(f"CREATE TABLE {stage.scratch}.t AS SELECT 1 AS id")
        assert Hand(stage.emulator, "ada", {}).rows(f"SELECT id FROM {stage.scratch}.t") == [("1",)]
        assert stage.admin.rows(f"SELECT id FROM {stage.scratch}.t") == [("1",)]
        for read in (f"SELECT id FROM {stage.scratch}.t", f"SELECT * FROM {stage.scratch}.INFORMATION_SCHEMA.TABLES"):
            with pytest.raises(RefusedError):
                Hand(stage.emulator, "eve", {}).rows(read)


def prepare(hand: Hand, scratch: str, *tables: str) -> dict[str, tuple[str, str | None]]:
    """Run a rehearsal's own preparation; give its notes: of each scratch table the rows and why there are none."""
    taken = {table: f"{scratch}.{table.replace('.', '__')}" for table in tables}
    hand.sql(preparation(taken, tables, scratch)["source"].removeprefix("%%athena"))
    return {name: (count, why) for name, count, why in hand.rows(f"SELECT name, row_count, why FROM {scratch}.{NOTES}")}


def test_a_rehearsal_begins_with_copies_and_leaves_the_tables_alone(stage: Stage) -> None:
    stage.clear()
    before, hand = stage.world(), stage.rehearsal_of("ada")
    copy = f"{stage.outside}__t"
    assert prepare(hand, stage.scratch, f"{stage.outside}.t") == {copy: ("1", None)}
    hand.sql(f"UPDATE {stage.scratch}.{copy} SET word = 'two' WHERE id = 1")
    prepare(hand, stage.scratch, f"{stage.outside}.t")  # another attempt keeps what is there
    assert hand.rows(f"SELECT word FROM {stage.scratch}.{copy}") == [("two",)]
    assert hand.rows(f"SELECT word FROM {stage.outside}.t") == [("one",)]
    assert stage.world() == before


def test_what_its_owner_sees_in_part_begins_empty_and_what_he_may_not_read_fails(stage: Stage, people: str) -> None:
    stage.clear()
    mona = stage.rehearsal_of("mona", "analysts")
    copy = people.replace(".", "__")
    assert prepare(mona, stage.scratch, people, f"{stage.outside}.t") == {
        copy: ("0", "masked_columns"), f"{stage.outside}__t": ("1", None),
    }  # fmt: skip
    mona.sql(f"INSERT INTO {stage.scratch}.{copy} (id, email) VALUES (9, 'new@example.com')")
    assert addresses(mona, f"{stage.scratch}.{copy}") == ["XXXXX@example.com"]

    stage.clear()
    stage.admin.sql(f"CREATE ROW ACCESS POLICY some ON {people} GRANT TO ('group:fine') FILTER USING (id = 1)")
    assert prepare(stage.rehearsal_of("ines", "fine"), stage.scratch, people) == {copy: (None, "filtered_rows")}

    stage.clear()
    with pytest.raises(AssertionError, match="no_such_table was not found"):
        prepare(mona, stage.scratch, f"{stage.outside}.no_such_table")


def test_a_rehearsal_keeps_tables_among_its_own_results(stage: Stage) -> None:
    hand = stage.rehearsal
    hand.sql("SELECT 1 AS id")
    job = hand.rest("GET", f"/jobs/{hand.job_ids[-1]}")
    own = job["configuration"]["query"]["destinationTable"]["datasetId"]
    target = in_table(own, f"kept_{uuid.uuid4().hex[:8]}")
    hand.job(copy={"sourceTable": in_table(stage.outside), "destinationTable": target})
    assert hand.rows(f"SELECT word FROM {own}.{target['tableId']}") == [("one",)]


# -- the catalog's own check, for a road that forgot to ask


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path_factory.mktemp("warehouse"), "athena", "EU")
    with asking(Principal("ada")):
        for name in ("outside", "scratch"):
            made.catalog.put_dataset(name, {}, must_be_new=True)
    yield made
    made.close()


def _define(catalog: Catalog, dataset: str) -> None:
    def work(cursor: Any, state: Any, change: Change) -> None:
        del state
        change.tables.append(catalog.new_table(cursor, dataset, "t", (), {}))

    catalog.transact(work)


CHANGES: dict[str, Callable[[Catalog, str], None]] = {
    "transact": _define,
    "put_dataset": lambda catalog, d: catalog.put_dataset(d, {"description": "x"}, must_be_new=False),
    "put_routine": lambda catalog, d: catalog.put_routine(d, "f", {}),
    "drop_dataset": lambda catalog, d: catalog.drop_dataset(d, with_contents=True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_catalog_refuses_by_itself(warehouse: Warehouse, name: str) -> None:
    before = warehouse.catalog.state
    with asking(Principal("ada", ("admins",), scratch="scratch", is_platform=True)):
        with pytest.raises(BigQueryError, match="a rehearsal may write only"):
            CHANGES[name](warehouse.catalog, "outside")
        with pytest.raises(BigQueryError, match="a rehearsal may write only"):
            warehouse.catalog.put_policy("p", {})
        assert warehouse.catalog.state is before
        CHANGES[name](warehouse.catalog, "scratch")


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_written_while_nobody_says_who_asks(warehouse: Warehouse, name: str) -> None:
    before = warehouse.catalog.state
    with pytest.raises(LookupError):
        CHANGES[name](warehouse.catalog, "outside")
    assert warehouse.catalog.state is before


def test_a_refused_change_ends_the_transaction_that_it_was_part_of(warehouse: Warehouse) -> None:
    with asking(Principal("ada", scratch="scratch")):
        warehouse.catalog.begin()
        with pytest.raises(BigQueryError, match="a rehearsal may write only"):
            _define(warehouse.catalog, "outside")
        assert not warehouse.catalog.is_in_transaction


def test_whatever_the_catalog_commits_it_has_checked() -> None:
    methods = [node for node in ast.walk(ast.parse(Path(inspect.getfile(Catalog)).read_text()))
               if isinstance(node, ast.FunctionDef)]  # fmt: skip
    commits = {node.name for node in methods if ".commit()" in ast.unparse(node)}
    checked = {node.name for node in methods if "_refuse_outside(" in ast.unparse(node)} | {"put_policy"}
    assert commits - checked == {"commit", "_purge"}  # of parts that were checked; of the past that is too old
    kept = [f"{word} athena_{kind}" for word in ("INTO", "FROM") for kind in ("datasets", "tables", "routines")]
    sources = {path.name: path.read_text() for path in Path(inspect.getfile(Warehouse)).parent.rglob("*.py")}
    assert [name for name, text in sources.items() if any(words in text for words in kept)] == ["catalog.py"]
