"""Reading a statement by tokens: parameters, earlier results, and the way back to the written text."""

import pytest

from athena_lab.warehouse.statement import read_statement

TABLES = {"r": "p.d.anon", "q": "p.d.q"}


def sent(sql):
    return read_statement(sql, TABLES.get).text


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT @a, @b, @a", ("a", "b")),
        ("SELECT '@a', \"@b\", `@c`, @@d -- @e\n/* @f */", ()),
        ("SELECT TIME '12:30', JSON '{\"a\": {\"b\": 1}}', 1 << 2", ()),
        ("SELECT * FROM t WHERE x IN UNNEST(@ids) AND y=@y", ("ids", "y")),
    ],
)
def test_parameters_are_found_by_tokens(sql, names):
    assert read_statement(sql).parameters == names


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM r", "SELECT * FROM `p.d.anon` AS `r`"),
        ("SELECT * FROM r AS x", "SELECT * FROM `p.d.anon` AS x"),
        ("SELECT * FROM r x JOIN q ON TRUE", "SELECT * FROM `p.d.anon` x JOIN `p.d.q` AS `q` ON TRUE"),
        ("SELECT 1 FROM d.t, r WHERE r.a IN (SELECT 1 FROM q)", None),
        ("WITH a AS (SELECT * FROM r) SELECT * FROM a", "WITH a AS (SELECT * FROM `p.d.anon` AS `r`) SELECT * FROM a"),
        ("CREATE TABLE d.x AS SELECT * FROM r", "CREATE TABLE d.x AS SELECT * FROM `p.d.anon` AS `r`"),
        ("MERGE d.t USING r ON FALSE WHEN NOT MATCHED THEN INSERT ROW", None),
    ],
)
def test_earlier_result_stands_for_its_table(sql, expected):
    changed = sent(sql)
    assert "`p.d.anon`" in changed
    assert expected is None or changed == expected


@pytest.mark.parametrize(
    "sql",
    [
        "WITH r AS (SELECT 1) SELECT * FROM r",
        "SELECT r FROM d.r",
        "SELECT EXTRACT(DAY FROM r) FROM d.t",
        "SELECT a IS DISTINCT FROM r FROM d.t",
        "SELECT * FROM r.x",
        "SELECT 'FROM r' -- FROM r",
        "SELECT * FROM d.t WHERE a IN (1, r)",
        "SELECT 'unclosed FROM r",
    ],
)
def test_name_that_is_no_table_is_left_alone(sql):
    assert sent(sql) == sql


def test_position_leads_back_to_the_cell():
    statement = read_statement("SELECT 'é', x\nFROM r WHERE nope = 1", TABLES.get, first_line=2)
    column = statement.text.split("\n")[1].index("nope") + 1
    assert statement.written_position(2, column) == (3, statement.written.split("\n")[1].index("nope") + 1)
    assert statement.written_position(1, 8) == (2, 8)
