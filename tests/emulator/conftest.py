"""A real emulator process with its own keys, and real clients for it."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google.auth.credentials
import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from tests.emulator.policy_parts import PEOPLE, attach, policy
from tests.nursery import Child, Nursery


class EmulatorKeys:
    """The gateway's part: a signing key, and the files that it publishes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.jwks, self.revoked = folder / "jwks.json", folder / "revoked.json"
        self._key = Ed25519PrivateKey.generate()
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key()))
        self.jwks.write_text(json.dumps({"keys": [public | {"kid": "k1", "alg": "EdDSA"}]}))
        self.revoke()

    def token(self, user: str = "ada", *, life_s: int = 3600, audience: str = "warehouse", **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": "athena-gateway", "aud": [audience], "sub": user, "groups": [], "purpose": "interactive",
            "jti": uuid.uuid4().hex, "iat": now, "exp": now + life_s, **claims,
        }  # fmt: skip
        return jwt.encode(payload, self._key, algorithm="EdDSA", headers={"kid": "k1"})

    def revoke(self, **content: Any) -> None:
        fresh = self.revoked.with_suffix(".new")
        fresh.write_text(json.dumps({"attempts": {}, "token_ids": []} | content))
        fresh.replace(self.revoked)


class TokenCredentials(google.auth.credentials.Credentials):
    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def refresh(self, request: Any) -> None: ...


class TokenInterceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    def _with_token(self, details: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {self._token}")]
        return details._replace(metadata=metadata)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)


@dataclass
class Emulator:
    """A running emulator process."""

    data: Path
    keys: EmulatorKeys
    nursery: Nursery
    extra: tuple[str, ...] = ()
    process: Child | None = None
    starts: int = 0
    url: str = ""
    grpc_address: str = ""
    announcement: str = ""
    closing: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        arguments = ["--port", "0", "--grpc-port", "0", "--data", str(self.data), *self.extra]
        arguments += ["--jwks", str(self.keys.jwks), "--revoked", str(self.keys.revoked)]
        folder = self.data.parent
        self.starts += 1
        self.process = self.nursery.start(
            "athena_lab.emulator.main:main", arguments, os.environ,
            folder / f"emulator{self.starts}.out", folder / "emulator.log",
        )  # fmt: skip
        self.announcement = self.process.first_line("emulator ready")
        words = self.announcement.split()
        self.url, self.grpc_address = words[3], words[6]

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        for close in self.closing:
            close()
        self.closing.clear()
        self.process.send_signal(how)
        return self.process.wait(30)

    def client(self, user: str = "ada", *, token: str | None = None, **claims: Any) -> bigquery.Client:
        made = bigquery.Client(
            project="athena",
            credentials=TokenCredentials(token or self.keys.token(user, **claims)),
            client_options={"api_endpoint": self.url},
        )
        self.closing.append(made.close)
        return made

    def storage(self, user: str = "ada", *, token: str | None = None, **claims: Any) -> BigQueryReadClient:
        channel = grpc.insecure_channel(self.grpc_address, options=[("grpc.max_receive_message_length", -1)])
        self.closing.append(channel.close)
        interceptor = TokenInterceptor(token or self.keys.token(user, **claims))
        return BigQueryReadClient(
            transport=BigQueryReadGrpcTransport(channel=grpc.intercept_channel(channel, interceptor))
        )


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[Emulator]:
    """One emulator for all tests that do not stop it; each uses a dataset of its own."""
    folder = tmp_path_factory.mktemp("emulator")
    made = Emulator(folder / "data", EmulatorKeys(folder / "public"), nursery)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own_emulator(tmp_path: Path, nursery: Nursery) -> Iterator[Emulator]:
    """An emulator that a test may stop and start."""
    made = Emulator(tmp_path / "data", EmulatorKeys(tmp_path / "public"), nursery)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


@pytest.fixture(scope="session")
def bq(emulator: Emulator) -> bigquery.Client:
    return emulator.client()


@pytest.fixture(scope="session")
def bq_storage(emulator: Emulator) -> BigQueryReadClient:
    return emulator.storage()


@pytest.fixture
def dataset(bq: bigquery.Client) -> Iterator[str]:
    name = f"d_{uuid.uuid4().hex[:12]}"
    bq.create_dataset(name)
    yield name
    bq.delete_dataset(name, delete_contents=True, not_found_ok=True)


@pytest.fixture(scope="session")
def admin(emulator: Any) -> bigquery.Client:
    return emulator.client("root", groups=["admins"])


@pytest.fixture(scope="session")
def reader(emulator: Any) -> bigquery.Client:
    return emulator.client("mona", groups=["analysts"])


@pytest.fixture(scope="session")
def outsider(emulator: Any) -> bigquery.Client:
    return emulator.client("otto")


@pytest.fixture(scope="session")
def insider(emulator: Any) -> bigquery.Client:
    return emulator.client("ines", groups=["fine"])


@pytest.fixture
def people(admin: bigquery.Client) -> Iterator[str]:
    """A table with a masked email (analysts), raw for the group fine, closed to everybody else."""
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    rows = ", ".join(
        f"({id_}, '{email}', {'NULL' if name is None else repr(name)}, '{region}', {spend})"
        for id_, email, name, region, spend in PEOPLE
    )
    table = f"{dataset}.people"
    admin.query_and_wait(f"CREATE TABLE {table} (id INT64, email STRING, name STRING, region STRING, spend FLOAT64)")
    admin.query_and_wait(f"INSERT INTO {table} VALUES {rows}")
    attach(admin, table, "email", policy(admin, "EMAIL_MASK", "group:analysts"), policy(admin, None, "group:fine"))
    yield table
    admin.delete_dataset(dataset, delete_contents=True)
