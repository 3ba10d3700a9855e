"""Secrets of one machine: made on the first start, each in a file of mode 0600 of the user who needs it."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from athena_lab.settings import Home
from athena_lab.stack.accounts import Account, Accounts
from athena_lab.stack.dropped import read_if_present, run_as, write_private

LOCAL_USER = "analyst"
LOCAL_GROUPS = ("local",)
AIRFLOW_USER = "athena"


@dataclass(frozen=True, slots=True)
class AirflowSecrets:
    """What stands in airflow.cfg; never in an environment or on a command line."""

    fernet_key: str
    jwt_secret: str
    api_secret: str

    def __repr__(self) -> str:
        return "AirflowSecrets(…)"


def prepare_credentials(home: Home, accounts: Accounts) -> None:
    """Make what is absent of the secrets; what is there stays. Raise ConfigurationError where a file is unusable."""
    gateway, airflow, analyst = (accounts.of(role) for role in ("gateway", "airflow", "analyst"))
    token = ensure_secret(home.analyst / "token", analyst, secrets.token_urlsafe(32))
    worker_key = run_as(gateway, lambda: _prepare_gateway(home, token))
    ensure_secret(home.worker / "worker.key", airflow, worker_key, replaces=True)
    password = ensure_secret(home.gateway / "airflow.password", gateway, secrets.token_urlsafe(32))
    passwords = json.dumps({AIRFLOW_USER: password})
    ensure_secret(home.airflow / "passwords.json", airflow, passwords, replaces=True)


def prepare_airflow_secrets(home: Home, account: Account) -> AirflowSecrets:
    """Make or read Airflow's own secrets."""
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return AirflowSecrets(
        fernet_key=ensure_secret(home.airflow / "fernet.key", account, fernet),
        jwt_secret=ensure_secret(home.airflow / "jwt.secret", account, secrets.token_urlsafe(64)),
        api_secret=ensure_secret(home.airflow / "api.secret", account, secrets.token_urlsafe(32)),
    )


def ensure_secret(path: Path, account: Account, value: str, *, replaces: bool = False) -> str:
    """Give the secret in `path`, after writing `value` there if it was absent (or another one, if `replaces`)."""

    def ensure() -> str:
        present = read_if_present(path)
        if present and (present == value or not replaces):
            return present
        write_private(path, f"{value}\n")
        return value

    return run_as(account, ensure)


def _prepare_gateway(home: Home, token: str) -> str:
    # Here and not above: cryptography is heavy, and `athena status` needs none of it.
    from athena_lab.gateway import keys  # noqa: PLC0415 (above)

    keys.prepare_secrets(home.gateway, home.public)
    if keys.token_digest(token) not in (home.gateway / "users.json").read_text():
        keys.add_user(home.gateway / "users.json", LOCAL_USER, LOCAL_GROUPS, token)
    return (home.gateway / "worker.key").read_text().strip()
