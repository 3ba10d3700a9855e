"""The gateway's secrets: made once, for the gateway alone, and never guessed at."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from athena_lab.errors import ConfigurationError, UnauthenticatedError
from athena_lab.gateway.keys import add_user, prepare_secrets, read_secrets, token_digest
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.services import utc_now
from athena_lab.gateway_api.tokens import GATEWAY, TokenVerifier
from athena_lab.settings import Home

SECRETS = ("signing.key", "worker.key", "users.json")


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    prepare_secrets(made.gateway, made.public)
    return made


def contents(home):
    return {path: path.read_bytes() for path in (*home.gateway.iterdir(), *home.public.iterdir())}


def test_secrets_are_for_the_gateway_alone_and_public_files_for_all(home):
    assert stat.S_IMODE(home.gateway.stat().st_mode) == 0o700
    assert {stat.S_IMODE((home.gateway / name).stat().st_mode) for name in SECRETS} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.jwks, home.revoked)} == {0o644}
    assert sorted(path.name for path in home.gateway.iterdir()) == sorted(SECRETS)


def test_preparing_again_changes_nothing(home):
    before = contents(home)
    prepare_secrets(home.gateway, home.public)
    assert contents(home) == before


def test_many_first_starts_at_once_agree_on_one_key(tmp_path):
    home = Home(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: prepare_secrets(home.gateway, home.public), range(8)))
    (key,) = json.loads(home.jwks.read_bytes())["keys"]
    assert key["kid"] == read_secrets(home.gateway).key_id
    assert len(list(home.gateway.iterdir())) == len(SECRETS)


def test_the_published_keys_hold_no_private_part(home):
    (key,) = json.loads(home.jwks.read_bytes())["keys"]
    assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x"]


def test_tokens_of_a_former_key_live_on_beside_a_new_key(home):
    mint = Mint(read_secrets(home.gateway), run_token_s=60, warehouse_token_s=60, now=utc_now)
    old = mint.mint_run_token("ann", (), "0" * 32, 1).token
    (home.gateway / "signing.key").unlink()
    prepare_secrets(home.gateway, home.public)
    new = Mint(read_secrets(home.gateway), run_token_s=60, warehouse_token_s=60, now=utc_now)
    verifier = TokenVerifier(home.jwks, home.revoked, GATEWAY)
    assert verifier.verify(old).user == "ann"
    assert verifier.verify(new.mint_run_token("ann", (), "0" * 32, 1).token).user == "ann"


@pytest.mark.parametrize("name", ["signing.key", "worker.key"])
def test_a_secret_that_others_may_read_is_refused(home, name):
    (home.gateway / name).chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read"):
        read_secrets(home.gateway)


@pytest.mark.parametrize(("name", "content"), [("signing.key", b"no key"), ("worker.key", b""), ("worker.key", b"x")])
def test_a_damaged_secret_is_named(home, name, content):
    (home.gateway / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        read_secrets(home.gateway)


def test_an_absent_secret_says_how_to_make_it(home):
    (home.gateway / "worker.key").unlink()
    with pytest.raises(ConfigurationError, match="--init"):
        read_secrets(home.gateway)


def test_a_users_token_is_kept_as_its_digest_only(home):
    users = home.gateway / "users.json"
    add_user(users, "ann", ["analysts"], "secret-token")
    add_user(users, "ann", ["analysts", "billing"], "another-token")
    add_user(users, "bob", [], "third-token")
    assert "token" not in users.read_text().replace("token_sha256", "")
    entries = json.loads(users.read_bytes())
    assert [(entry["user"], entry["groups"]) for entry in entries] == [("ann", ["analysts", "billing"]), ("bob", [])]
    assert entries[0]["token_sha256"] == token_digest("another-token")
    assert stat.S_IMODE(users.stat().st_mode) == 0o600


def test_no_secret_shows_in_a_representation(home):
    secrets = read_secrets(home.gateway)
    assert secrets.worker_key not in repr(secrets)
    minted = Mint(secrets, run_token_s=60, warehouse_token_s=60, now=utc_now).mint_platform_token()
    assert minted.token not in repr(minted)


def test_a_token_of_another_gateway_is_refused(home, tmp_path):
    other = Home(tmp_path / "other")
    other.root.mkdir()
    prepare_secrets(other.gateway, other.public)
    theirs = read_secrets(other.gateway)
    forged = replace(theirs, key_id=read_secrets(home.gateway).key_id)
    verifier = TokenVerifier(home.jwks, home.revoked, GATEWAY)
    for secrets in (theirs, forged):
        token = Mint(secrets, run_token_s=60, warehouse_token_s=60, now=utc_now).mint_run_token("ann", (), "0" * 32, 1)
        with pytest.raises(UnauthenticatedError):
            verifier.verify(token.token)
