"""How values and results are shown, without losing any of them."""

import datetime as dt
from decimal import Decimal

import pytest

from athena_lab.errors import QueryError, QuerySyntaxError
from athena_lab.kernel.rendering import as_json
from athena_lab.kernel.session import label
from athena_lab.kernel.trouble import shorten


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**53 - 1, 2**53 - 1),
        (2**53, str(2**53)),
        (0.5, 0.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1234567890123456789012345678901.50"), "1234567890123456789012345678901.5"),
        (b"\x00\x01", "AAE="),
        (dt.date(2026, 1, 15), "2026-01-15"),
        (dt.datetime(2026, 1, 15, tzinfo=dt.UTC), "2026-01-15T00:00:00+00:00"),
        ({"a": [Decimal("1.50")]}, {"a": ["1.5"]}),
    ],
)
def test_value_becomes_json_that_loses_nothing(value, expected):
    assert as_json(value) == expected


def test_syntax_error_shows_the_spot_in_the_cell():
    error = QuerySyntaxError("Cannot run the query: no.", 3, 8)
    shorten(error, "%%athena\nSELECT 1,\n  2 FRM x")
    assert error._render_traceback_() == [
        "QuerySyntaxError: Cannot run the query: no.",
        "line 3:   2 FRM x",
        "               ^",
    ]


def test_error_without_a_spot_is_its_message():
    error = QueryError("Cannot run the query: no.")
    shorten(error, "%%athena\nSELECT 1")
    assert error._render_traceback_() == ["QueryError: Cannot run the query: no."]


def test_label_is_what_bigquery_accepts():
    assert label("Ada.Lovelace@Example.com") == "ada-lovelace-example-com"
    assert len(label("x" * 100)) == 63
