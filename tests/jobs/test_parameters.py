"""Parameters are read statically, checked by type, and resolved from the anchor."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from athena_lab.gateway_api.terms import Parameter, ParameterType
from athena_lab.jobs.parameters import (
    date_objects,
    merge_parameters,
    override_faults,
    parameter_faults,
    read_parameters,
    resolve_parameters,
)

ANCHOR = datetime(2026, 11, 24, 6, tzinfo=UTC)


def read(make_notebook, source: str):
    parameters, warnings = read_parameters(make_notebook("pass", parameters=source))
    return {item.name: (item.type.value, item.default, item.description) for item in parameters}, warnings


def test_literals_are_read_with_type_and_description(make_notebook):
    source = (
        "import datetime as dt\n"
        "from datetime import date\n"
        "n: int = 3  # how many\n"
        "low = -0.5\n"
        "on = True\n"
        "who = 'O\\'Brien'  # a name # with a mark\n"
        "day = date(2026, 1, 31)\n"
        "at = dt.datetime(2026, 1, 31, 6, 30, tzinfo=None)\n"
        "since = '2026-01-31'\n"
        "moment = '2026-01-31T06:30'\n"
        "ids = [1, -2, {'a': None}]\n"
        "pair = (1, 2)\n"
        "share: float = 1\n"
        "maybe: 'int | None' = None\n"
        "other: int | None = None\n"
        "text: str = '2026-01-31'\n"
    )
    found, warnings = read(make_notebook, source)
    assert warnings == ()
    assert found == {
        "n": ("int", 3, "how many"),
        "low": ("float", -0.5, ""),
        "on": ("bool", True, ""),
        "who": ("str", "O'Brien", "a name # with a mark"),
        "day": ("date", "2026-01-31", ""),
        "at": ("datetime", "2026-01-31T06:30:00", ""),
        "since": ("date", "2026-01-31", ""),
        "moment": ("datetime", "2026-01-31T06:30", ""),
        "ids": ("json", [1, -2, {"a": None}], ""),
        "pair": ("json", [1, 2], ""),
        "share": ("float", 1, ""),
        "maybe": ("int", None, ""),
        "other": ("int", None, ""),
        "text": ("str", "2026-01-31", ""),
    }


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x = open('f')", "computed"),
        ("x = 1 + 1", "not a plain literal"),
        ("x = f'{1}'", "not a plain literal"),
        ("x = {1, 2}", "not a plain literal"),
        ("x = b'a'", "not a plain literal"),
        ("x = 1e999", "not a plain literal"),
        ("x = 1j", "not a plain literal"),
        ("x = y = 1", "one name one value"),
        ("x, y = 1, 2", "one name one value"),
        ("a.b = 1", "one name one value"),
        ("x: int", "one name one value"),
        ("x: int = 'three'", "annotated type 'int'"),
        ("x = date(2026, 2, 30)", "numbers that exist"),
        ("x = date(*args)", "numbers that exist"),
        ("x = datetime.date(y, 1, 1)", "numbers that exist"),
        ("print('hi')", "one name one value"),
        ("%matplotlib inline", "a command"),
        ("!rm -rf /", "a command"),
        ("x = 'a' * 10", "not a plain literal"),
        ("x = '" + "a" * 70000 + "'", "longer than"),
    ],
)
def test_what_is_no_literal_is_left_out_and_said(make_notebook, source, why):
    found, warnings = read(make_notebook, f"good = 1\n{source}\n")
    assert found == {"good": ("int", 1, "")}
    assert len(warnings) == 1
    assert "Line 2" in warnings[0]
    assert why in warnings[0]


@pytest.mark.parametrize("source", ["x = (", "x = 1\n  y = 2", "x = \x00", "x = 1 2", "(" * 500])
def test_a_cell_that_is_not_python_is_left_out_and_said(make_notebook, source):
    found, warnings = read(make_notebook, source)
    assert found == {}
    assert "is not Python" in warnings[-1]


def test_a_notebook_without_the_cell_has_no_parameters(make_notebook):
    notebook = make_notebook("x = 1")
    del notebook["cells"][0]
    assert read_parameters(notebook) == ((), ())


def test_date_objects_are_told_from_dates_written_as_text(make_notebook):
    notebook = make_notebook(parameters="day = date(2026, 1, 1)\nat: datetime = datetime(2026, 1, 1)\ns = '2026-01-01'")
    assert date_objects(notebook) == {"day": ParameterType.DATE, "at": ParameterType.DATETIME}


def declared(*items: tuple[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name=name, type=ParameterType(type_)) for name, type_ in items)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("int", [0, -3, 10**30], [True, 1.0, "1", None, [1]]),
        ("float", [0, 0.5, -1], [False, "1", 10**400, float("nan"), float("inf"), None]),
        ("bool", [True, False], [0, 1, "true", None]),
        ("str", ["", "O'Brien", "x" * 1000], [1, None, ["a"], "x" * 70000]),
        ("date", ["2026-01-31"], ["2026-02-30", "31.01.2026", "20260131", "2026-01-31T00:00", 20260131, None]),
        ("datetime", ["2026-01-31T06:30", "2026-01-31T06:30:00+02:00"], ["now-ish", "2026-01-31T25:00", 1, None]),
        ("json", [None, [], {"a": [1]}, "x"], [["x" * 70000]]),
    ],
)
def test_a_value_must_be_of_its_parameters_type(type_, good, bad):
    known = declared(("p", type_))
    for value in good:
        assert override_faults({"p": value}, known) == ()
    for value in bad:
        (fault,) = override_faults({"p": value}, known)
        assert fault.field == "parameters.p"
        assert fault.message.startswith("Cannot pass the parameter 'p': ")
        assert len(fault.message) < 300


@pytest.mark.parametrize("name", ["", "a b", "a=1\nimport os", "import", "1a", "a-b", "__import__('os')", "a;b"])
def test_a_name_that_could_be_code_is_refused(name):
    given = (Parameter(name=name, type=ParameterType.STRING, value="x"),)
    faults = parameter_faults(given, (*declared(("a", "str")), *given))
    assert [fault.message.endswith("Use letters, digits and _.") for fault in faults] == [True]


def test_a_form_is_checked_against_the_notebooks_own_parameters():
    known = declared(("day", "date"), ("n", "int"))
    given = (
        Parameter(name="other", type=ParameterType.STRING, value="x"),
        Parameter(name="n", type=ParameterType.STRING, value="x"),
        Parameter(name="n", type=ParameterType.INTEGER, value=1),
        Parameter(name="day", type=ParameterType.DATE, relative="someday"),
    )
    messages = [fault.message for fault in parameter_faults(given, known)]
    assert "no such name (it has 'day', 'n')" in messages[0]
    assert "its type is 'int' in the notebook" in messages[1]
    assert "given twice" in messages[2]
    assert "'someday' is no relative date" in messages[3]
    both = Parameter(name="day", type=ParameterType.DATE, value="2026-01-01", relative="today")
    assert "both a value and a relative date" in parameter_faults([both], known)[0].message
    number = Parameter(name="n", type=ParameterType.INTEGER, relative="today")
    assert "only a date may be relative" in parameter_faults([number], known)[0].message
    assert parameter_faults([Parameter(name="day", type=ParameterType.DATE, relative="today")], known) == ()


def test_a_form_is_laid_over_the_notebooks_parameters():
    known = (Parameter(name="n", type=ParameterType.INTEGER, default=3, description="how many"),)
    given = (Parameter(name="n", type=ParameterType.INTEGER, default=99, value=5),)
    assert merge_parameters(known, given)[0] == known[0].model_copy(update={"value": 5})
    assert merge_parameters(known, ()) == known


def test_values_to_pass_are_override_then_relative_then_value_and_never_the_default():
    parameters = (
        Parameter(name="day", type=ParameterType.DATE, default="2020-01-01", relative="yesterday"),
        Parameter(name="n", type=ParameterType.INTEGER, default=1, value=2),
        Parameter(name="kept", type=ParameterType.STRING, default="x"),
        Parameter(name="text", type=ParameterType.STRING, value="today"),
    )
    resolved = resolve_parameters(parameters, {}, ANCHOR, "Europe/London")
    assert resolved == {"day": "2026-11-23", "n": 2, "text": "today"}
    resolved = resolve_parameters(parameters, {"day": "today", "n": 7, "text": "now"}, ANCHOR, "Europe/London")
    assert resolved == {"day": "2026-11-24", "n": 7, "text": "now"}
    assert resolve_parameters(parameters, {"day": "2026-05-01"}, ANCHOR, "UTC")["day"] == "2026-05-01"
