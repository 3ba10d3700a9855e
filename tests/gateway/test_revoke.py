"""Revocation: withdrawn at once for every verifier, forgotten when nothing can be valid any more."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConfigurationError, UnauthenticatedError
from athena_lab.gateway.keys import prepare_secrets, read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.revoke import Revocations
from athena_lab.gateway_api.tokens import GATEWAY, TokenVerifier
from athena_lab.settings import Home

RUN, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def platform(tmp_path):
    home = Home(tmp_path)
    prepare_secrets(home.gateway, home.public)
    return home


@pytest.fixture
def clock():
    return [datetime.now(UTC)]


@pytest.fixture
def revocations(platform, clock):
    return Revocations(platform.revoked, longest_life_s=900, now=lambda: clock[0])


@pytest.fixture
def mint(platform, clock):
    return Mint(read_secrets(platform.gateway), run_token_s=60, warehouse_token_s=900, now=lambda: clock[0])


def test_the_attempts_up_to_one_are_withdrawn_and_later_and_other_runs_are_not(platform, revocations, mint):
    verifier = TokenVerifier(platform.jwks, platform.revoked, GATEWAY)
    tokens = {number: mint.mint_run_token("ann", (), RUN, number).token for number in (1, 2, 3)}
    other = mint.mint_run_token("ann", (), OTHER, 1).token
    revocations.revoke_attempts(RUN, 2)
    for number in (1, 2):
        with pytest.raises(UnauthenticatedError, match="revoked"):
            verifier.verify(tokens[number])
    assert verifier.verify(tokens[3]).attempt == 3
    assert verifier.verify(other).run == OTHER


def test_a_lower_attempt_never_takes_back_a_higher_one(platform, revocations):
    revocations.revoke_attempts(RUN, 3)
    revocations.revoke_attempts(RUN, 1)
    assert json.loads(platform.revoked.read_bytes())["attempts"] == {RUN: 3}


def test_one_token_is_withdrawn_by_its_id(platform, revocations, mint):
    verifier = TokenVerifier(platform.jwks, platform.revoked, GATEWAY)
    first, second = (mint.mint_run_token("ann", (), RUN, 1) for _ in range(2))
    revocations.revoke_token(first.token_id)
    with pytest.raises(UnauthenticatedError):
        verifier.verify(first.token)
    assert verifier.verify(second.token).user == "ann"


def test_entries_are_kept_while_a_token_can_live_and_pruned_after(platform, revocations, clock):
    revocations.revoke_attempts(RUN, 1)
    revocations.revoke_token("t")
    clock[0] += timedelta(seconds=900)
    revocations.revoke_attempts(OTHER, 1)
    assert set(json.loads(platform.revoked.read_bytes())["attempts"]) == {RUN, OTHER}
    clock[0] += timedelta(seconds=200)
    revocations.revoke_attempts(OTHER, 2)
    content = json.loads(platform.revoked.read_bytes())
    assert (content["attempts"], content["token_ids"], set(content["until"])) == ({OTHER: 2}, [], {OTHER})


def test_the_file_stays_readable_for_all_and_leaves_no_draft(platform, revocations):
    revocations.revoke_attempts(RUN, 1)
    assert stat.S_IMODE(platform.revoked.stat().st_mode) == 0o644
    assert sorted(path.name for path in platform.public.iterdir()) == ["jwks.json", "revoked.json"]


def test_what_cannot_be_read_cannot_be_revoked_silently(platform, revocations):
    platform.revoked.write_text("{")
    with pytest.raises(ConfigurationError, match=r"revoked\.json"):
        revocations.revoke_attempts(RUN, 1)
