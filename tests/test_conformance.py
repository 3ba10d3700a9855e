"""The runner of the conformance corpora: what may be out of scope, and what it makes of an answer that is not."""

from __future__ import annotations

import pytest

from bench.conformance import reasons
from bench.conformance.corpora import Case
from bench.conformance.reporting import figures
from bench.conformance.running import Outcome, within_scope

LISTED = "recorded specialized_types/st_x_basic"


def outcome(key: str, verdict: str, why: str) -> Outcome:
    corpus, _, name = key.partition(" ")
    return within_scope(Outcome(Case(corpus, name, "all", "SELECT 1", {}), verdict, why))


def test_only_four_kinds_are_out_of_scope_and_each_difference_has_its_reason() -> None:
    assert set(reasons.out_of_scope().values()) <= set(reasons.KINDS)
    assert LISTED in reasons.out_of_scope()
    assert all(len(reason) > 20 for reason in reasons.differences().values())
    assert not set(reasons.differences()) & set(reasons.out_of_scope())


def test_listed_case_is_left_out_only_if_it_says_unsupported_and_names_it() -> None:
    found = outcome(LISTED, "unsupported", "Unsupported feature: The function ST_X is not supported")
    assert found.kind == "GEOGRAPHY"
    assert figures([found])[0]["n"] == 0


@pytest.mark.parametrize(
    ("verdict", "why"),
    [("unsupported", "Unsupported feature: The function OTHER"), ("error", "Function not found: ST_X"), ("passed", "")],
)
def test_listed_case_that_answers_otherwise_is_a_mismatch(verdict: str, why: str) -> None:
    found = outcome(LISTED, verdict, why)
    assert (found.verdict, found.kind) == ("mismatch", None)
    assert figures([found])[0] == {"name": "conformance_recorded", "value": 0.0, "n": 1}


def test_case_that_is_not_listed_stays_in_scope() -> None:
    found = outcome("recorded other", "unsupported", "Unsupported feature: The function ST_X is not supported")
    assert (found.verdict, found.kind) == ("unsupported", None)
