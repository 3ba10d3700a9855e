"""Parameters reach the notebook as the values and types that the spec declares, and never as code."""

from __future__ import annotations

import json

import pytest

from athena_lab.airflow.execution import RunFailedError, execute_run
from athena_lab.airflow.parameters import type_parameters
from athena_lab.errors import InvalidError

NASTY = [
    "O'Brien",
    'say "hi"',
    "back\\slash\\",
    "two\nlines\r\n\ttab",
    "'''\"\"\"",
    "{x.__class__} {{braces}} {0} %s %(a)s",
    "'); import os; os.environ['PWNED'] = '1'; print('",
    "\u2028 \u00e9 \U0001f600 \x00 \x1b[31m",
    "__import__('os').system('true')",
    "",
]


def declare(**types):
    return [{"name": name, "type": kind} for name, kind in types.items()]


@pytest.mark.filterwarnings("ignore:Passed unknown parameter")
def test_every_type_arrives_as_itself(gateway, worker, lab, a_notebook):
    gateway.parameters = {
        "count": 10,
        "rate": 3,
        "flag": False,
        "name": "O'Brien",
        "start": "2026-03-29",
        "at": "2026-03-29T02:30:00+01:00",
        "options": {"ids": [1, 2.5, None, True, "x'y"], "nested": {"a\nb": "{}"}},
        "kept": None,
    }
    spec = lab.spec(
        a_notebook(
            ("from datetime import datetime\ncount = 1\nkept = 'default'", "parameters"),
            "print(repr([count, rate, flag, name, start, at, options, kept]))\n"
            "assert [type(v).__name__ for v in (count, rate, flag, start, at)] == "
            "['int', 'float', 'bool', 'date', 'datetime']\nassert datetime.now()",
        ),
        parameters=declare(
            count="int", rate="float", flag="bool", name="str", start="date", at="datetime", options="json", kept="str"
        ),
    )
    execute_run(lab.order(spec), worker)
    output = gateway.output
    import datetime

    got = eval(output["cells"][2]["outputs"][0]["text"])  # the cell printed a repr of plain values
    assert got[:4] == [10, 3.0, False, "O'Brien"]
    assert got[4] == datetime.date(2026, 3, 29)
    assert got[5].isoformat() == "2026-03-29T02:30:00+01:00"
    assert got[6:] == [gateway.parameters["options"], "default"]
    assert output["metadata"]["papermill"]["parameters"] == {}
    assert output["cells"][1]["metadata"]["tags"] == ["injected-parameters"]


def test_nasty_text_arrives_unchanged(gateway, worker, lab, a_notebook):
    names = {f"p{n}": text for n, text in enumerate(NASTY)}
    gateway.parameters = names | {"everything": [NASTY, dict.fromkeys(NASTY, "x")]}
    check = f"import json, os\nexpected = json.loads({json.dumps(json.dumps(names))})\n"
    check += "assert {n: globals()[n] for n in expected} == expected\nassert everything[0] == list(expected.values())\n"
    check += "assert list(everything[1]) == everything[0]\nassert 'PWNED' not in os.environ\nprint('same')"
    declared = declare(**dict.fromkeys(names, "str"), everything="json")
    execute_run(lab.order(lab.spec(a_notebook(check), parameters=declared)), worker)
    assert gateway.output["cells"][1]["outputs"][0]["text"] == "same\n"


@pytest.mark.parametrize("name", ["x=1\nimport os #", "a b", "class", "1a", "", "x.y", "x: int", "é\n"])
def test_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(InvalidError, match="is no Python name"):
        type_parameters({name: 1}, declare(**{name: "int"}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", True), ("int", "1"), ("int", 1.0), ("bool", 1), ("float", True), ("float", "1"), ("str", 1),
     ("date", "29.3.2026"), ("date", 20260329), ("datetime", "soon"), ("date", "2026-02-30")],
)  # fmt: skip
def test_value_of_another_type_is_refused(kind, value):
    with pytest.raises(InvalidError, match=f"not of type {kind}"):
        type_parameters({"x": value}, declare(x=kind))


def test_all_faults_are_reported_together():
    with pytest.raises(InvalidError) as refusal:
        type_parameters({"a b": 1, "n": "x", "new": 1}, declare(n="int"))
    assert [fault.field for fault in refusal.value.faults] == ["a b", "n", "new"]


def test_refused_parameters_fail_the_run_before_any_cell(gateway, worker, lab, a_notebook):
    gateway.parameters = {"n": "ten"}
    spec = lab.spec(a_notebook("print(n)"), parameters=declare(n="int"))
    with pytest.raises(RunFailedError, match="not of type int"):
        execute_run(lab.order(spec), worker)
    assert gateway.cells == []
    assert gateway.finishes[0].state == "failed"


@pytest.mark.parametrize("text", [*NASTY, "\ud800 alone"])
def test_injected_text_is_one_literal(text):
    import ast

    from athena_lab.airflow.parameters import TypedTranslator

    injected = TypedTranslator.codify({"x": text})
    injected.encode()
    (assignment,) = ast.parse(injected).body
    assert ast.literal_eval(assignment.value) == text
