"""A `.sql` or `.py` file becomes a notebook that runs alone, or is refused with the place of its fault."""

import json
import zipfile
from io import BytesIO

import pytest

from athena_lab.errors import InvalidError
from athena_lab.gateway_api.bundles import Destination
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.gateway_api.terms import ParameterType
from athena_lab.jobs.bundle import build_bundle


def built_of(text, path="q.sql", **more):
    return build_bundle(BundleUpload(text=text, source=Source(path=path), **more))


def sources_of(text, path="q.sql", **more):
    with zipfile.ZipFile(BytesIO(built_of(text, path, **more).archive)) as opened:
        return [cell["source"] for cell in json.loads(opened.read("notebook.ipynb"))["cells"]]


def refusal(text, path="q.sql", **more):
    with pytest.raises(InvalidError) as caught:
        built_of(text, path, **more)
    return str(caught.value)


TABLE = Destination(table="sales.daily")


def test_each_statement_is_a_cell_and_the_last_query_fills_the_destination():
    text = "-- prepare\nDELETE FROM sales.x WHERE TRUE;\n-- ask; not here\nSELECT ';' AS a;\n"
    assert sources_of(text, destination=TABLE) == [
        "%%athena\n-- prepare\nDELETE FROM sales.x WHERE TRUE",
        "%%athena --into sales.daily --mode replace\n-- ask; not here\nSELECT ';' AS a",
    ]
    assert built_of(text).summary.kind == "sql"


def test_statements_that_need_one_another_stay_one_script():
    text = "DECLARE n INT64 DEFAULT 2;\nSELECT n;"
    assert sources_of(text) == ["%%athena\n" + text]
    (source,) = sources_of(text, destination=Destination(table="sales.daily", mode="append"))
    assert source.endswith("DEFAULT 2;\nINSERT INTO `sales.daily`\nSELECT n;")


@pytest.mark.parametrize(
    ("text", "type_", "default"),
    [
        ("-- @param p DATE = '2026-01-31' The day\nSELECT @p", ParameterType.DATE, "2026-01-31"),
        ("-- @param p FLOAT64 = 1\nSELECT @p", ParameterType.FLOAT, 1.0),
        ("-- @param p ARRAY<STRING> = ['a', 'b']\nSELECT @p", ParameterType.JSON, ["a", "b"]),
        ("-- @param p BOOL = TRUE\nSELECT @p", ParameterType.BOOLEAN, True),
        ("SELECT 1 LIMIT @p", ParameterType.INTEGER, None),
        ("SELECT DATE_SUB(@p, INTERVAL 1 DAY)", ParameterType.DATE, None),
        ("SELECT * FROM a.b WHERE @p = 'x'", ParameterType.STRING, None),
        ("SELECT * FROM a.b WHERE x = @p AND 5 < y", ParameterType.JSON, None),
        ("SELECT * FROM a.b WHERE x IN UNNEST(@p)", ParameterType.JSON, None),
    ],
)
def test_a_parameter_has_the_type_that_the_text_proves(text, type_, default):
    (parameter,) = built_of(text).summary.parameters
    assert (parameter.name, parameter.type, parameter.default) == ("p", type_, default)


def test_a_parameter_without_a_value_is_told_and_markers_in_strings_are_none():
    built = built_of("SELECT '@no', @@error.message, @p -- @neither")
    assert [parameter.name for parameter in built.summary.parameters] == ["p"]
    assert any("'@p' has no type and no value" in warning for warning in built.summary.warnings)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no statement"),
        ("-- only a comment\n;", "holds no statement"),
        ("SELECT 1;\nSELECT 1 +\nFROM x WHERE", "line 3"),
        ("SELECT 'open", "Close every quote"),
    ],
)
def test_unfit_sql_is_refused_with_its_place(text, why):
    assert why in refusal(text)


@pytest.mark.parametrize(
    ("text", "table", "why"),
    [
        ("DELETE FROM a.b WHERE TRUE", "sales.daily", "no query"),
        ("SELECT 1", "daily", "no name of a table"),
        ("SELECT 1", "a.b; DROP TABLE x", "no name of a table"),
        ("SELECT 1", "a.b --mode append", "no name of a table"),
    ],
)
def test_a_destination_that_cannot_be_is_refused(text, table, why):
    assert why in refusal(text, destination=Destination(table=table))


SCRIPT = '''# ---
# jupyter: {}
# ---
"""Doc."""
import sys

# %% tags=["parameters"]
limit: int = 3

# %% [markdown]
# # Title

#%% last
# %matplotlib inline
print(limit, sys.argv, __file__)
'''


def test_a_percent_script_becomes_its_cells():
    built = built_of(SCRIPT, "jobs/daily.py")
    assert built.summary.kind == "python"
    assert [parameter.name for parameter in built.summary.parameters] == ["limit"]
    setup, first, parameters, title, last = sources_of(SCRIPT, "jobs/daily.py")
    assert setup == "__file__ = 'daily.py'\nimport sys\n\nsys.argv = ['daily.py']"
    assert first.startswith('"""Doc."""\nimport sys')
    assert (parameters, title) == ("limit: int = 3", "# Title")
    assert last.startswith("%matplotlib inline\nprint(")
    assert any("command line" in warning for warning in built.summary.warnings)


def test_a_script_without_cells_is_one_cell():
    assert sources_of("a = 1\n\n\nprint(a)\n", "x.py") == ["a = 1\n\n\nprint(a)"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no code"),
        ("# only a comment\n", "holds no code"),
        ("a = 1\n# %%\nb = (", "line 3, column"),
        ("# %%\nname = input('who? ')", "line 2 asks with input()"),
    ],
)
def test_unfit_python_is_refused_with_its_place(text, why):
    assert why in refusal(text, "x.py")


def test_a_function_of_the_scripts_own_may_be_called_input():
    assert sources_of("def input(): return 1\nprint(input())", "x.py")


def test_other_files_are_refused():
    assert "neither a notebook" in refusal("x", "x.R")
    assert "writes its tables itself" in refusal("x = 1", "x.py", destination=TABLE)
