"""The stack that the acceptance tests share: `make lab` on a fresh home."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running_stack import RunningStack, started_stack

SHORT = {"ATHENA_MINIMUM_INTERVAL_S": "60", "ATHENA_RUN_TOKEN_S": "10", "ATHENA_WAREHOUSE_TOKEN_S": "15"}


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """`make lab` on a fresh home; the shortest interval and a token's life are lowered so that both can be awaited.

    While working on the tests, ATHENA_STORY_HOME names the home of a stack that runs already.
    """
    if running := os.environ.get("ATHENA_STORY_HOME"):
        home = Path(running)
        yield RunningStack(home, json.loads((home / "stack.json").read_text()))
        return
    with started_stack(["make", "lab", "ARGS=--no-browser"], SHORT) as started:
        yield started
