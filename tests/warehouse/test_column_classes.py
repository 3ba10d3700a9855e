"""The policies on columns, read from the real emulator as the gateway reads them."""

import time
from datetime import UTC, datetime

import pytest

from athena_lab.gateway.keys import read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.tables import Tables
from athena_lab.gateway_api.wire import Principal
from athena_lab.settings import GatewaySettings
from athena_lab.warehouse.connect import connect_with


@pytest.fixture
def tables(parts):
    """The gateway's own side of the warehouse, and a client with the platform's rights."""
    mint = Mint(read_secrets(parts.home.gateway), run_token_s=60, warehouse_token_s=900, now=lambda: datetime.now(UTC))
    made = Tables(GatewaySettings(home=parts.home, warehouse_url=parts.emulator_url), mint)
    with connect_with(lambda: made._placed(mint.mint_platform_token())) as platform:
        yield made, platform


def test_a_columns_classes_are_its_policies_until_the_table_is_made_anew(warehouse, tables):
    reader, platform = tables
    name = f"classed_{time.monotonic_ns()}"
    warehouse.query_and_wait(f"CREATE SCHEMA {name}")
    warehouse.query_and_wait(f"CREATE TABLE {name}.people (mail STRING, city STRING)")
    policy = f"athena.region-eu.{name}"
    platform.query_and_wait(
        f"CREATE DATA_POLICY `{policy}` OPTIONS (data_policy_type='DATA_MASKING_POLICY', masking_expression='SHA256')"
    )
    platform.query_and_wait(
        f"ALTER TABLE {name}.people ALTER COLUMN mail SET OPTIONS (data_policies=[\"{{'name':'{policy}'}}\"])"
    )
    found = reader.classes_of([f"{name}.people", f"{name}.absent", "no.such"])
    assert list(found) == [f"{name}.people"]
    (policy_name,) = found[f"{name}.people"]["mail"]
    assert policy_name.endswith(f"/dataPolicies/{name}")
    assert found[f"{name}.people"]["city"] == frozenset()
    analyst = Principal(kind="user", user="analyst")
    assert reader.columns_of(analyst, [f"{name}.people", f"{name}.absent"]) == {f"{name}.people": ["mail", "city"]}
    platform.query_and_wait(f"CREATE OR REPLACE TABLE {name}.people AS SELECT 'a' AS mail, 'b' AS city")
    assert reader.classes_of([f"{name}.people"])[f"{name}.people"]["mail"] == frozenset()
