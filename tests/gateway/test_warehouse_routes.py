"""Warehouse tokens and the catalog through the real gateway; the warehouse itself comes in the stack tests."""

import time
from datetime import UTC, datetime

import pytest

from athena_lab.errors import UnauthenticatedError, UnreachableError
from athena_lab.gateway.keys import read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.services import utc_now
from athena_lab.gateway_api.tokens import GATEWAY, WAREHOUSE, TokenVerifier


def test_a_users_warehouse_token_says_who_for_what_and_where(gateway):
    token = gateway.ann.get_warehouse_token()
    claims = TokenVerifier(gateway.home.jwks, gateway.home.revoked, WAREHOUSE).verify(token.token)
    assert (claims.user, claims.groups, claims.purpose, claims.run) == ("ann", ("analysts",), "interactive", None)
    assert claims.expires_at == token.expires_at.timestamp()
    assert 880 <= (token.expires_at - datetime.now(UTC)).total_seconds() <= 900
    assert (token.project, token.endpoint) == ("athena", f"http://127.0.0.1:{gateway.nobody}")


def test_a_warehouse_token_opens_nothing_at_the_gateway(gateway):
    token = gateway.ann.get_warehouse_token().token
    with pytest.raises(UnauthenticatedError):
        gateway.as_holder_of(token).get_me()


def test_the_platforms_own_token_is_for_the_warehouse_only_and_short(gateway):
    minted = Mint(
        read_secrets(gateway.home.gateway), run_token_s=60, warehouse_token_s=900, now=utc_now
    ).mint_platform_token()
    claims = TokenVerifier(gateway.home.jwks, gateway.home.revoked, WAREHOUSE).verify(minted.token)
    assert claims.purpose == "platform"
    with pytest.raises(UnauthenticatedError):
        TokenVerifier(gateway.home.jwks, gateway.home.revoked, GATEWAY).verify(minted.token)
    assert claims.expires_at - time.time() <= 60


def test_without_a_warehouse_the_catalog_is_unreachable_at_once(gateway):
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="warehouse"):
        gateway.ann.get_catalog()
    assert time.monotonic() - started < 10
