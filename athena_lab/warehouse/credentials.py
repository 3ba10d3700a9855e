"""Google credentials that are warehouse tokens of the gateway, renewed before they expire."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth import credentials

from athena_lab.gateway_api.warehouse import WarehouseToken

FetchToken = Callable[[], WarehouseToken]
LONGEST_MARGIN = timedelta(seconds=120)


class GatewayCredentials(credentials.Credentials):  # type: ignore[misc]  # the vendor's class is untyped
    """Bearer credentials for the BigQuery APIs, wherever the gateway says that those are.

    `fetch` asks the gateway; what it raises (our own errors) passes through the Google libraries.
    """

    def __init__(self, fetch: FetchToken) -> None:
        super().__init__()
        self.token: str | None = None
        self._fetch = fetch
        self._lock = threading.Lock()
        self._present: WarehouseToken | None = None
        self._margin = timedelta(0)

    def place(self) -> WarehouseToken:
        """Give the newest token with project, location and endpoints; fetches one where there is none yet."""
        if self._present is None:
            self.refresh(None)
        if self._present is None:  # pragma: no cover  # refresh sets it or raises
            raise AssertionError
        return self._present

    def refresh(self, request: Any) -> None:  # noqa: ARG002 (the vendor's signature)
        """Ask the gateway for a new token, whatever the present one's state."""
        with self._lock:
            self._accept(self._fetch())

    def fresh_token(self) -> str:
        """Give a token that is valid for a while, for transports that the vendor's library does not drive."""
        if not self.valid:
            self.refresh(None)
        return str(self.token)

    @property
    def expired(self) -> bool:
        """Say whether it is time to renew: the vendor's own margin of 225 s is longer than a run's token lives."""
        return self.expiry is not None and _utc_now() >= self.expiry - self._margin

    @property
    def token_state(self) -> credentials.TokenState:
        return credentials.TokenState.FRESH if self.valid else credentials.TokenState.INVALID

    def _accept(self, token: WarehouseToken) -> None:
        self._present = token
        self.token = token.token
        # The vendor compares with naive UTC times (google.auth.credentials.Credentials.expiry).
        self.expiry = token.expires_at.astimezone(UTC).replace(tzinfo=None)
        self._margin = min(LONGEST_MARGIN, (self.expiry - _utc_now()) / 4)


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
