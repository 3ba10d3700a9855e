"""The JSON in tests/wire is what the models of both languages read (TypeScript: labextension/src/models/*.test.ts)."""

import json
from pathlib import Path

import pytest

from athena_lab.gateway_api import jobs, wire
from athena_lab.labserver.handshake import Handshake

FOLDER = Path(__file__).parent.parent / "wire"
MODELS = {
    "bundle": jobs.Bundle,
    "check": jobs.Check,
    "error": wire.ErrorBody,
    "handshake": Handshake,
    "job": jobs.Job,
    "promotion": jobs.Promotion,
    "run": jobs.Run,
    "run_summary": jobs.RunSummary,
}
TYPESCRIPT = (Path(__file__).parents[2] / "labextension" / "src" / "tokens" / "wire.ts").read_text()


@pytest.mark.parametrize("name", MODELS)
def test_example_is_exactly_what_the_model_writes(name):
    text = (FOLDER / f"{name}.json").read_text()
    assert MODELS[name].model_validate_json(text).model_dump(mode="json") == json.loads(text)


@pytest.mark.parametrize(
    "model", [jobs.Bundle, jobs.Check, jobs.Job, jobs.JobVersion, jobs.Promotion, jobs.RunSummary, jobs.Parameter]
)
def test_front_end_knows_every_field_of_the_model(model):
    interface = TYPESCRIPT.split(f"export interface I{model.__name__} ")[1].split("}")[0]
    known = {line.split(":")[0].strip().rstrip("?") for line in interface.splitlines() if ":" in line}
    assert known == set(model.model_fields)


@pytest.mark.parametrize("states", [jobs.RunState, jobs.JobState, jobs.PromotionState, jobs.ParameterType])
def test_front_end_knows_every_state(states):
    line = TYPESCRIPT.split(f"export type {states.__name__} = ")[1].split(";")[0]
    assert {word.strip().strip("'") for word in line.split("|")} == {state.value for state in states}
