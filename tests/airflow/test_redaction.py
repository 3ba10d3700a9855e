"""Secrets that a run gets stand in none of the things that it leaves behind."""

from __future__ import annotations

import json

import pytest

from athena_lab.airflow.execution import RunFailedError, execute_run
from athena_lab.airflow.redaction import Redaction

SECRET = "pa'ss\"w\\örd\nsecond line of it"


def test_secret_is_found_however_python_or_json_writes_it():
    redaction = Redaction([SECRET])
    for text in (
        SECRET,
        repr(SECRET),
        json.dumps(SECRET),
        json.dumps(repr(SECRET)),
        json.dumps({"a": json.dumps(SECRET)}),
    ):
        assert "second line" not in redaction.of_json(text)
    assert redaction.of_text("nothing of it") == "nothing of it"


def test_secret_of_a_parameter_stays_in_memory(gateway, worker, lab, a_notebook, monkeypatch):
    gateway.parameters = {"key": SECRET}
    begin = gateway._begin
    monkeypatch.setattr(
        gateway, "_begin", lambda request: begin(request).model_copy(update={"secret_parameters": ("key",)})
    )
    declared = [{"name": "key", "type": "str"}]
    cells = (
        ("key = ''", "parameters"),
        "print(key); display(key)",
        "assert key.startswith('pa')",
        "raise ValueError(key)",
    )
    with pytest.raises(RunFailedError) as failure:
        execute_run(lab.order(lab.spec(a_notebook(*cells), parameters=declared)), worker)
    left = [*gateway.outputs, *(event.model_dump_json().encode() for event in gateway.cells)]
    left += [finish.model_dump_json().encode() for finish in gateway.finishes] + [str(failure.value).encode()]
    assert gateway.cells[-1].index == 3  # it had the right value
    for content in left:
        assert b"second line" not in content
        assert b"pa'ss" not in content
    assert b"[secret removed]" in gateway.outputs[-1]
