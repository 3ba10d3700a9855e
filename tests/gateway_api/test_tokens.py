"""Verification of the gateway's tokens by whoever holds no secret."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from athena_lab.errors import ConfigurationError, UnauthenticatedError
from athena_lab.gateway_api.tokens import GATEWAY, ISSUER, WAREHOUSE, TokenVerifier

RUN = "a" * 32


class Issuer:
    """A key with its published files, as the gateway keeps them."""

    def __init__(self, folder):
        self.key = Ed25519PrivateKey.generate()
        self.jwks, self.revoked = folder / "jwks.json", folder / "revoked.json"
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        public = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        self.publish({"kty": "OKP", "crv": "Ed25519", "x": public, "kid": "k1"})
        self.revoke()

    def publish(self, *keys):
        self.jwks.write_text(json.dumps({"keys": list(keys)}))

    def revoke(self, attempts=None, token_ids=()):
        replacement = self.revoked.with_suffix(".new")
        replacement.write_text(json.dumps({"attempts": attempts or {}, "token_ids": list(token_ids)}))
        replacement.replace(self.revoked)

    def sign(self, kid="k1", **changes):
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": [WAREHOUSE],
            "sub": "ann",
            "groups": ["analysts"],
            "purpose": "interactive",
            "jti": "t1",
            "iat": now,
            "exp": now + 60,
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": kid} if kid else {})

    def verifier(self, audience=WAREHOUSE):
        return TokenVerifier(self.jwks, self.revoked, audience)


@pytest.fixture
def issuer(tmp_path):
    return Issuer(tmp_path)


def test_a_valid_token_gives_its_claims(issuer):
    claims = issuer.verifier().verify(issuer.sign(run=RUN, attempt=2, purpose="run"))
    assert (claims.user, claims.groups, claims.purpose, claims.token_id) == ("ann", ("analysts",), "run", "t1")
    assert (claims.run, claims.attempt) == (RUN, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"jti": None},
        {"aud": None},
        {"aud": [GATEWAY]},
        {"iss": "somebody"},
        {"iss": None},
        {"kid": "k2"},
        {"kid": None},
    ],
    ids=str,
)
def test_a_token_that_lacks_or_bends_anything_is_refused(issuer, changes):
    with pytest.raises(UnauthenticatedError):
        issuer.verifier().verify(issuer.sign(**changes))


def test_a_rehearsals_token_says_where_it_may_write(issuer):
    claims = issuer.verifier().verify(issuer.sign(run=RUN, attempt=1, purpose="rehearsal", scratch="_rehearsal_0a"))
    assert (claims.purpose, claims.run, claims.scratch) == ("rehearsal", RUN, "_rehearsal_0a")
    assert issuer.verifier().verify(issuer.sign(run=RUN, attempt=1, purpose="run")).scratch is None


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "rehearsal"},
        {"purpose": "run", "scratch": "_rehearsal_0a"},
        {"scratch": "_rehearsal_0a"},
        *({"purpose": "rehearsal", "scratch": name} for name in ("", "a.b", "a`", "a\n", "é", 7, ["a"], {}, True)),
    ],
    ids=str,
)
def test_a_rehearsals_token_that_names_no_dataset_is_refused_and_so_is_anybody_elses_that_does(issuer, changes):
    with pytest.raises(UnauthenticatedError, match="scratch"):
        issuer.verifier().verify(issuer.sign(run=RUN, attempt=1, **changes))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30.", "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_token_is_refused(issuer, text):
    with pytest.raises(UnauthenticatedError):
        issuer.verifier().verify(text)


def test_a_revoked_attempt_is_refused_as_soon_as_the_file_changes(issuer):
    verifier = issuer.verifier()
    first, second = (issuer.sign(run=RUN, attempt=number) for number in (1, 2))
    assert verifier.verify(first).attempt == 1
    issuer.revoke({RUN: 1})
    with pytest.raises(UnauthenticatedError, match="revoked"):
        verifier.verify(first)
    assert verifier.verify(second).attempt == 2


def test_a_revoked_token_id_is_refused(issuer):
    issuer.revoke(token_ids=["t1"])
    with pytest.raises(UnauthenticatedError, match="revoked"):
        issuer.verifier().verify(issuer.sign())
    assert issuer.verifier().verify(issuer.sign(jti="t2")).token_id == "t2"


def test_a_withdrawn_key_ends_its_tokens(issuer):
    verifier = issuer.verifier()
    token = issuer.sign()
    assert verifier.verify(token).user == "ann"
    issuer.publish()
    with pytest.raises(UnauthenticatedError):
        verifier.verify(token)


@pytest.mark.parametrize("name", ["jwks", "revoked"])
def test_without_the_published_files_nothing_is_accepted(issuer, name):
    getattr(issuer, name).unlink()
    with pytest.raises(ConfigurationError, match="Start the gateway"):
        issuer.verifier().verify(issuer.sign())
