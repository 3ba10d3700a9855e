"""The base of every model that crosses the wire: frozen, and no field that nobody declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

API_VERSION = 1
"""Raised when a client of the former number could no longer be understood."""


class Wire(BaseModel):
    """A value that crosses a process boundary as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultModel(Wire):
    """One fault of a form: the field's path ("" for the whole form) and a three-part message."""

    field: str
    message: str


class ErrorBody(Wire):
    """What every refused or failed request answers with.

    `error` is the class name in `athena_lab.errors`; `error_id` names the entry in the gateway's log
    when the fault is ours.
    """

    error: str
    message: str
    faults: tuple[FaultModel, ...] = ()
    error_id: str | None = None


class Version(Wire):
    """The handshake: which software answers and which number of the API it speaks."""

    version: str
    api: int = API_VERSION
    is_isolated: bool
    """False where everything runs as one user of the machine, so nothing protects against that user."""


class Principal(Wire):
    """Who asks: a person, a run on behalf of its owner, or an Airflow worker."""

    kind: str
    """"user", "run" or "worker"."""
    user: str
    groups: tuple[str, ...] = ()
    purpose: str = "interactive"
    run: str | None = None
    attempt: int | None = None
    scratch: str | None = None
    """The only dataset that a rehearsal may write to."""
