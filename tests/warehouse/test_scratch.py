"""A rehearsal's scratch dataset in the real warehouse: described, dropped, and the refusals of other writes."""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import Forbidden

from athena_lab.gateway.keys import read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.services import utc_now
from athena_lab.gateway.tables import Tables
from athena_lab.gateway_api.rehearsals import REFUSAL
from athena_lab.gateway_api.wire import Principal
from athena_lab.settings import GatewaySettings
from athena_lab.warehouse.connect import connect_with

pytestmark = pytest.mark.stack
ANALYST = Principal(kind="user", user="analyst")
SCRATCH, RUN = "_rehearsal_0123456789ab", "0123456789ab" + "0" * 20


@pytest.fixture
def tables(parts):
    mint = Mint(read_secrets(parts.home.gateway), run_token_s=60, warehouse_token_s=60, now=utc_now)
    return Tables(GatewaySettings(home=parts.home, warehouse_url=parts.emulator_url), mint)


def test_scratch_dataset_is_described_to_its_owner_and_dropped_with_its_tables(tables, warehouse):
    warehouse.query_and_wait(f"CREATE SCHEMA {SCRATCH}")
    warehouse.query_and_wait(f"CREATE TABLE {SCRATCH}.ds__t AS SELECT 1 AS a, 'x' AS b")
    warehouse.query_and_wait(f"CREATE VIEW {SCRATCH}.ds__v AS SELECT 1 AS a")
    names = [f"{SCRATCH}.{name}" for name in ("ds__t", "ds__v", "nothing")]
    found = tables.describe(ANALYST, names)
    assert {name: (table.type, table.rows) for name, table in found.items()} == {
        names[0]: ("TABLE", 1), names[1]: ("VIEW", None),
    }  # fmt: skip
    assert [(column.name, column.type) for column in found[names[0]].columns] == [("a", "INTEGER"), ("b", "STRING")]
    assert tables.absent_datasets(ANALYST, [SCRATCH, "nowhere"]) == {"nowhere"}
    assert tables.read_notes(ANALYST, f"{SCRATCH}.ds__t") == ({"a": 1, "b": "x"},)
    assert tables.read_notes(ANALYST, f"{SCRATCH}.nothing") == ()
    tables.drop_dataset(SCRATCH)
    assert tables.describe(ANALYST, names) == {}
    tables.drop_dataset(SCRATCH)


def test_refused_writes_of_a_rehearsal_are_told_in_order_and_those_of_other_runs_are_not(tables):
    since = datetime.now(UTC) - timedelta(seconds=1)
    run = Principal(kind="run", user="analyst", purpose="rehearsal", run=RUN, attempt=1, scratch=SCRATCH)
    with connect_with(lambda: tables.token_for(run)) as client:
        for name in ("one", "two"):
            with pytest.raises(Forbidden):
                client.query_and_wait(f"CREATE SCHEMA {name}")
    told = [job.message for job in tables.failed_jobs(RUN, since)]
    assert [(REFUSAL in text, name in text) for text, name in zip(told, ("one", "two"), strict=True)] == [
        (True, True)
    ] * 2
    assert tables.failed_jobs("f" * 32, since) == ()
    assert tables.failed_jobs(RUN, datetime.now(UTC) + timedelta(minutes=1)) == ()
