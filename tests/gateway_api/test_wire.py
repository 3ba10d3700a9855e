"""The wire's models: frozen, closed, and names of runs that both sides compute."""

import inspect

import pytest
from pydantic import ValidationError

from athena_lab.gateway_api import jobs, terms, warehouse, wire, worker
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.terms import Schedule
from athena_lab.gateway_api.wire import Wire
from athena_lab.gateway_api.worker import dag_id_of, run_id_of

MODELS = sorted(
    {
        model
        for module in (jobs, terms, warehouse, wire, worker)
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, Wire) and model is not Wire
    },
    key=lambda model: model.__name__,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_documented_frozen_and_takes_no_undeclared_field(model):
    assert model.__doc__
    assert model.model_config["frozen"]
    with pytest.raises(ValidationError, match="extra_forbidden"):
        model.model_validate({"nobody_declared_this": 1})


def test_a_value_survives_the_wire():
    schedule = Schedule(cron="0 6 * * *", timezone="Europe/London")
    assert Schedule.model_validate_json(schedule.model_dump_json()) == schedule


def test_both_sides_compute_the_same_name_of_a_run():
    # Records keep these names, so they may never change.
    assert run_id_of("athena__local__sales", "scheduled__1") == "a07f22f016be55dfbe9995a4a5276db0"
    assert run_id_of("athena__local__sales", "scheduled__2") != run_id_of("athena__local__sales", "scheduled__1")
    assert dag_id_of("local", "sales") == "athena__local__sales"


def test_four_states_of_a_run_are_final():
    assert {state for state in RunState if state.is_final} == {"succeeded", "failed", "cancelled", "skipped"}
