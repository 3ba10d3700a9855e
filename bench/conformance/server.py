"""An emulator process for the corpora, and the few REST calls that a case needs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt

from athena_lab.gateway.keys import prepare_secrets, read_secrets

PROJECT = "conformance"
_DEADLINE_S = 60
_LIFE_S = 4 * 3600


class RestError(Exception):
    """An answer that is a refusal: BigQuery's reason and message."""

    def __init__(self, status: int, body: Any) -> None:
        error = body.get("error", {}) if isinstance(body, dict) else {}
        first = (error.get("errors") or [{}])[0]
        self.status, self.reason = status, str(first.get("reason", ""))
        self.message = str(error.get("message", body))
        super().__init__(f"{self.reason}: {self.message}")


class Signer:
    """Makes the tokens that the emulator accepts: with a gateway's keys, made for this run."""

    def __init__(self, folder: Path) -> None:
        self.public = folder / "public"
        prepare_secrets(folder / "gateway", self.public)
        self._secrets = read_secrets(folder / "gateway")

    def token(self, user: str, groups: tuple[str, ...] = (), purpose: str = "interactive") -> str:
        now = int(time.time())
        payload = {
            "iss": "athena-gateway", "aud": ["warehouse"], "sub": user, "groups": list(groups), "purpose": purpose,
            "jti": uuid.uuid4().hex, "iat": now, "exp": now + _LIFE_S,
        }  # fmt: skip
        return jwt.encode(payload, self._secrets.signing_key, algorithm="EdDSA", headers={"kid": self._secrets.key_id})


@contextmanager
def emulator() -> Iterator[tuple[str, Signer]]:
    """Run an emulator on free ports in a folder of its own; give its address, and who signs tokens for it."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, (Path(folder) / "log").open("w") as log:
        signer = Signer(Path(folder))
        command = [
            sys.executable, "-m", "athena_lab.emulator.main", "--project", PROJECT, "--location", "US",
            "--data", f"{folder}/data", "--jwks", str(signer.public / "jwks.json"),
            "--revoked", str(signer.public / "revoked.json"),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if words[:2] != ["emulator", "ready"]:
                raise SystemExit(f"the emulator did not start: {(Path(folder) / 'log').read_text()[-2000:]}")
            yield words[3], signer
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


class Rest:
    """BigQuery's REST API as an administrator uses it, and for single queries other callers."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._signer = signer
        headers = {"Authorization": f"Bearer {signer.token('conformance', purpose='platform')}"}
        self._client = httpx.Client(base_url=url, timeout=_DEADLINE_S, headers=headers)
        self._root = f"/bigquery/v2/projects/{PROJECT}"

    def close(self) -> None:
        self._client.close()

    def as_caller(self, caller: str, groups: str) -> dict[str, str]:
        """Give the header of a caller (`user:ADDRESS`) who is a member of groups (`group:ADDRESS,...`)."""
        names = tuple(name.strip().partition(":")[2] for name in groups.split(",") if name.strip())
        return {"Authorization": f"Bearer {self._signer.token(caller.partition(':')[2], names)}"}

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Make one call; raise RestError where it is refused."""
        path = path if path.startswith("/") else f"{self._root}/{path}"
        answer = self._client.request(method, path, json=body, headers=headers)
        try:
            found = answer.json() if answer.content else {}
        except json.JSONDecodeError:
            found = answer.text
        if answer.status_code >= 400:
            raise RestError(answer.status_code, found)
        return found

    def run(self, query: dict[str, Any], extra: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """Run a query job to its end; give its results with all rows, and the job under "job"."""
        body = {"configuration": {"query": {"useLegacySql": False, **query}, **extra}}
        job = self.call("POST", "jobs", body, headers)
        if extra.get("dryRun"):
            return {"schema": job["statistics"]["query"].get("schema", {}), "rows": [], "job": job}
        name = job["jobReference"]["jobId"]
        found = self.call("GET", f"queries/{name}?timeoutMs=60000&formatOptions.useInt64Timestamp=true", None, headers)
        page = found
        while page.get("pageToken"):
            page = self.call(
                "GET",
                f"queries/{name}?pageToken={page['pageToken']}&formatOptions.useInt64Timestamp=true",
                None,
                headers,
            )
            found["rows"] = found.get("rows", []) + page.get("rows", [])
        return {**found, "job": self.call("GET", f"jobs/{name}", None, headers)}
