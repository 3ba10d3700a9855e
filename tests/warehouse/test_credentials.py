"""Warehouse tokens as Google credentials: renewed before they end, whatever their life."""

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.warehouse import WarehouseToken
from athena_lab.warehouse.connect import connect, connect_with
from athena_lab.warehouse.credentials import GatewayCredentials


class Issuer:
    """Gives tokens of a life in seconds and counts them."""

    def __init__(self, life_s):
        self.life_s = life_s
        self.count = 0

    def __call__(self):
        self.count += 1
        return WarehouseToken(
            token=f"token-{self.count}",
            expires_at=datetime.now(UTC) + timedelta(seconds=self.life_s),
            project="athena",
            location="EU",
            endpoint="http://127.0.0.1:1",
            grpc_endpoint="127.0.0.1:1",
        )


def headers_of(credentials):
    headers = {}
    credentials.before_request(None, "GET", "http://127.0.0.1", headers)
    return headers["authorization"]


@pytest.mark.parametrize("life_s", [900, 60, 5])
def test_token_is_kept_while_it_is_fresh(life_s):
    issuer = Issuer(life_s)
    credentials = GatewayCredentials(issuer)
    assert [headers_of(credentials) for _ in range(3)] == ["Bearer token-1"] * 3


def test_token_is_renewed_before_it_ends():
    issuer = Issuer(60)
    credentials = GatewayCredentials(issuer)
    credentials.refresh(None)
    credentials.expiry -= timedelta(seconds=50)
    assert (headers_of(credentials), credentials.fresh_token()) == ("Bearer token-2", "token-2")


def test_client_is_where_the_gateway_says():
    client = connect_with(Issuer(900), labels={"athena_run": "r1"})
    assert (client.project, client.location, client.endpoint) == ("athena", "EU", "http://127.0.0.1:1")
    assert client.default_query_job_config.labels == {"athena_run": "r1"}


def test_gateway_that_does_not_answer_is_our_own_error():
    with (
        GatewayClient("http://127.0.0.1:1", lambda: "token") as gateway,
        pytest.raises(UnreachableError, match="athena up"),
    ):
        connect(gateway)
