"""`athena jobs rehearse` and `promote --rehearse`: what they ask for, print and change, and how they end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import nbformat
import pytest

from athena_lab.cli import main
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Source
from athena_lab.jobs.drafting import rehearsal
from tests.gateway.conftest import TOKENS, Gateway
from tests.jobs.conftest import notebook_of
from tests.jobs.rehearsal_front import BAD, GOOD, Front


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, nursery):
    made = Gateway(tmp_path_factory.mktemp("gateway") / "home", nursery)
    made.start()
    yield made
    made.close()


@pytest.fixture
def front(gateway):
    made = Front(gateway.url)
    yield made
    made.close()


@pytest.fixture
def athena(front, tmp_path, monkeypatch, capsys):
    """Give a function that runs one command as ann, and gives its code, its answer and what it told beside it."""
    (tmp_path / "token").write_text(TOKENS["ann"])
    monkeypatch.setenv("ATHENA_GATEWAY_URL", front.url)
    monkeypatch.setenv("ATHENA_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("ATHENA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ATHENA_TOKEN_FD", raising=False)

    def run(*words: str):
        code = main(["jobs", *words])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if "--json" in words and printed.out else printed.out, printed.err

    return run


@pytest.fixture
def file(tmp_path, request):
    cells = [
        nbformat.v4.new_code_cell("day = '2026-01-31'\nlimit = 10", id="params", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("%%athena --into ds.old\nSELECT 1 AS n", id="c1"),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = tmp_path / f"{request.node.name[:40]}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return str(path)


def test_a_rehearsal_is_told_cell_by_cell_and_summed_up(athena, front, file):
    code, text, told = athena("rehearse", file)
    assert code == 0
    assert told.splitlines() == [
        "rehearsal r1 is queued",
        "rehearsal r1 is running",
        "preparation: succeeded in 0.5 s",
        "cell 1 of 2 (day = '2026-01-31'): succeeded in 0.5 s",
        "cell 2 of 2 (%%athena --into ds.old): running",
        "cell 2 of 2 (%%athena --into ds.old): succeeded in 1.2 s",
    ]
    assert text.splitlines() == [
        "rehearsal r1: succeeded in 3.5 s, 2 of 2 cells, 20 MB billed",
        "TABLE   ROWS BEFORE  ROWS AFTER  COLUMNS",
        "ds.old  1,200        1,230       + n INT64, - m STRING, ~ k INT64 → STRING",
        "ds.new  -            3           -",
        "What it wrote stays in '_rehearsal_0123456789ab' for a day; the tables themselves are unchanged.",
    ]


def test_what_is_rehearsed_is_what_would_be_deployed(athena, front, file):
    words = ("--name", "Rehearsed", "--zone", "Europe/London", "--param", "day=yesterday")
    code, promotion, _ = athena("promote", file, *words, "--run-bytes", "100000000", "--timeout", "60", "--json")
    assert code == 0
    code, shown, _ = athena(
        "rehearse", file, "--name", "Rehearsed", "--param", "limit=3", "--cell-timeout", "9", "--json"
    )
    assert (code, shown["state"]) == (0, "succeeded")
    (asked,) = front.requests
    assert (asked.job_id, asked.timezone, asked.timeout_s) == (promotion["job_id"], "Europe/London", 60)
    assert (asked.guards.run_bytes, asked.guards.cell_timeout_s) == (100000000, 9)
    assert [(one.name, one.relative or one.value) for one in asked.parameters] == [("day", "yesterday"), ("limit", 3)]


def test_a_failed_rehearsal_ends_with_one_and_says_why(athena, front, file):
    front.steps = BAD
    code, text, _ = athena("rehearse", file)
    assert code == 1
    assert "rehearsal r1: failed in 2.0 s, 2 of 2 cells" in text
    assert "refused: cell 2: a rehearsal may write only to the dataset" in text
    assert "Cannot run cell 2: ValueError: no rows." in text
    assert athena("rehearse", file, "--json")[:2][1]["state"] == "failed"


@pytest.fixture
def heeded_interrupts():
    """Heed SIGINT also where the tests run in the background of a shell, which lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_an_interrupt_asks_to_cancel_and_waits_for_the_end(athena, front, file):
    front.steps = (GOOD[0],)
    interrupts = [True]
    front.on_question = lambda: interrupts and interrupts.pop() and os.kill(os.getpid(), signal.SIGINT)
    code, text, told = athena("rehearse", file)
    assert (code, front.cancelled) == (1, 1)
    assert "is being cancelled; interrupt again to leave it" in told
    assert "rehearsal r1: cancelled in 1.0 s" in text


def test_a_detached_rehearsal_is_seen_waited_for_and_cancelled_by_its_id(athena, front, file):
    code, text, told = athena("rehearse", file, "--detach")
    assert (code, told) == (0, "")
    assert "athena jobs rehearsal r1 --wait" in text
    assert athena("rehearsal", "r1", "--json")[1]["state"] == "running"
    assert athena("rehearsal", "r1", "--wait", "--json")[1]["state"] == "succeeded"
    assert athena("rehearsal", "r1", "--cancel")[0] == 0
    assert front.cancelled == 1


def test_only_what_succeeded_is_deployed(athena, front, file):
    front.steps = BAD
    code, text, told = athena("promote", file, "--name", "Careful", "--by-hand", "--rehearse")
    assert code == 1
    assert "ValueError: no rows" in text
    assert "Cannot deploy 'Careful': its rehearsal ended as 'failed'. Mend the file" in told
    assert athena("show", "Careful")[0] == 1, "nothing was deployed"
    front.steps = GOOD
    code, promotion, told = athena("promote", file, "--name", "Careful", "--by-hand", "--rehearse", "--json")
    assert (code, promotion["version"]) == (0, 1)
    assert "20 MB billed" in told
    assert [one.bundle for one in front.requests][-1] == athena("show", "Careful", "--json")[1]["bundle"]


def test_a_rehearsal_whose_refused_writes_were_swallowed_deploys_only_where_that_is_said(athena, front, file):
    refused = {"refused": BAD[0]["refused"]}
    front.steps = (GOOD[0], GOOD[1] | refused)
    words = ("promote", file, "--name", "Swallowed", "--by-hand", "--rehearse")
    code, text, told = athena(*words)
    assert (code, "refused: cell 2: a rehearsal may write only" in text) == (1, True)
    assert "1 of its writes were refused, so they were not rehearsed" in told
    assert "say --despite-refusals" in told
    assert athena("show", "Swallowed")[0] == 1, "nothing was deployed"
    code, promotion, told = athena(*words, "--despite-refusals", "--json")
    assert (code, promotion["version"], "refused: cell 2" in told) == (0, 1, True)


def test_what_a_rehearsal_was_refused_is_waited_for_where_the_warehouse_is_late(athena, front, file, monkeypatch):
    monkeypatch.setattr(rehearsal, "_LOOK_S", 0.01)
    late = GOOD[1] | {"billed_bytes": None}
    front.steps = (late, late, GOOD[1] | {"refused": BAD[0]["refused"]})
    assert athena("promote", file, "--name", "Late", "--by-hand", "--rehearse")[0] == 1
    monkeypatch.setattr(rehearsal, "_SETTLE_S", 0.0)
    front.steps = (late,)
    code, _, told = athena("promote", file, "--name", "Late", "--by-hand", "--rehearse")
    assert (code, "the warehouse does not tell yet" in told) == (1, True)
    assert athena("show", "Late")[0] == 1, "nothing was deployed"


def test_who_comes_second_is_refused_and_sees_what_was_deployed_meanwhile(athena, front, gateway, file, tmp_path):
    assert athena("promote", file, "--name", "Contended", "--by-hand")[0] == 0
    mine = tmp_path / "mine.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[1].source += ", 'mine' AS whose"
    nbformat.write(notebook, mine)
    theirs = BundleUpload(notebook=notebook_of("print('theirs')"), source=Source(path=Path(file).name))

    def deploy_theirs() -> None:
        front.on_question = lambda: None
        request = PromoteRequest(bundle=gateway.ann.upload_bundle(theirs).hash, name="Contended")
        assert gateway.ann.promote(request).version == 2

    front.on_question = deploy_theirs
    mine.rename(file)
    code, text, told = athena("promote", file, "--name", "Contended", "--by-hand", "--rehearse")
    assert (code, text) == (1, "")
    assert "- print('theirs')" in told
    assert "+ SELECT 1 AS n, 'mine' AS whose" in told
    assert "was opened at version 1, and the job is at version 2 now" in told


def test_what_would_be_refused_is_not_rehearsed_first(athena, front, file):
    code, text, told = athena("promote", file, "--cron", "61 * * * *", "--retries", "99", "--rehearse")
    assert (code, text, front.requests) == (1, "", [])
    assert "has no minute 61" in told
    assert "99 retries are not possible" in told


def test_a_version_that_was_not_rehearsed_says_so(athena, file):
    assert athena("promote", file, "--name", "Unseen", "--by-hand")[0] == 0
    assert "rehearsal: not rehearsed" in athena("show", "Unseen")[1]
    assert "not rehearsed" in athena("versions", "Unseen")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [(("rehearse", "absent.ipynb"), "cannot be read"), (("rehearse", "notes.txt"), "it is no notebook")],
)
def test_what_cannot_be_rehearsed_is_refused_as_a_promotion_is(athena, front, words, says):
    code, text, told = athena(*words)
    assert (code, text, front.requests) == (1, "", [])
    assert says in told
