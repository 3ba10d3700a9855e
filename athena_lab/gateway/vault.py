"""The vault: users' secrets, sealed in a file (AES-256-GCM) with a key that only the gateway's user can read."""

from __future__ import annotations

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from athena_lab.errors import ConfigurationError, Fault, InvalidError, NotFoundError
from athena_lab.gateway.durable import create_file, replace_file
from athena_lab.gateway.keys import SECRET_MODE
from athena_lab.gateway_api.secrets import SecretName
from athena_lab.jobs.alert_rules import SECRET_NAME

MOST_SECRETS = 200
_NONCE_BYTES = 12


class Vault:
    """A user's secrets by name; the names lie in clear, a value is bound to its user and name."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._path, self._now, self._lock = folder / "vault.json", now, threading.Lock()
        key_file = folder / "vault.key"
        try:
            if not key_file.exists():
                create_file(key_file, AESGCM.generate_key(256), mode=SECRET_MODE)
            self._cipher = AESGCM(key_file.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"Cannot open the vault: its key '{key_file}' is unusable ({error}). Restore it from a backup."
            ) from error

    def set(self, user: str, name: str, value: str) -> SecretName:
        """Keep a secret, in place of a former one of that name; raise InvalidError."""
        if not SECRET_NAME.fullmatch(name):
            text = f"Cannot keep the secret '{name[:80]}': use A-Z, 0-9 and _, beginning with a letter."
            raise InvalidError([Fault("name", text)])
        with self._lock:
            content = self._read()
            mine = content.setdefault(user, {})
            if name not in mine and len(mine) >= MOST_SECRETS:
                text = f"Cannot keep the secret '{name}': you have {MOST_SECRETS} already. Delete one first."
                raise InvalidError([Fault("name", text)])
            nonce = os.urandom(_NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, value.encode(), _bound(user, name))
            mine[name] = {"sealed": b64encode(nonce + sealed).decode(), "set_at": self._now().isoformat()}
            self._write(content)
        return _name(name, mine[name])

    def names(self, user: str) -> tuple[SecretName, ...]:
        """List a user's secrets by name."""
        mine = self._read().get(user, {})
        return tuple(_name(name, mine[name]) for name in sorted(mine))

    def delete(self, user: str, name: str) -> None:
        """Forget a secret; raise NotFoundError."""
        with self._lock:
            content = self._read()
            if content.get(user, {}).pop(name, None) is None:
                raise _absent(name)
            self._write(content)

    def reveal(self, user: str, name: str) -> str:
        """Give a secret's value, to who may have it: a run of its user's, the sender of alerts; raise NotFoundError."""
        entry = self._read().get(user, {}).get(name)
        if entry is None:
            raise _absent(name)
        raw = b64decode(entry["sealed"])
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(user, name)).decode()
        except InvalidTag as error:
            raise ConfigurationError(
                f"Cannot open the secret '{name}': vault and key do not belong together. Restore both from one backup."
            ) from error

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        try:
            content: dict[str, Any] = json.loads(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"Cannot read the vault '{self._path}' ({type(error).__name__}). Restore it from a backup."
            ) from error
        return content

    def _write(self, content: dict[str, Any]) -> None:
        try:
            replace_file(self._path, json.dumps(content, sort_keys=True, indent=1).encode(), mode=SECRET_MODE)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot write the vault '{self._path}' ({error.strerror}). Free space on its disk, then try again."
            ) from error


def _bound(user: str, name: str) -> bytes:
    return json.dumps([user, name]).encode()


def _name(name: str, entry: dict[str, Any]) -> SecretName:
    return SecretName(name=name, set_at=datetime.fromisoformat(entry["set_at"]))


def _absent(name: str) -> NotFoundError:
    return NotFoundError(
        f"Cannot find the secret '{name[:80]}': its user has none of that name. Set it with `athena secrets set`."
    )
