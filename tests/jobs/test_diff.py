"""Two contents are told apart cell by cell and field by field; the front end reads the same cases."""

import json
from pathlib import Path

import pytest

from athena_lab.gateway_api.terms import Parameter, ParameterType, Schedule, Terms
from athena_lab.jobs.diff import Settings, diff_cells, diff_files, diff_lines, diff_settings, match_cells, similarity

CASES = json.loads((Path(__file__).parents[1] / "wire" / "diff_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_cells_differ_as_the_case_says(case):
    found = diff_cells(case["before"], case["after"])
    assert [
        {
            "kind": one.kind.value,
            "cell_id": one.cell_id,
            "before": one.before,
            "after": one.after,
            "is_moved": one.is_moved,
        }
        for one in found
    ] == case["differences"]


def test_lines_that_stay_are_the_same_and_a_changed_one_is_removed_and_added():
    lines = [(line.kind, line.text) for line in diff_lines("a\nb\nc", "a\nB\nc")]
    assert lines == [("same", "a"), ("removed", "b"), ("added", "B"), ("same", "c")]


def test_a_change_of_the_line_end_alone_shows_no_line():
    assert [line.kind for line in diff_lines("a", "a\n")] == ["same"]


def test_two_texts_without_a_common_word_are_not_similar():
    assert similarity("a b", "c d") == 0
    assert similarity("", "") == 1
    assert similarity("a b c d", "a b c x") == 0.75


def test_a_thousand_cells_without_ids_are_matched_by_their_text():
    cells = [{"cell_type": "code", "source": f"x = {number}", "metadata": {}} for number in range(1000)]
    assert match_cells(cells, cells[1:]) == [(at + 1, at) for at in range(999)]


def test_a_changed_schedule_and_a_lost_parameter_are_told_by_field():
    day = Parameter(name="day", type=ParameterType.DATE, relative="yesterday")
    old = Settings(
        "Sales", "ann", Terms(schedule=Schedule(cron="0 6 * * *"), parameters=(day,)), fields={"kernel": "python3"}
    )
    new = Settings("Sales", "ann", Terms(schedule=Schedule(cron="0 7 * * *")), fields={"kernel": "python3"})
    fields = {one.field: (one.before, one.after) for one in diff_settings(old, new)}
    assert fields["schedule.cron"] == ("0 6 * * *", "0 7 * * *")
    assert fields["parameters.day.relative"] == ("yesterday", None)
    assert not {"name", "owner", "kernel", "schedule.timezone"} & set(fields)
    assert diff_settings(old, old) == ()


def test_side_files_are_added_removed_or_changed():
    found = diff_files({"a": b"1", "b": b"1", "c": b"1"}, {"a": b"1", "b": b"2", "d": b""})
    assert [(one.path, one.kind.value) for one in found] == [("b", "changed"), ("c", "removed"), ("d", "added")]
