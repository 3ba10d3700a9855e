"""A kernel's connection to the platform, made at the first use and shared by all its cells."""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import TYPE_CHECKING

from athena_lab.settings import Settings

if TYPE_CHECKING:
    from athena_lab.gateway_api.client import GatewayClient
    from athena_lab.warehouse.connect import Warehouse
    from athena_lab.warehouse.credentials import GatewayCredentials

_UNFIT = re.compile(r"[^a-z0-9_-]+")
_LABEL_LENGTH = 63


class Session:
    """Gateway and warehouse clients of this kernel, and what its queries have read so far.

    Where the gateway does not answer, the attribute asked for raises, and the next use tries again.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bytes_processed = 0
        self.queries = 0

    @cached_property
    def gateway(self) -> GatewayClient:
        # Here and not above: the extension's loading must not cost httpx and pydantic.
        from athena_lab.gateway_api.client import GatewayClient  # noqa: PLC0415 (above)

        return GatewayClient.from_settings(self.settings)

    @cached_property
    def credentials(self) -> GatewayCredentials:
        # Here and not above: the Google libraries take a second to import.
        from athena_lab.warehouse.credentials import GatewayCredentials  # noqa: PLC0415 (above)

        return GatewayCredentials(self.gateway.get_warehouse_token)

    @cached_property
    def warehouse(self) -> Warehouse:
        # Here and not above: the Google libraries take a second to import.
        from athena_lab.warehouse.connect import Warehouse  # noqa: PLC0415 (above)

        labels = {"athena_user": self.gateway.get_me().user}
        if self.settings.run:
            labels["athena_run"] = self.settings.run
        return Warehouse(self.credentials, {name: label(value) for name, value in labels.items()})

    def count(self, bytes_processed: int) -> None:
        """Add a finished query to what this kernel has read."""
        self.queries += 1
        self.bytes_processed += bytes_processed


@cache
def current_session() -> Session:
    """Give this process's session; the environment is read at the first call."""
    return Session(Settings.from_environment())


def label(text: str) -> str:
    """Make a value that BigQuery accepts as a label: lower case, digits, `_` and `-`, at most 63."""
    return _UNFIT.sub("-", text.lower())[:_LABEL_LENGTH]
