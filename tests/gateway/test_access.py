"""Every route of the application is guarded: asked without, with garbage and with other kinds of credentials."""

import base64
import hmac
import json
import time

import httpx
import jwt
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from athena_lab.errors import ConfigurationError
from athena_lab.gateway.access import GuardedRoute
from athena_lab.gateway.app import make_app
from athena_lab.gateway.keys import read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.services import utc_now
from athena_lab.gateway_api.jobs import RunRequest
from athena_lab.gateway_api.wire import ErrorBody, Principal

OPEN = {"/healthz"}
ROUTES = [(next(iter(route.methods)), route) for route in make_app().routes]
GUARDED = [(method, route) for method, route in ROUTES if route.path not in OPEN]
EXAMPLES = {
    "job": "runs",
    "run": "0" * 32,
    "attempt": "1",
    "version": "1",
    "content_hash": "0" * 64,
    "name": "NAME",
    "backfill": "1",
    "rehearsal": "0" * 32,
}
TOKENS = {"ann": "token-of-ann-" + "a" * 30}


def path_of(route: APIRoute) -> str:
    return route.path.format(**EXAMPLES)


def name_of(value):
    return f"{value.methods} {value.path}" if isinstance(value, APIRoute) else None


@pytest.fixture(scope="module")
def mint(gateway):
    return Mint(read_secrets(gateway.home.gateway), run_token_s=60, warehouse_token_s=900, now=utc_now)


@pytest.fixture(scope="module")
def run_under_way(gateway):
    job = gateway.deploy("print('access')", name="Access")
    run = gateway.ann.run_job(job.id, RunRequest())
    gateway.worker.begin_attempt(gateway.attempt_request(run, job))
    return run.id


@pytest.fixture
def run_token(gateway, run_under_way):
    """Renewed for each test: on a busy machine all of them take longer than one lives."""
    return gateway.worker.heartbeat(run_under_way, 1).token


def forgeries(gateway, run_token, mint):
    """Credentials that nobody must take, by what is wrong with them."""
    secrets = read_secrets(gateway.home.gateway)
    claims = jwt.decode(run_token, options={"verify_signature": False})
    key = secrets.signing_key

    def signed(changes, headers=None, algorithm="EdDSA", with_key=key):
        headers = {"kid": secrets.key_id} if headers is None else headers
        return jwt.encode(claims | changes, with_key, algorithm=algorithm, headers=headers)

    header, payload, signature = run_token.split(".")
    tampered = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "bob"}).encode()).rstrip(b"=").decode()
    user = Principal(kind="user", user="ann", groups=("analysts",))
    return {
        "garbage": "garbage",
        "long": "x" * 100_000,
        "dots": "a.b.c",
        "expired": signed({"exp": int(time.time()) - 1}),
        "other issuer": signed({"iss": "somebody"}),
        "other audience": signed({"aud": ["warehouse"]}),
        "no run": signed({"run": None}),
        "interactive": signed({"purpose": "interactive"}),
        "unknown key": signed({}, headers={"kid": "other"}),
        "no key": signed({}, headers={}),
        "no algorithm": signed({}, algorithm="none", with_key=None),
        "public key as secret": hmac_signed(claims, secrets.key_id, gateway.home.jwks.read_bytes()),
        "tampered": f"{header}.{tampered}.{signature}",
        "unsigned": f"{header}.{payload}.",
        "warehouse token": mint.mint_warehouse_token(user).token,
        "platform token": mint.mint_platform_token().token,
        "digest for token": json.loads((gateway.home.gateway / "users.json").read_text())[0]["token_sha256"],
        "part of the key": gateway.worker_key[:-1],
    }


def hmac_signed(claims, key_id, secret):
    """A token signed with HMAC, by hand: the library refuses to sign with a public key."""
    parts = [{"alg": "HS256", "typ": "JWT", "kid": key_id}, claims]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return (text + b"." + signature).decode()


def test_the_list_of_routes_is_not_empty_and_only_health_is_open():
    assert len(GUARDED) >= 24
    assert {route.path for _, route in ROUTES if not isinstance(route, GuardedRoute)} == OPEN


@pytest.mark.parametrize(("method", "route"), GUARDED, ids=name_of)
def test_a_route_refuses_whoever_has_no_valid_credential(gateway, run_token, mint, method, route):
    path = path_of(route)
    answers = {"none": gateway.send(method, path, json={"far": "from valid"})}
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        answers["query"] = client.request(method, path, params={"token": TOKENS["ann"], "access_token": TOKENS["ann"]})
        answers["basic"] = client.request(method, path, headers={"Authorization": f"Basic {TOKENS['ann']}"})
        answers["cookie"] = client.request(method, path, headers={"Cookie": f"token={TOKENS['ann']}"})
        answers["empty"] = client.request(method, path, headers={"Authorization": "Bearer"})
        for name, token in forgeries(gateway, run_token, mint).items():
            answers[name] = client.request(method, path, headers={"Authorization": f"Bearer {token}"})
    for name, answer in answers.items():
        expected = {401, 431} if name == "long" else {401}
        assert answer.status_code in expected, (name, answer.text)
        if answer.status_code == 401:
            assert ErrorBody.model_validate_json(answer.content).error == "UnauthenticatedError"


@pytest.mark.parametrize(("method", "route"), GUARDED, ids=name_of)
def test_a_route_refuses_every_other_kind_of_credential(gateway, run_token, method, route):
    kinds = route.endpoint.access.kinds
    holders = {"user": TOKENS["ann"], "run": run_token, "worker": gateway.worker_key}
    assert kinds < holders.keys()
    assert "worker" not in kinds or route.path.startswith("/v1/worker/")
    for kind in holders.keys() - kinds:
        answer = gateway.send(method, path_of(route), holders[kind], json={"far": "from valid"})
        assert answer.status_code == 403, (kind, answer.text)
        assert ErrorBody.model_validate_json(answer.content).error == "ForbiddenError"


@pytest.mark.parametrize(("method", "route"), GUARDED, ids=name_of)
def test_a_route_takes_its_own_kinds(gateway, run_token, method, route):
    holders = {"user": TOKENS["ann"], "run": run_token, "worker": gateway.worker_key}
    for kind in route.endpoint.access.kinds:
        answer = gateway.send(method, path_of(route), holders[kind])
        assert answer.status_code != 401, answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_health_tells_nothing_else(gateway):
    answer = gateway.send("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/v1/nothing", "/", "/v1/jobs/", "/healthz/"])
def test_there_is_no_other_route(gateway, path):
    answer = gateway.send("GET", path, TOKENS["ann"])
    assert answer.status_code == 404
    assert ErrorBody.model_validate_json(answer.content).error == "NotFoundError"


def test_no_other_origin_is_invited(gateway):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(gateway.url + "/v1/jobs", headers=headers, trust_env=False)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_route_without_a_guard_cannot_be_made():
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(ConfigurationError, match="has no guard"):
        router.get("/open")(lambda: None)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_however_it_is_sent(gateway, chunked):
    body = b'{"name": "' + b"x" * (1024 * 1024) + b'"}'
    content = iter([body[:700_000], body[700_000:]]) if chunked else body
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(
        gateway.url + "/v1/jobs",
        content=content,
        headers=headers | {"Authorization": f"Bearer {TOKENS['ann']}"},
        trust_env=False,
    )
    assert answer.status_code == 413
    assert ErrorBody.model_validate_json(answer.content).error == "TooLargeError"


def test_a_body_of_the_wrong_shape_names_every_field_and_nothing_that_was_sent(gateway):
    answer = gateway.send("POST", "/v1/jobs", TOKENS["ann"], json={"name": ["s3cret"], "retries": "s3cret", "more": 1})
    body = ErrorBody.model_validate_json(answer.content)
    assert (answer.status_code, body.error) == (422, "InvalidError")
    assert {fault.field for fault in body.faults} == {"bundle", "name", "retries", "more"}
    assert "s3cret" not in answer.text


def test_json_that_does_not_parse_is_the_callers_mistake(gateway):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKENS['ann']}"}
    answer = httpx.post(gateway.url + "/v1/jobs", content=b"{", headers=headers, trust_env=False)
    assert answer.status_code == 422
