"""The JSON in tests/wire is what the models of both languages read (TypeScript: labextension/src/models/*.test.ts)."""

import json
from pathlib import Path

import pytest

from athena_lab.gateway_api import bundles, forecasts, jobs, lineage, rehearsals, terms, warehouse, wire
from athena_lab.labserver.handshake import Handshake

FOLDER = Path(__file__).parent.parent / "wire"
MODELS = {
    "bundle": jobs.Bundle,
    "bundle_cell": jobs.Bundle,
    "check": jobs.Check,
    "error": wire.ErrorBody,
    "handshake": Handshake,
    "job": jobs.Job,
    "promotion": jobs.Promotion,
    "rehearsal": rehearsals.Rehearsal,
    "run": jobs.Run,
    "run_summary": jobs.RunSummary,
}
TOKENS = Path(__file__).parents[2] / "labextension" / "src" / "tokens"
TYPESCRIPT = "\n".join(
    (TOKENS / name).read_text() for name in ("wire.ts", "bundles.ts", "terms.ts", "rehearsals.ts", "warehouse.ts")
)


@pytest.mark.parametrize("name", MODELS)
def test_example_is_exactly_what_the_model_writes(name):
    text = (FOLDER / f"{name}.json").read_text()
    assert MODELS[name].model_validate_json(text).model_dump(mode="json") == json.loads(text)


@pytest.mark.parametrize(
    "model",
    [
        *(jobs.Bundle, jobs.Check, jobs.Job, jobs.JobPage, jobs.JobQuery, jobs.JobVersion, jobs.Promotion),
        *(jobs.RunSummary, jobs.RunMark, jobs.SchedulePreview, forecasts.Forecast, forecasts.Unestimated),
        *(terms.After, terms.Alert, terms.Guards, terms.Parameter, terms.RowCondition, terms.Schedule),
        *(terms.Tables, terms.Terms, jobs.Source, jobs.CellSummary, bundles.SliceCell, bundles.FileSummary),
        *(bundles.EnvironmentSummary, bundles.Destination, bundles.Execution, bundles.Distribution),
        bundles.KernelReport,
        *(lineage.Lineage, lineage.UnknownTable, lineage.Upstream, lineage.Dependencies),
        *(lineage.DependencyNode, lineage.DependencyEdge),
        *(rehearsals.Rehearsal, rehearsals.RehearsalRequest, rehearsals.RehearsedTable, rehearsals.RefusedWrite),
        *(jobs.CellRun, warehouse.Catalog, warehouse.CatalogTable, warehouse.CatalogColumn, wire.Principal),
    ],
)
def test_front_end_knows_every_field_of_the_model(model):
    assert _fields_of(f"I{model.__name__}") == set(model.model_fields)


@pytest.mark.parametrize(
    "states",
    [
        *(jobs.RunState, jobs.JobState, jobs.PromotionState, jobs.RunMarkKind),
        *(bundles.BundleKind, bundles.EnvironmentKind, bundles.DestinationMode),
        *(terms.AfterMode, terms.AlertChannel, terms.AlertOn, terms.MissedRuns, terms.Overlap, terms.ParameterType),
    ],
)
def test_front_end_knows_every_state(states):
    line = TYPESCRIPT.split(f"export type {states.__name__} = ")[1].split(";")[0]
    assert {word.strip().strip("'") for word in line.split("|")} == {state.value for state in states}


def _fields_of(interface):
    """Give the fields of an interface of the front end, those that it inherits too."""
    head, _, body = TYPESCRIPT.split(f"export interface {interface} ")[1].partition("{")
    own = {line.split(":")[0].strip().rstrip("?") for line in body.split("}")[0].splitlines() if ":" in line}
    parents = head.removeprefix("extends").replace(",", " ").split()
    return own.union(*(_fields_of(parent) for parent in parents))
