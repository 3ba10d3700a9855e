"""The gateway's secrets: made once in files of mode 0600, read at start; the public keys beside them."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from athena_lab.errors import ConfigurationError
from athena_lab.gateway.durable import create_file, replace_file

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644
NOTHING_REVOKED: dict[str, Any] = {"attempts": {}, "token_ids": []}
_SHORTEST_WORKER_KEY = 32
_users_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the gateway signs with (Ed25519, RFC 8037) and what proves an Airflow worker."""

    signing_key: Ed25519PrivateKey = field(repr=False)
    key_id: str
    worker_key: str = field(repr=False)


def prepare_secrets(gateway: Path, public: Path) -> None:
    """Make what is absent of: signing key, worker key, users, public keys, list of revoked tokens.

    Idempotent, and safe when two processes do it at once. Raises ConfigurationError when the folders
    cannot be written.
    """
    try:
        gateway.mkdir(parents=True, exist_ok=True, mode=0o700)
        public.mkdir(parents=True, exist_ok=True, mode=0o755)
        _create(gateway / "signing.key", _new_signing_key(), SECRET_MODE)
        _create(gateway / "worker.key", secrets.token_urlsafe(48).encode(), SECRET_MODE)
        _create(gateway / "users.json", b"[]\n", SECRET_MODE)
        _create(public / "revoked.json", _json(NOTHING_REVOKED), PUBLIC_MODE)
        _publish_key(gateway, public / "jwks.json")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot make the gateway's secrets: '{error.filename}' cannot be written ({error.strerror}). "
            "Run `athena up` as the user who owns ATHENA_HOME."
        ) from error


def read_secrets(gateway: Path) -> Secrets:
    """Read the secrets; raise ConfigurationError where one is absent or readable by others."""
    pem = _read_secret(gateway / "signing.key")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise ConfigurationError(
            f"Cannot start the gateway: '{gateway / 'signing.key'}' is no key in PEM. Restore it from a backup."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"Cannot start the gateway: '{gateway / 'signing.key'}' is no Ed25519 key. Restore it from a backup."
        )
    worker_key = _read_secret(gateway / "worker.key").decode().strip()
    if len(worker_key) < _SHORTEST_WORKER_KEY:
        raise ConfigurationError(
            f"Cannot start the gateway: '{gateway / 'worker.key'}' is too short to be a key. "
            "Remove it, then run `athena gateway --init`."
        )
    return Secrets(signing_key=key, key_id=_public_jwk(key)["kid"], worker_key=worker_key)


def add_user(users: Path, user: str, groups: Sequence[str], token: str) -> None:
    """Let `user` in with `token`; only its SHA-256 is kept. Replaces the user's former entry."""
    entry = {"user": user, "groups": list(groups), "token_sha256": token_digest(token)}
    with _users_lock:
        present = json.loads(users.read_bytes()) if users.exists() else []
        others = [item for item in present if item["user"] != user]
        replace_file(users, _json([*others, entry]), mode=SECRET_MODE)


def token_digest(token: str) -> str:
    """Give the SHA-256 of a token in hex; enough for tokens of 256 random bits (no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()


def _create(path: Path, content: bytes, mode: int) -> None:
    if not path.exists():
        create_file(path, content, mode=mode)


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _publish_key(gateway: Path, jwks: Path) -> None:
    """List the present key among the published ones; keys of before stay, so their tokens live on."""
    jwk = _public_jwk(read_secrets(gateway).signing_key)
    published = json.loads(jwks.read_bytes())["keys"] if jwks.exists() else []
    if any(key.get("kid") == jwk["kid"] for key in published):
        return
    replace_file(jwks, _json({"keys": [jwk, *published]}), mode=PUBLIC_MODE)


def _public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    # The thumbprint of RFC 7638: SHA-256 over the required members in order, without white space.
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    thumbprint = _base64url(hashlib.sha256(text.encode()).digest())
    return members | {"kid": thumbprint, "alg": "EdDSA", "use": "sig"}


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read_secret(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"Cannot start the gateway: others may read the secret '{path}'. Run `chmod 600` on it."
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"Cannot start the gateway: the secret '{path}' cannot be read ({error.strerror}). "
            "Run `athena gateway --init` as the gateway's user."
        ) from error


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()
