"""Wire models of a user's secrets: names go both ways, values only in."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, SecretStr, field_serializer

from athena_lab.gateway_api.wire import Wire


class SecretValue(Wire):
    """The value of a secret on its way to the gateway, which tells it to nobody but a run of its user's."""

    value: SecretStr = Field(min_length=8, max_length=16 * 1024)

    @field_serializer("value", when_used="json")
    def _reveal(self, value: SecretStr) -> str:
        return value.get_secret_value()


class SecretName(Wire):
    """A secret of the caller's: A-Z, 0-9 and _, and when it was last set."""

    name: str
    set_at: datetime
