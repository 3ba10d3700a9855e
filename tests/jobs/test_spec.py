"""A spec is inert data with one canonical form, and a hash of what decides behaviour."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from athena_lab.gateway_api.jobs import Source
from athena_lab.gateway_api.terms import Parameter, ParameterType, Schedule
from athena_lab.jobs.spec import JobSpec, canonical_json, content_hash_of, free_id, slug_of, start_of

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def spec_of(**fields) -> JobSpec:
    known = {
        "id": "sales", "name": "Sales", "team": "energy", "owner": "ann", "version": 1, "bundle": "a" * 64,
        "source": Source(path="sales.ipynb"), "start_at": NOW, "deployed_at": NOW, "deployed_by": "ann",
    }  # fmt: skip
    return JobSpec(**(known | fields))


def test_the_canonical_form_is_sorted_ends_in_a_newline_and_reads_back():
    text = canonical_json(spec_of(name="Zürich"))
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert JobSpec.model_validate_json(text) == spec_of(name="Zürich")
    assert canonical_json(JobSpec.model_validate_json(text)) == text


@pytest.mark.parametrize(
    "change",
    [
        {"bundle": "b" * 64}, {"name": "Other"}, {"schedule": Schedule(cron="0 6 * * *")}, {"retries": 1},
        {"parameters": (Parameter(name="n", type=ParameterType.INTEGER, value=1),)}, {"timeout_s": 1},
        {"owner": "bob"}, {"team": "other"}, {"source": Source(path="other.ipynb")},
    ],
)  # fmt: skip
def test_what_decides_behaviour_changes_the_hash(change):
    assert content_hash_of(spec_of(**change)) != content_hash_of(spec_of())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"message": "why"}, {"deployed_at": NOW + timedelta(days=1)}, {"origin": 1},
        {"start_at": NOW + timedelta(days=1)}, {"deployed_by": "bob"}, {"content_hash": "x"},
    ],
)  # fmt: skip
def test_what_does_not_decide_behaviour_keeps_the_hash(change):
    assert content_hash_of(spec_of(**change)) == content_hash_of(spec_of())


@pytest.mark.parametrize(
    "fields",
    [{"id": "../x"}, {"id": ""}, {"team": "A"}, {"version": 0}, {"bundle": "zz"}, {"extra": 1},
     {"schema_version": 2}, {"start_at": "2026-01-01T00:00:00"}],
)  # fmt: skip
def test_a_spec_that_is_not_one_is_refused(fields):
    with pytest.raises(ValidationError):
        spec_of(**fields)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Daily sales", "daily_sales"), ("  Überblick: Q1/Q2!  ", "uberblick_q1_q2"), ("日本", "job"), ("___", "job"),
     ("x" * 200, "x" * 60), ("a" * 59 + " b", "a" * 59), ("../../etc", "etc")],
)  # fmt: skip
def test_any_name_makes_an_id(name, slug):
    assert slug_of(name) == slug
    assert re.fullmatch(r"[a-z0-9_]{1,60}", slug_of(name))


def test_an_id_that_is_taken_gets_a_number_and_stays_short_enough():
    assert free_id("Sales", {"sales", "sales_2"}.__contains__) == "sales_3"
    assert free_id("x" * 100, {"x" * 60}.__contains__) == "x" * 58 + "_2"


def test_the_schedule_starts_anew_only_when_it_changed():
    old = spec_of(schedule=Schedule(cron="0 6 * * *"))
    later = NOW + timedelta(days=9)
    assert start_of(None, old.schedule, later) == later
    assert start_of(old, old.schedule, later) == NOW
    assert start_of(old, Schedule(cron="0 6 * * *", timezone="Asia/Tokyo"), later) == later
