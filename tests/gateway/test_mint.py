"""The platform's tokens: what they say, and that a rehearsal's stays bound to its scratch dataset."""

import pytest

from athena_lab.errors import UnauthenticatedError
from athena_lab.gateway.identity import RunTokens
from athena_lab.gateway.keys import prepare_secrets, read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.policy import may_read_run
from athena_lab.gateway.services import utc_now
from athena_lab.gateway_api.tokens import GATEWAY, WAREHOUSE, TokenVerifier
from athena_lab.settings import Home

RUN, OTHER = "a" * 32, "b" * 32
SCRATCH = "_rehearsal_aaaaaaaaaaaa"


class Platform:
    """A gateway's keys, its mint, and whoever verifies."""

    def __init__(self, home):
        prepare_secrets(home.gateway, home.public)
        self.mint = Mint(read_secrets(home.gateway), run_token_s=60, warehouse_token_s=900, now=utc_now)
        self.run_tokens = RunTokens(TokenVerifier(home.jwks, home.revoked, GATEWAY))
        self.warehouse = TokenVerifier(home.jwks, home.revoked, WAREHOUSE)

    def caller(self, scratch):
        return self.run_tokens.identify(self.mint.mint_run_token("ann", ["analysts"], RUN, 2, scratch).token)


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    return Platform(Home(tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize(("scratch", "purpose"), [(None, "run"), (SCRATCH, "rehearsal")])
def test_a_run_token_says_whether_it_is_a_rehearsals(platform, scratch, purpose):
    minted = platform.mint.mint_run_token("ann", ["analysts"], RUN, 2, scratch=scratch)
    claims = platform.warehouse.verify(minted.token)
    assert (claims.user, claims.groups, claims.run, claims.attempt) == ("ann", ("analysts",), RUN, 2)
    assert (claims.purpose, claims.scratch) == (purpose, scratch)


def test_a_rehearsals_token_has_the_rights_of_a_runs(platform):
    rehearsal, run = platform.caller(SCRATCH).principal, platform.caller(None).principal
    assert rehearsal.kind == run.kind == "run"
    assert (rehearsal.purpose, rehearsal.scratch) == ("rehearsal", SCRATCH)
    for principal in (rehearsal, run):
        assert may_read_run(principal, run_id=RUN, owner="ann")
        assert not may_read_run(principal, run_id=OTHER, owner="ann")


def test_the_warehouse_token_of_a_rehearsal_is_bound_to_its_scratch_dataset_too(platform):
    minted = platform.mint.mint_warehouse_token(platform.caller(SCRATCH).principal)
    claims = platform.warehouse.verify(minted.token)
    assert (claims.purpose, claims.scratch, claims.run, claims.attempt) == ("rehearsal", SCRATCH, RUN, 2)
    assert (minted.expires_at - utc_now()).total_seconds() <= 60


@pytest.mark.parametrize("scratch", ["", "sales.orders", "a b"])
def test_a_token_for_no_dataset_opens_nothing(platform, scratch):
    minted = platform.mint.mint_run_token("ann", [], RUN, 1, scratch)
    with pytest.raises(UnauthenticatedError):
        platform.warehouse.verify(minted.token)
