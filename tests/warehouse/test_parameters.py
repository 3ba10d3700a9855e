"""Bound parameters: every kind of live value keeps its type, and nothing passes through text."""

import dataclasses
import datetime as dt
import enum
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from athena_lab.errors import InvalidError
from athena_lab.warehouse.parameters import bind, parameter

AMSTERDAM = pd.Timestamp("2026-01-01", tz="Europe/Amsterdam")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    left: str
    right: bool


def described(value, declared=None):
    resource = parameter("p", value, declared).to_api_repr()
    assert resource.pop("name") == "p"
    return resource["parameterType"], resource["parameterValue"]


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        (0, "INT64", "0"),
        (-7, "INT64", "-7"),
        (0.25, "FLOAT64", 0.25),
        (True, "BOOL", "true"),
        (None, "STRING", None),
        ("a\nb'\"\\", "STRING", "a\nb'\"\\"),
        (b"x", "BYTES", "eA=="),
        (Decimal("1.5"), "NUMERIC", "1.5"),
        (Decimal("0.12345678901"), "BIGNUMERIC", "0.12345678901"),
        (2**70, "NUMERIC", str(2**70)),
        (dt.date(2026, 1, 15), "DATE", "2026-01-15"),
        (dt.time(1, 2), "TIME", "01:02:00"),
        (dt.datetime(2026, 1, 15, 1), "DATETIME", "2026-01-15T01:00:00.000000"),  # noqa: DTZ001 (a DATETIME has none)
        (dt.datetime(2026, 1, 15, tzinfo=dt.UTC), "TIMESTAMP", "2026-01-15 00:00:00+00:00"),
        (np.int64(3), "INT64", "3"),
        (np.uint64(2**63), "NUMERIC", str(2**63)),
        (np.float32(0.5), "FLOAT64", 0.5),
        (np.bool_(False), "BOOL", "false"),
        (np.str_("x"), "STRING", "x"),
        (np.datetime64("2026-01-15"), "DATE", "2026-01-15"),
        (np.datetime64("2026-01-15T01:00:00.000000001"), "DATETIME", "2026-01-15T01:00:00.000000"),
        (pd.Timestamp("2026-01-15"), "DATETIME", "2026-01-15T00:00:00.000000"),
        (AMSTERDAM, "TIMESTAMP", "2025-12-31 23:00:00+00:00"),
        (pd.NaT, "STRING", None),
        (pd.NA, "STRING", None),
        (Colour.RED, "STRING", "red"),
    ],
)
def test_scalar_keeps_its_type(value, kind, sent):
    assert described(value) == ({"type": kind}, {"value": sent})


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ([1, 2], "INT64", ["1", "2"]),
        ((1, 2.5), "FLOAT64", [1.0, 2.5]),
        ({3}, "INT64", ["3"]),
        (range(2), "INT64", ["0", "1"]),
        (np.array([], dtype="int64"), "INT64", []),
        (pd.Series(["a"]), "STRING", ["a"]),
        (pd.Series([], dtype="str"), "STRING", []),
        (pd.Series(pd.array([1, None], dtype="Int64")), "INT64", ["1", None]),
        (np.array(["2026-01-15"], dtype="datetime64[D]"), "DATE", ["2026-01-15"]),
        (np.array(["2026-01-15"], dtype="datetime64[ns]"), "DATETIME", ["2026-01-15T00:00:00.000000"]),
        (pd.date_range("2026-01-15", periods=1, tz="UTC"), "TIMESTAMP", ["2026-01-15 00:00:00+00:00"]),
    ],
)
def test_array_keeps_the_type_of_its_items(value, kind, sent):
    assert described(value) == (
        {"type": "ARRAY", "arrayType": {"type": kind}},
        {"arrayValues": [{"value": item} for item in sent]},
    )


@pytest.mark.parametrize("value", [{"x": 1, "y": 2.0}, Point(1, 2.0)])
def test_mapping_and_dataclass_are_structs(value):
    kind, sent = described(value)
    assert [(one["name"], one["type"]["type"]) for one in kind["structTypes"]] == [("x", "INT64"), ("y", "FLOAT64")]
    assert sent == {"structValues": {"x": {"value": "1"}, "y": {"value": 2.0}}}


def test_named_tuples_in_a_list_are_structs():
    kind, sent = described([Pair("a", right=True)])
    assert kind["arrayType"]["type"] == "STRUCT"
    assert sent["arrayValues"] == [{"structValues": {"left": {"value": "a"}, "right": {"value": "true"}}}]


def test_declared_type_binds_what_does_not_say_its_own():
    (empty, nothing) = bind(["ids", "day"], {"ids:ARRAY<INT64>": [], "day:DATE": None})
    assert empty.to_api_repr()["parameterType"] == {"type": "ARRAY", "arrayType": {"type": "INT64"}}
    assert nothing.to_api_repr()["parameterType"] == {"type": "DATE"}


def test_all_faults_of_a_binding_are_reported_at_once():
    with pytest.raises(InvalidError) as caught:
        bind(["gone", "empty", "mixed", "odd"], {"empty": [], "mixed": [1, "a"], "odd": object()})
    assert [fault.field for fault in caught.value.faults] == ["gone", "empty", "mixed", "odd"]
    assert "Declare it" in caught.value.faults[1].message
