"""docs/clients.md says what the tests do, and the tests do all of the smoke's operations."""

from __future__ import annotations

import re

from tests.clients.table import CLIENTS, FOLDER, document, operations


def test_the_page_is_that_of_the_present_tests() -> None:
    assert (FOLDER.parents[1] / "docs" / "clients.md").read_text() == document()


def test_every_operation_of_the_smoke_has_a_test() -> None:
    said = [line for name in CLIENTS.values() for line in operations(FOLDER / name)]
    numbers = {int(found[1]) for line in said if (found := re.match(r"(\d+): ", line))}
    assert numbers == set(range(1, 58)) - {55}  # 55 is pandas-gbq, a client of its own here
    assert all(said)
