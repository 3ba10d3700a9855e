"""Make the clients that other libraries build for themselves use the gateway's tokens and endpoints.

Three seams, because the libraries offer no setting for them: `google.auth.default`, the constructor of
the Storage Read client, which honours neither `api_endpoint` nor BIGQUERY_EMULATOR_HOST, and
`googleapiclient.discovery.build("bigquery")`, by which Airflow's Google provider makes its checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from athena_lab.warehouse.credentials import GatewayCredentials

EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"
"""Read by google-cloud-bigquery and others at each construction of a client."""
_MARK = "_athena_original"


def answer_default(auth: ModuleType, find_credentials: Callable[[], GatewayCredentials]) -> None:
    """Let `google.auth.default()` give the gateway's credentials and project.

    A user's own GOOGLE_APPLICATION_CREDENTIALS are left alone.
    """
    original = auth.default
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def default(*args: Any, **kwargs: Any) -> tuple[Any, str | None]:
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            found: tuple[Any, str | None] = original(*args, **kwargs)
            return found
        credentials = find_credentials()
        place = credentials.place()
        if place.endpoint is not None:
            os.environ.setdefault(EMULATOR_VARIABLE, place.endpoint)
        return credentials, place.project

    setattr(default, _MARK, original)
    auth.default = default  # type: ignore[attr-defined]  # a module's attribute is replaced on purpose


def redirect_storage(module: ModuleType) -> None:
    """Let a Storage Read client that is built with the gateway's credentials go where those belong."""
    client = module.BigQueryReadClient
    original = client.__init__
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def construct(self: Any, **kwargs: Any) -> None:
        original(self, **_redirected(kwargs))

    setattr(construct, _MARK, original)
    client.__init__ = construct


def redirect_discovery(module: ModuleType) -> None:
    """Let a BigQuery client of googleapiclient go where those of google-cloud-bigquery go."""
    original = module.build
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def build(service: str, version: str, *args: Any, **kwargs: Any) -> Any:
        host = os.environ.get(EMULATOR_VARIABLE)
        given = kwargs.get("client_options") or {}
        options = dict(given if isinstance(given, dict) else vars(given))
        if host and service == "bigquery" and not options.get("api_endpoint"):
            kwargs["client_options"] = {**options, "api_endpoint": f"{host.rstrip('/')}/bigquery/{version}/"}
        return original(service, version, *args, **kwargs)

    setattr(build, _MARK, original)
    module.build = build  # type: ignore[attr-defined]  # a module's attribute is replaced on purpose


def _redirected(kwargs: dict[str, Any]) -> dict[str, Any]:
    # Here and not above: this module is loaded while the Google libraries are being imported.
    from athena_lab.warehouse import storage  # noqa: PLC0415 (above)
    from athena_lab.warehouse.credentials import GatewayCredentials  # noqa: PLC0415 (above)
    from athena_lab.warehouse.read_answers import ReadTransport  # noqa: PLC0415 (above)

    credentials = kwargs.get("credentials")
    if not isinstance(credentials, GatewayCredentials):
        return kwargs
    endpoint = credentials.place().grpc_endpoint
    if endpoint is None:
        return {"transport": ReadTransport, **kwargs}
    kept = {name: value for name, value in kwargs.items() if name == "client_info"}
    return {"transport": storage.embedded_transport(credentials, endpoint), **kept}
