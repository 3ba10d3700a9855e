"""The labserver passes on the user's own routes and no others, and never without Jupyter's authentication."""

import re

import httpx
import pytest

from athena_lab.labserver.handlers import HANDLERS
from athena_lab.labserver.routes import is_allowed

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", [pattern for pattern, _ in HANDLERS])
def test_no_route_answers_somebody_without_the_token(jupyter, pattern, method):
    path = pattern.replace("(.*)", "runs").replace("(.+)", "a.ipynb").replace("/?", "")
    answer = httpx.request(method, jupyter.url + path, follow_redirects=False, trust_env=False)
    assert answer.status_code in (302, 403)
    assert "athena" not in answer.headers.get("content-type", "")


def test_every_method_of_every_handler_is_marked_as_authenticated():
    for _, handler in HANDLERS:
        own = [name for name in ("get", "post", "put", "patch", "delete") if name in vars(handler)]
        assert own
        assert all(hasattr(vars(handler)[name], "__wrapped__") for name in own)


def test_server_warns_of_no_route_of_ours_without_authentication(jupyter):
    log = jupyter.log.read_text()
    # Jupyter Server lists what it warns of ("GET of X registered for /path"); other extensions may be on that list.
    assert "athena_lab | extension was successfully loaded" in log
    assert not re.findall(r"registered for \S*athena", log)


def test_post_with_a_cookie_but_without_xsrf_token_is_refused(jupyter):
    with httpx.Client(trust_env=False) as browser:
        browser.get(f"{jupyter.url}/api/status", params={"token": jupyter.token})
        cookies = {name for name in browser.cookies if name.startswith("username-")}
        assert cookies, "the token made no session"
        answer = browser.post(f"{jupyter.url}/athena/api/jobs", json={})
    assert answer.status_code == 403
    assert "_xsrf" in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "jobs"),
        ("POST", "jobs/check"),
        ("DELETE", "jobs/daily_peak"),
        ("GET", "jobs/daily-peak/versions/3/promotion"),
        ("GET", "jobs/daily-peak/versions/3"),
        ("POST", "jobs/daily-peak/diff"),
        ("POST", "jobs/daily-peak/rollback"),
        ("POST", "runs/0f0f/cancel"),
        ("POST", "rehearsals"),
        ("GET", "rehearsals"),
        ("GET", "rehearsals/0f0f"),
        ("POST", "rehearsals/0f0f/cancel"),
    ],
)
def test_users_own_routes_are_allowed(method, path):
    assert is_allowed(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "worker/attempts"),
        ("GET", "worker/bundles/ab"),
        ("POST", "warehouse/token"),
        ("POST", "bundles"),
        ("POST", "jobs/import"),
        ("GET", "jobs/daily-peak/export"),
        ("PUT", "jobs"),
        ("DELETE", "rehearsals/0f0f"),
        ("GET", "rehearsals/../worker/bundles/ab"),
        ("GET", "jobs/../worker/bundles/ab"),
        ("GET", "jobs/%2e%2e/worker"),
        ("GET", "jobs/a/b"),
        ("GET", "jobs\nworker"),
        ("GET", ""),
    ],
)
def test_other_routes_are_refused(method, path):
    assert not is_allowed(method, path)


@pytest.mark.parametrize("path", ["worker/bundles/ab", "jobs/..%2Fworker%2Fbundles%2Fab", "jobs/%2e%2e/version"])
def test_refused_route_never_reaches_the_gateway(jupyter, gateway, path):
    answer = jupyter.request("GET", f"/athena/api/{path}")
    assert answer.status_code == 404
    assert not [line for line in gateway.control()["requests"] if re.search(r"worker|\.\.", line)]
