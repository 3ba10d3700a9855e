"""The OpenAPI document is the application's own, and covers the client's routes."""

import inspect
import json
import re
from pathlib import Path

from athena_lab.gateway.app import make_app
from athena_lab.gateway.openapi import render
from athena_lab.gateway_api.client import GatewayClient

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
COMMAND = "python -m athena_lab.gateway.openapi > docs/openapi.json"


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text() == render(), f"docs/openapi.json is out of date; make it anew: {COMMAND}"


def test_every_route_is_in_the_document_and_only_health_needs_no_credential():
    paths = json.loads(DOCUMENT.read_text())["paths"]
    assert set(paths) == {route.path for route in make_app().routes}
    assert paths["/healthz"]["get"]["security"] == []
    assert json.loads(DOCUMENT.read_text())["security"] == [{"bearer": []}]


def test_every_route_that_the_client_calls_is_served():
    code = inspect.getsource(GatewayClient)
    called = {re.sub(r"\{[^}]*\}", "*", path) for path in re.findall(r'f?"(/v1/[^"]*)"', code)}
    served = {re.sub(r"\{[^}]*\}", "*", route.path) for route in make_app().routes}
    assert len(called) >= 24
    assert called <= served
