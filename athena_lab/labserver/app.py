"""The extension application: what is made once when Jupyter Server starts."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp

from athena_lab import __version__
from athena_lab.gateway_api.client import token_source
from athena_lab.labserver.gateway import GatewayDoor
from athena_lab.labserver.handlers import HANDLERS
from athena_lab.settings import Settings


class AthenaApp(ExtensionApp):  # type: ignore[misc]  # jupyter_server ships no types
    """Serves `/athena/…` on the user's own Jupyter Server, as the user."""

    name = "athena_lab"
    app_name = "Athena"
    version = __version__
    load_other_extensions = True

    def initialize_settings(self) -> None:
        """Read the environment once. Without a gateway Jupyter starts all the same, and says so when asked."""
        self._door = GatewayDoor(Settings.from_environment(), token_source)
        self.settings["athena_gateway"] = self._door

    def initialize_handlers(self) -> None:
        """Register every route; all of them need Jupyter's own authentication."""
        handlers: list[Any] = list(HANDLERS)
        self.handlers.extend(handlers)

    async def stop_extension(self) -> None:
        """Close the connections to the gateway."""
        await self._door.close()
