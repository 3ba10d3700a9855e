"""`%athena rehearse`: what a cell asks for, prints, and how it ends."""

import json

import pytest

from athena_lab.errors import ConflictError, InvalidError
from athena_lab.kernel.session import Session
from athena_lab.kernel.verbs import run_verb
from athena_lab.settings import Settings
from tests.jobs.rehearsal_front import BAD, Front

pytestmark = pytest.mark.stack


@pytest.fixture
def front(parts):
    made = Front(parts.gateway_url)
    yield made
    made.close()


@pytest.fixture
def session(parts, front):
    made = Session(Settings(gateway_url=front.url, token_file=parts.token_file))
    yield made
    made.gateway.close()


@pytest.fixture
def file(tmp_path):
    cells = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for name, text in (("a", "a = 1"), ("b", "b = 2"), ("c", "print(a)"))
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "once.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}))
    return path


def test_a_cell_tells_a_rehearsal_as_the_command_does(session, front, file, capsys):
    run_verb(session, f"rehearse {file} --cell c --zone Europe/London")
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["It keeps 1 of the 2 other cells.", "rehearsal r1 is queued"]
    assert "cell 2 of 2 (print(a)): succeeded in 1.2 s" in printed
    assert "rehearsal r1: succeeded in 3.5 s, 2 of 2 cells, 20 MB billed" in printed
    assert (front.requests[0].timezone, front.requests[0].job_id) == ("Europe/London", None)


def test_a_rehearsal_that_failed_ends_the_cell_after_it_was_told(session, front, file, capsys):
    front.steps = BAD
    with pytest.raises(ConflictError, match="Cannot go on with 'once': its rehearsal ended as 'failed'"):
        run_verb(session, f"rehearse {file}")
    assert "refused: cell 2: a rehearsal may write only" in capsys.readouterr().out


def test_a_line_that_cannot_be_read_names_its_verb(session, front):
    with pytest.raises(InvalidError, match="Cannot read the line of '%athena rehearse'"):
        run_verb(session, "rehearse --nonsense")
    assert front.requests == []
