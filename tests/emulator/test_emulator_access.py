"""Nobody gets in without a token, and nobody into another's jobs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import Forbidden, NotFound, Unauthenticated, Unauthorized

from athena_lab.emulator.grpc_server import METHODS
from athena_lab.emulator.main import main
from athena_lab.emulator.rest.routes import ROUTES
from athena_lab.emulator.storage_read import SERVICE
from athena_lab.emulator.storage_write import SERVICE as WRITE_SERVICE

pytestmark = pytest.mark.stack


def bad_tokens(emulator: Any) -> dict[str, str | None]:
    """Every way to come without a valid token; leaves the revoked list as it must be for them."""
    revoked, old_attempt = emulator.keys.token(jti="gone"), emulator.keys.token(purpose="run", run="r1", attempt=1)
    emulator.keys.revoke(token_ids=["gone"], attempts={"r1": 1})
    return {
        "none": None,
        "garbage": "garbage",
        "expired": emulator.keys.token(life_s=-10),
        "for the gateway only": emulator.keys.token(audience="gateway"),
        "revoked": revoked,
        "of an attempt that was replaced": old_attempt,
        "of another key": type(emulator.keys)(emulator.data.parent / "other").token(),
    }


def ask(url: str, method: str, token: str | None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = b"{}" if method in ("POST", "PUT", "PATCH") else None
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


def test_every_rest_route_refuses_whoever_has_no_valid_token(emulator: Any) -> None:
    tokens = bad_tokens(emulator)
    asked = 0
    for route in ROUTES:
        parts = {"project": "athena", "dataset": "d", "table": "t", "job": "j", "routine": "r", "policy": "p"}
        path = route.path.format(location="eu", **parts)
        for method in (route.methods or set()) - {"HEAD"}:
            for why, token in tokens.items():
                code, body = ask(emulator.url + path, method, token)
                assert code == 401, (route.path, method, why, body)
                assert body["error"]["errors"][0]["reason"] == "required"
                asked += 1
            code, body = ask(emulator.url + path, method, emulator.keys.token())
            assert code != 401, (route.path, method, body)
    assert asked >= len(ROUTES) * len(tokens)
    assert ask(emulator.url + "/no/such/path", "GET", None)[0] == 401


WRITE_METHODS = (
    "CreateWriteStream", "GetWriteStream", "AppendRows", "FinalizeWriteStream", "FlushRows", "BatchCommitWriteStreams",
)  # fmt: skip


def test_every_grpc_method_refuses_whoever_has_no_valid_token(emulator: Any) -> None:
    with grpc.insecure_channel(emulator.grpc_address) as channel:
        services = [*((SERVICE, method) for method in METHODS), *((WRITE_SERVICE, method) for method in WRITE_METHODS)]
        for service, method in (*services, (SERVICE, "NoSuchMethod")):
            for why, token in bad_tokens(emulator).items():
                metadata = [("authorization", f"Bearer {token}")] if token else []
                with pytest.raises(grpc.RpcError) as failed:
                    channel.unary_unary(f"/{service}/{method}")(b"", metadata=metadata, timeout=10)
                assert failed.value.code() == grpc.StatusCode.UNAUTHENTICATED, (method, why)
            token = emulator.keys.token()
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary(f"/{SERVICE}/{method}")(
                    b"", metadata=[("authorization", f"Bearer {token}")], timeout=10
                )
            assert failed.value.code() != grpc.StatusCode.UNAUTHENTICATED


def test_token_that_is_revoked_stops_working_at_once(emulator: Any) -> None:
    token = emulator.keys.token(jti="soon")
    client, storage = emulator.client(token=token), emulator.storage(token=token)
    list(client.list_datasets())
    emulator.keys.revoke(token_ids=["soon"])
    with pytest.raises(Unauthorized):
        list(client.list_datasets(retry=None))
    with pytest.raises(Unauthenticated):
        storage.create_read_session(parent="projects/athena", read_session={"table": "x"}, retry=None)


def test_jobs_and_results_are_their_owners_alone(emulator: Any) -> None:
    ada, bob = emulator.client("ada"), emulator.client("bob")
    run = emulator.client("ada", purpose="run", run="r9", attempt=1)
    platform = emulator.client("gateway", purpose="platform")
    job = ada.query("SELECT 'secret' AS s")
    job.result()
    for other in (bob, run):
        for attempt in (other.get_job, other.cancel_job):
            with pytest.raises(NotFound):
                attempt(job.job_id, retry=None)
        assert job.job_id not in [item.job_id for item in other.list_jobs(all_users=True)]
        with pytest.raises(NotFound):
            other.query_and_wait(f"SELECT * FROM `{job.destination}`", job_retry=None)
        with pytest.raises(NotFound):
            list(other.list_rows(job.destination, selected_fields=job.result().schema, retry=None))
    table = f"projects/athena/datasets/{job.destination.dataset_id}/tables/{job.destination.table_id}"
    with pytest.raises(NotFound):
        emulator.storage("bob").create_read_session(
            parent="projects/athena", read_session={"table": table, "data_format": "ARROW"}
        )
    assert ada.get_job(job.job_id).user_email == "ada@athena.local"
    assert job.job_id in [item.job_id for item in ada.list_jobs()]
    assert job.job_id in [item.job_id for item in platform.list_jobs(all_users=True)]
    assert platform.get_job(job.job_id).query == "SELECT 'secret' AS s"


def test_stream_of_another_user_cannot_be_read(emulator: Any) -> None:
    ada = emulator.client("ada")
    job = ada.query("SELECT 1 AS a")
    job.result()
    table = f"projects/athena/datasets/{job.destination.dataset_id}/tables/{job.destination.table_id}"
    session = emulator.storage("ada").create_read_session(
        parent="projects/athena", read_session={"table": table, "data_format": "ARROW"}
    )
    with pytest.raises(NotFound):
        emulator.storage("bob").read_rows(session.streams[0].name, retry=None).to_arrow()


def test_another_project_is_refused(emulator: Any) -> None:
    with pytest.raises(Forbidden):
        list(emulator.client().list_datasets(project="elsewhere", retry=None))


def test_anonymous_trust_is_refused_beyond_loopback(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "d"), "--host", "0.0.0.0", "--trust-anonymous"]) == 2
    assert "not loopback" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "d")]) == 2
    assert "--jwks" in capsys.readouterr().err
