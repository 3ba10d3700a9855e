"""The stack that the acceptance tests share: `make lab` on a fresh home."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running_stack import RunningStack, started_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """`make lab` on a fresh home; the shortest interval is lowered so that schedules can be awaited."""
    with started_stack(["make", "lab", "ARGS=--no-browser"], {"ATHENA_MINIMUM_INTERVAL_S": "60"}) as running:
        yield running
