"""The labserver's door to the gateway: forwards a request with the user's credential and gives the answer back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from athena_lab.errors import ConfigurationError, UnreachableError
from athena_lab.gateway_api.client import TokenSource, error_of
from athena_lab.gateway_api.once import KEY_HEADER, pauses_after
from athena_lab.settings import Settings

# The longest that the gateway holds a request open (`wait_s` of a promotion, 20 s) and a margin.
TIMEOUT = httpx.Timeout(connect=3.0, read=28.0, write=28.0, pool=10.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered, to be passed on as it is."""

    status: int
    content: bytes
    content_type: str

    @property
    def is_error(self) -> bool:
        return self.status >= 400

    def raise_for_error(self) -> None:
        """Raise what the gateway raised, if it refused or failed."""
        if self.is_error:
            raise error_of(self.status, self.content)


class GatewayDoor:
    """Forward requests to the gateway as the user; the credential never reaches the browser."""

    def __init__(self, settings: Settings, make_token_source: Callable[[Settings], TokenSource]) -> None:
        self._settings = settings
        self._make_token_source = make_token_source
        self._token: TokenSource | None = None
        self._http: httpx.AsyncClient | None = None

    async def forward(
        self, method: str, path: str, *, query: str = "", content: bytes | None = None, key: str | None = None
    ) -> Answer:
        """Send to `/v1/{path}`; raise UnreachableError or ConfigurationError if nothing answers.

        What comes with a key starts something once, so that it is sent again where no answer comes.
        """
        url = f"{self._url()}/v1/{path}" + (f"?{query}" if query else "")
        pause_after = pauses_after()
        while True:
            try:
                return await self._send(method, url, content, key)
            except UnreachableError as error:
                pause_s = pause_after(error) if key is not None else None
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    async def _send(self, method: str, url: str, content: bytes | None, key: str | None) -> Answer:
        headers = {"Authorization": f"Bearer {await self._read_token()}"}
        headers |= {"Content-Type": "application/json"} if content else {}
        headers |= {KEY_HEADER: key} if key is not None else {}
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        try:
            response = await self._http.request(method, url, content=content or None, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"Cannot reach the gateway at '{self._url()}': {reason}. "
                "Check it with `athena status`, start it with `athena up`."
            ) from error
        return Answer(response.status_code, response.content, response.headers.get("Content-Type", ""))

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _url(self) -> str:
        if self._settings.gateway_url is None:
            raise ConfigurationError(
                "Cannot find the gateway: ATHENA_GATEWAY_URL is not set. "
                "Start JupyterLab with `athena up`, which sets it."
            )
        return self._settings.gateway_url.rstrip("/")

    async def _read_token(self) -> str:
        if self._token is None:
            self._token = self._make_token_source(self._settings)
        # In a thread: the credential is a file, or an answer from another process.
        return await asyncio.to_thread(self._token)
