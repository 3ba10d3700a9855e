"""The one way to a BigQuery client: the gateway says where the warehouse is and gives the token."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import requests
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.cloud import bigquery

from athena_lab.gateway_api.client import GatewayClient
from athena_lab.warehouse import storage
from athena_lab.warehouse.credentials import FetchToken, GatewayCredentials

REQUEST_TIMEOUT_S = 60.0
RETRY_FOR_S = 30.0


def is_transient(error: Exception) -> bool:
    """Say whether the same request may succeed shortly; a refused connection does not."""
    if isinstance(error, requests.exceptions.ConnectionError):
        return "NewConnectionError" not in repr(error)
    return isinstance(error, exceptions.TooManyRequests | exceptions.BadGateway | exceptions.ServiceUnavailable)


RETRY = Retry(predicate=is_transient, initial=0.2, maximum=5.0, timeout=RETRY_FOR_S)
PATIENCE: dict[str, Any] = {"retry": RETRY, "timeout": REQUEST_TIMEOUT_S}
"""For the vendor's methods, which would ask a warehouse that is gone for ten minutes."""


class Warehouse(bigquery.Client):  # type: ignore[misc]  # the vendor's class is untyped
    """A `bigquery.Client` whose Storage client goes where its jobs go, and which carries our labels."""

    def __init__(self, credentials: GatewayCredentials, labels: Mapping[str, str] | None = None) -> None:
        place = credentials.place()
        self.labels = dict(labels or {})
        self._gateway_credentials = credentials
        super().__init__(
            project=place.project,
            credentials=credentials,
            location=place.location,
            client_options={"api_endpoint": place.endpoint} if place.endpoint else None,
            default_query_job_config=bigquery.QueryJobConfig(labels=self.labels),
            default_load_job_config=bigquery.LoadJobConfig(labels=self.labels),
        )
        if place.endpoint:
            self._http.trust_env = False  # the machine's proxy cannot reach the embedded endpoint

    @property
    def endpoint(self) -> str:
        """Where the REST API is, for messages."""
        return str(self._connection.API_BASE_URL)

    @cached_property
    def storage(self) -> Any:
        """The BigQueryReadClient that this client keeps."""
        return storage.connect_storage(self._gateway_credentials)

    def call(
        self, method: str, path: str, *, data: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call the REST API below `/bigquery/v2`, retrying what is transient; raises the vendor's errors."""
        answer: dict[str, Any] = self._call_api(
            RETRY,
            method=method,
            path=f"/projects/{self.project}{path}",
            data=data,
            query_params=query,
            timeout=REQUEST_TIMEOUT_S,
        )
        return answer

    def _ensure_bqstorage_client(self, bqstorage_client: Any = None, *_: Any, **__: Any) -> Any:
        # Called by `to_dataframe` and `to_arrow`, which close what they get: so not the kept one.
        return bqstorage_client or storage.connect_storage(self._gateway_credentials)


def connect(gateway: GatewayClient, *, labels: Mapping[str, str] | None = None) -> Warehouse:
    """Give a client of the warehouse as whoever the gateway's client is; its jobs carry `labels`."""
    return connect_with(gateway.get_warehouse_token, labels=labels)


def connect_with(fetch: FetchToken, *, labels: Mapping[str, str] | None = None) -> Warehouse:
    """Give a client whose tokens come from `fetch` (the gateway itself mints its own)."""
    return Warehouse(GatewayCredentials(fetch), labels)
