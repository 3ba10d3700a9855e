"""Wire models of backfills: runs of a job for fires of the past."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from athena_lab.gateway_api.wire import Wire


class Reprocess(StrEnum):
    """Which fires that have a run already get another."""

    NONE = "none"
    FAILED = "failed"
    COMPLETED = "completed"
    """Those that failed or succeeded."""


class BackfillRequest(Wire):
    """Run a job for each fire of its schedule from a moment to another (inclusive), `max_active_runs` at once."""

    from_at: AwareDatetime
    to_at: AwareDatetime
    reprocess: Reprocess = Reprocess.NONE
    max_active_runs: int = Field(default=1, ge=1, le=16)
    is_newest_first: bool = False


class BackfillPreview(Wire):
    """The fires (UTC) that a backfill would make runs of; those that have a run already are left out."""

    runs: tuple[datetime, ...] = ()


class Backfill(Wire):
    """A backfill of a job and how many of its runs are in which state (as `RunState` names them)."""

    id: int
    job_id: str
    from_at: datetime
    to_at: datetime
    created_at: datetime
    ended_at: datetime | None = None
    runs: dict[str, int] = Field(default_factory=dict)
