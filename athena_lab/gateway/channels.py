"""How alerts leave the platform: mail over SMTP, Slack and webhooks over HTTPS, never to the platform's own hosts."""

from __future__ import annotations

import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from athena_lab.errors import ConfigurationError, NotFoundError, UnreachableError, UpstreamError
from athena_lab.gateway_api.terms import AlertChannel
from athena_lab.jobs.alert_outbox import Delivery
from athena_lab.jobs.alerts import RefusedError

_TIMEOUT_S = 15.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_AGAIN = (408, 425, 429)
"""Answers of a server that asks for another try later; other 4xx are final."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Where mail goes out (`smtp://`, `smtp+starttls://` or `smtps://`, a user in it; None: nowhere), from which
    address, the file of its password, and hosts that webhooks may reach though they are not public."""

    smtp_url: str | None = None
    mail_from: str = "athena@localhost"
    password_file: Path | None = None
    hosts: Collection[str] = ()


class Channels:
    """Sends one message at a time; `reveal` gives the value of a user's secret."""

    def __init__(self, settings: ChannelSettings, reveal: Callable[[str, str], str]) -> None:
        self._settings, self._reveal = settings, reveal

    def send(self, delivery: Delivery) -> None:
        """Send a delivery through its channel.

        Raises RefusedError where another try is of no use, else UnreachableError, UpstreamError or ConfigurationError.
        """
        if delivery.channel == AlertChannel.MAIL:
            self._mail(delivery)
            return
        try:
            url = self._reveal(delivery.owner, delivery.target)
        except NotFoundError as error:
            raise RefusedError(str(error)) from error
        body = {"text": delivery.body} if delivery.channel == AlertChannel.SLACK else _webhook_of(delivery)
        self._post(url, body, delivery)

    def _mail(self, delivery: Delivery) -> None:
        settings = self._settings
        place = urlsplit(settings.smtp_url or "")
        if place.scheme not in _PORTS or place.hostname is None:
            raise ConfigurationError("Cannot send mail: no mail server is set. Set ATHENA_SMTP_URL for the gateway.")
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = delivery.subject, settings.mail_from, delivery.target
        message["Message-ID"] = f"<{_key(delivery).replace(':', '.')}@{settings.mail_from.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(delivery.body)
        try:
            with self._smtp(place) as server:
                if place.username is not None:
                    server.login(unquote(place.username), self._password())
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise RefusedError(
                f"Cannot send mail to '{delivery.target}': the mail server refuses that address. Correct it."
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise UnreachableError(
                f"Cannot send mail through '{place.hostname}' ({type(error).__name__}). Check the mail server."
            ) from error

    def _smtp(self, place: SplitResult) -> smtplib.SMTP:
        host, port = str(place.hostname), place.port or _PORTS[place.scheme]
        if place.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        if place.scheme == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        return server

    def _password(self) -> str:
        file = self._settings.password_file
        try:
            return file.read_text().strip() if file is not None else ""
        except OSError as error:
            raise ConfigurationError(
                f"Cannot send mail: the password file '{file}' cannot be read ({error.strerror}). Make it."
            ) from error

    def _post(self, url: str, body: dict[str, Any], delivery: Delivery) -> None:
        place, shown = urlsplit(url), f"Cannot send the alert through the secret '{delivery.target}'"
        is_known = place.hostname in self._settings.hosts
        if place.hostname is None or place.scheme not in (("https", "http") if is_known else ("https",)):
            raise RefusedError(f"{shown}: it holds no https:// URL. Set it anew with `athena secrets set`.")
        address = self._address(place, shown, is_known=is_known)
        connection = _Pinned(place, address)
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": _key(delivery),
            "Host": place.netloc.rpartition("@")[2],
        }
        try:
            connection.request("POST", path, json.dumps(body).encode(), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{shown}: '{place.hostname}' does not answer ({type(error).__name__}).") from error
        finally:
            connection.close()
        if status >= 500 or status in _AGAIN:
            raise UpstreamError(f"{shown}: '{place.hostname}' answered HTTP {status}. It is tried again.")
        if not 200 <= status < 300:
            raise RefusedError(
                f"{shown}: '{place.hostname}' answered HTTP {status}. Set the secret to a URL that takes it."
            )

    def _address(self, place: SplitResult, shown: str, *, is_known: bool) -> str:
        """Resolve a host to one public address; the platform's own and the network's inner services are none."""
        try:
            found = socket.getaddrinfo(place.hostname, place.port or 443, type=socket.SOCK_STREAM)
        except OSError as error:
            raise UnreachableError(f"{shown}: nobody knows the host '{place.hostname}'. It is tried again.") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not is_known and not all(ipaddress.ip_address(address).is_global for address in addresses):
            raise RefusedError(
                f"{shown}: '{place.hostname}' is no public host. Ask the operators to name it in ATHENA_ALERT_HOSTS."
            )
        return addresses[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name resolves to a moment later; no redirects."""

    def __init__(self, place: SplitResult, address: str) -> None:
        is_secure = place.scheme == "https"
        super().__init__(str(place.hostname), place.port or (443 if is_secure else 80), timeout=_TIMEOUT_S)
        self._address = address
        self._context = ssl.create_default_context() if is_secure else None

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


def _key(delivery: Delivery) -> str:
    """Name a delivery the same at each try, so that a receiver can drop what a crash made us send twice."""
    return f"{delivery.event}:{delivery.number}"


def _webhook_of(delivery: Delivery) -> dict[str, Any]:
    return {
        "event": delivery.event,
        "job_id": delivery.job_id,
        "run_id": delivery.run_id,
        "subject": delivery.subject,
        "text": delivery.body,
    }
