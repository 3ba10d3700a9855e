"""Wire models of alerts: what became of those that were sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from athena_lab.gateway_api.terms import AlertChannel
from athena_lab.gateway_api.wire import Wire


class DeliveryState(StrEnum):
    """How far an alert is on its way."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Given up: its target is wrong, or did not take it for a day."""


class AlertDelivery(Wire):
    """One alert to one target; `event` names what it tells of ("failure:<run>", "late:<run>", "test:<id>", …)."""

    event: str
    channel: AlertChannel
    target: str
    subject: str
    state: DeliveryState
    attempts: int = 0
    created_at: datetime
    sent_at: datetime | None = None
    error: str | None = None
