"""Statements made up at random over tables with policies: the same seed makes the same statements."""

from __future__ import annotations

import random
from collections.abc import Callable

TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "customer": (("email", "name"), ("id", "spend")),
    "orders": (("note",), ("id", "customer_id", "amount")),
    "vault": (("owner", "text"), ("id",)),
    "person": (("who.mail",), ("id",)),
    "ledger": (("JSON_VALUE(doc, '$.k')", "SAFE_CONVERT_BYTES_TO_STRING(blob)"), ("id", "code")),
}
"""Names of texts and of numbers in each table."""
_TEXTS = ("'RAWPII-1@x.com'", "'RAWPII-1 One'", "'XXXXX@x.com'", "'RAW%'", "''", "'7001'", "CAST(NULL AS STRING)")
_NUMBERS = ("0", "1", "2", "7001", "-3", "2.5", "NULL")


class Statements:
    """Makes statements; `{d}` stands for the dataset."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names: list[tuple[str, str]] = []

    def next(self) -> str:
        """Make one."""
        shape = self._random.choice((
            self._plain, self._plain, self._plain, self._grouped, self._grouped, self._windowed, self._joined,
            self._nested, self._set, self._with, self._unnested, self._script, self._function, self._written,
            self._past, self._pivoted, self._wildcard, self._rows,
        ))  # fmt: skip
        return shape()

    def _one(self, items: tuple[str, ...]) -> str:
        return self._random.choice(items)

    # -- expressions over the tables in scope

    def _scope(self, *aliases: str) -> list[str]:
        self._names = [(alias, self._random.choice(list(TABLES))) for alias in aliases]
        return [f"{{d}}.{table} AS {alias}" for alias, table in self._names]

    def _column(self, kind: int) -> str:
        alias, table = self._random.choice(self._names)
        name = self._one(TABLES[table][kind])
        return (
            name.replace("doc", f"{alias}.doc").replace("blob", f"{alias}.blob") if "(" in name else f"{alias}.{name}"
        )

    def _text(self, depth: int = 2) -> str:
        if depth == 0 or self._random.random() < 0.35:
            return self._column(0) if self._random.random() < 0.75 else self._one(_TEXTS)
        deeper = depth - 1
        shapes: tuple[Callable[[], str], ...] = (
            lambda: f"CONCAT({self._text(deeper)}, {self._text(deeper)})",
            lambda: f"UPPER({self._text(deeper)})",
            lambda: f"SUBSTR({self._text(deeper)}, {self._one(('1', '2', '8', '-4'))}, 9)",
            lambda: f"REPLACE({self._text(deeper)}, 'RAW', 'x')",
            lambda: f"IF({self._truth(deeper)}, {self._text(deeper)}, {self._text(deeper)})",
            lambda: f"COALESCE({self._text(deeper)}, {self._text(deeper)})",
            lambda: f"TO_JSON_STRING({self._random.choice(self._names)[0]})",
            lambda: f"FORMAT('%T|%t', {self._text(deeper)}, {self._number(deeper)})",
            lambda: f"CAST({self._number(deeper)} AS STRING)",
            lambda: f"REGEXP_EXTRACT({self._text(deeper)}, r'[A-Z]+')",
            lambda: f"TO_HEX(MD5({self._text(deeper)}))",
            lambda: f"SPLIT({self._text(deeper)}, '-')[SAFE_OFFSET(1)]",
            lambda: f"STRUCT({self._text(deeper)} AS a, 1 AS b).a",
            lambda: f"IF({self._truth(deeper)}, ERROR({self._text(deeper)}), 'fine')",
        )
        return self._random.choice(shapes)()

    def _number(self, depth: int = 2) -> str:
        if depth == 0 or self._random.random() < 0.35:
            return self._column(1) if self._random.random() < 0.75 else self._one(_NUMBERS)
        deeper = depth - 1
        shapes: tuple[Callable[[], str], ...] = (
            lambda: f"LENGTH({self._text(deeper)})",
            lambda: f"STRPOS({self._text(deeper)}, {self._text(deeper)})",
            lambda: f"({self._number(deeper)} {self._one(('+', '-', '*', '/'))} {self._number(deeper)})",
            lambda: f"SAFE_CAST({self._text(deeper)} AS INT64)",
            lambda: f"CAST({self._text(deeper)} AS FLOAT64)",
            lambda: f"FARM_FINGERPRINT({self._text(deeper)})",
            lambda: f"IF({self._truth(deeper)}, {self._number(deeper)}, {self._number(deeper)})",
            lambda: f"IFNULL({self._number(deeper)}, 0)",
            lambda: f"ABS({self._number(deeper)})",
            lambda: f"ASCII({self._text(deeper)})",
        )
        return self._random.choice(shapes)()

    def _truth(self, depth: int = 2) -> str:
        deeper = max(0, depth - 1)
        compare = self._one(("=", "!=", "<", ">=", "IS DISTINCT FROM"))
        shapes: tuple[Callable[[], str], ...] = (
            lambda: f"{self._text(deeper)} {compare} {self._text(deeper)}",
            lambda: f"{self._number(deeper)} {compare} {self._number(deeper)}",
            lambda: f"{self._text(deeper)} LIKE {self._one(_TEXTS[:5])}",
            lambda: f"STARTS_WITH({self._text(deeper)}, 'RAWPII')",
            lambda: f"{self._text(deeper)} IS {self._one(('NULL', 'NOT NULL'))}",
            lambda: f"{self._text(deeper)} IN ('RAWPII-1 One', {self._text(deeper)})",
            lambda: f"NOT ({self._truth(deeper)})" if depth else "TRUE",
            lambda: f"({self._truth(deeper)} {self._one(('AND', 'OR'))} {self._truth(deeper)})" if depth else "FALSE",
            lambda: f"EXISTS (SELECT 1 FROM {{d}}.vault AS v9 WHERE v9.text > {self._text(0)})",
            lambda: f"{self._column(1)} IN (SELECT id FROM {{d}}.customer WHERE name IS NOT NULL)",
        )
        return self._random.choice(shapes)()

    def _any(self) -> str:
        return self._random.choice((self._text, self._number, self._truth))()

    def _aggregate(self) -> str:
        shapes: tuple[Callable[[], str], ...] = (
            lambda: "COUNT(*)",
            lambda: f"COUNT({self._text()})",
            lambda: f"COUNT(DISTINCT {self._text()})",
            lambda: f"COUNTIF({self._truth()})",
            lambda: f"MAX({self._text()})",
            lambda: f"MIN({self._number()})",
            lambda: f"SUM(LENGTH({self._text()}))",
            lambda: f"STRING_AGG({self._text()}, ',' ORDER BY {self._column(1)})",
            lambda: f"ARRAY_AGG({self._text()} ORDER BY {self._column(1)}, {self._column(0)} LIMIT 3)",
            lambda: f"LOGICAL_OR({self._truth()})",
            lambda: f"ANY_VALUE({self._text()} HAVING MAX {self._column(1)})",
            lambda: f"APPROX_COUNT_DISTINCT({self._text()})",
        )
        return self._random.choice(shapes)()

    # -- shapes of statements

    def _where(self) -> str:
        return f" WHERE {self._truth(3)}" if self._random.random() < 0.6 else ""

    def _plain(self) -> str:
        (source,) = self._scope("a")
        return f"SELECT {self._any()}, {self._any()} FROM {source}{self._where()}"

    def _rows(self) -> str:
        (source,) = self._scope("a")
        picked = self._one(("a", "*", "TO_JSON(a)", "FORMAT('%t', a)", "[a]", "a.*", "AS STRUCT a.*", "AS VALUE a"))
        return f"SELECT {picked} FROM {source}{self._where()}"

    def _grouped(self) -> str:
        (source,) = self._scope("a")
        if self._random.random() < 0.4:
            return f"SELECT {self._aggregate()}, {self._aggregate()} FROM {source}{self._where()}"
        having = f" HAVING {self._aggregate()} IS NOT NULL" if self._random.random() < 0.3 else ""
        return f"SELECT {self._text()} AS k, {self._aggregate()} FROM {source}{self._where()} GROUP BY k{having}"

    def _windowed(self) -> str:
        (source,) = self._scope("a")
        window = f"(PARTITION BY {self._text(1)} ORDER BY {self._column(0)}, {self._column(1)})"
        made = self._one(
            ("ROW_NUMBER()", "RANK()", "LAG(1)", f"FIRST_VALUE({self._text(1)})", f"SUM({self._number(1)})")
        )
        qualify = f" QUALIFY {made} OVER {window} IS NOT NULL" if self._random.random() < 0.3 else ""
        return f"SELECT {self._column(1)}, {made} OVER {window} FROM {source}{self._where()}{qualify}"

    def _joined(self) -> str:
        left, right = self._scope("a", "b")
        how = self._one(("JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"))
        return f"SELECT {self._any()}, {self._any()} FROM {left} {how} {right} ON {self._truth()}{self._where()}"

    def _nested(self) -> str:
        (source,) = self._scope("a")
        inner = f"SELECT {self._text()} AS x, {self._number()} AS y FROM {source}{self._where()}"
        return f"SELECT MAX(x), COUNT(y), COUNT(*) FROM ({inner}) WHERE x IS NULL OR x != 'RAWPII-2 Two'"

    def _set(self) -> str:
        (first,) = self._scope("a")
        one = f"SELECT {self._text()} AS x FROM {first}{self._where()}"
        (second,) = self._scope("a")
        two = f"SELECT {self._text()} FROM {second}{self._where()}"
        return f"{one} {self._one(('UNION ALL', 'UNION DISTINCT', 'EXCEPT DISTINCT', 'INTERSECT DISTINCT'))} {two}"

    def _with(self) -> str:
        (source,) = self._scope("a")
        name = self._one(("w", "customer", "t1", "vault"))
        return f"WITH {name} AS (SELECT {self._text()} AS x FROM {source}) SELECT x, LENGTH(x) FROM {name}"

    def _unnested(self) -> str:
        self._names = [("a", "person")]
        return (
            f"SELECT t.{self._one(('t', 'n'))}, {self._any()} FROM {{d}}.person AS a, UNNEST(a.who.tags) AS t"
            f" WHERE {self._one(('t.t IS NULL', 't.n > 1', 'TRUE', 'LENGTH(t.t) > 3'))} OR {self._truth(1)}"
        )

    def _pivoted(self) -> str:
        made = self._one(("MAX(name)", "COUNT(email)", "MIN(email)"))
        return f"SELECT * FROM (SELECT id, name, email FROM {{d}}.customer) PIVOT ({made} FOR id IN (1, 2, 3))"

    def _wildcard(self) -> str:
        condition = self._one(("_TABLE_SUFFIX = '2'", "_TABLE_SUFFIX > '1'", "v > 'P'", "id > 1", "TRUE"))
        picked = self._one(("v", "COUNT(v)", "COUNT(*)", "MAX(v)", "LENGTH(v)"))
        return f"SELECT {picked} FROM `{{d}}.log_*` WHERE {condition}"

    def _past(self) -> str:
        _, table = (self._scope("a")[0], self._names[0][1])
        when = self._one(("CURRENT_TIMESTAMP()", "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 MICROSECOND)"))
        return f"SELECT {self._any()} FROM {{d}}.{table} AS a FOR SYSTEM_TIME AS OF {when}{self._where()}"

    def _script(self) -> str:
        (source,) = self._scope("a")
        value = f"(SELECT {self._aggregate()} FROM {source}{self._where()})"
        tail = self._one((
            "SELECT v", "SELECT IF(v IS NULL, 'n', ERROR(FORMAT('%t', v)))", "EXECUTE IMMEDIATE 'SELECT ?' USING v",
            "BEGIN SELECT ERROR(FORMAT('%t', v)); EXCEPTION WHEN ERROR THEN SELECT @@error.message; END",
        ))  # fmt: skip
        return f"DECLARE v DEFAULT {value}; {tail}"

    def _function(self) -> str:
        (source,) = self._scope("a")
        made = self._one((
            "CREATE TEMP FUNCTION f(x STRING) AS (CONCAT(x, '!'))",
            "CREATE TEMP FUNCTION f(x STRING) RETURNS STRING LANGUAGE js AS 'return x ? x + x.length : \"none\"'",
            "CREATE TEMP FUNCTION f(x STRING) AS ((SELECT COUNT(*) FROM {d}.customer WHERE name = x))",
        ))  # fmt: skip
        return f"{made}; SELECT f({self._text()}) FROM {source}{self._where()}"

    def _written(self) -> str:
        (source,) = self._scope("a")
        inner = f"SELECT {self._text()} AS x, {self._number()} AS y FROM {source}{self._where()}"
        return f"CREATE TEMP TABLE z AS {inner}; SELECT * FROM z"
