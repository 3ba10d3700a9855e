"""The line of `%%athena`, its familiar spellings and its faults."""

import datetime as dt

import pytest

from athena_lab.errors import InvalidError
from athena_lab.kernel.arguments import Arguments, read_line

NAMES = {"day": dt.date(2026, 1, 15), "chosen": {"x": 0}}


def evaluate(text):
    return eval(text, dict(NAMES))


def read(line):
    return read_line(line, evaluate, 100)


def test_empty_line_has_the_defaults():
    assert read("") == Arguments(max_bytes=100)


def test_own_and_bigquery_spellings_mean_the_same():
    own = read("r --dry-run --max-bytes 10GB --max-results 5 --into d.t --no-cache")
    theirs = read(
        "r --dry_run --maximum_bytes_billed 10737418240 --max_results 5 --destination_table d.t --no_query_cache"
    )
    assert own == theirs
    assert own.max_bytes == 10 * 1024**3


def test_no_limit_is_said_with_none():
    assert read("--max-bytes none").max_bytes is None


def test_params_reach_live_objects():
    assert read('r --params {"day": day, "text": "a } b"} --dry-run').params == {"day": NAMES["day"], "text": "a } b"}
    assert read("--params $chosen r") == Arguments(name="r", params={"x": 0}, max_bytes=100)
    assert read('--params {"ok": true, "none": null}').params == {"ok": True, "none": None}


def test_labels_are_kept():
    assert read("--label team=grid --label step=1").labels == {"team": "grid", "step": "1"}


@pytest.mark.parametrize(
    "line",
    [
        "--frobnicate",
        "two words",
        "1st",
        "--max-bytes lots",
        "--max-results few",
        "--mode maybe",
        "--label Nope",
        "--params",
        "--params {1: ",
        "--params $gone",
        "--params $day",
        "'unclosed",
    ],
)
def test_fault_of_the_line_names_the_usage(line):
    with pytest.raises(InvalidError, match=r"Cannot read the line[\s\S]*Usage"):
        read(line)
