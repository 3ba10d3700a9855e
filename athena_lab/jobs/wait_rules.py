"""When a run that waits for updates of tables may begin: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from athena_lab.gateway_api.terms import Schedule


def consumed_before(ended: Iterable[Mapping[str, datetime]]) -> dict[str, datetime]:
    """Give for each table the last update that ended a wait of the job, so that it serves no second run."""
    found: dict[str, datetime] = {}
    for consumed in ended:
        for table, updated_at in consumed.items():
            found[table] = max(updated_at, found.get(table, updated_at))
    return found


def missing_tables(
    tables: Iterable[str], updated: Mapping[str, datetime], consumed: Mapping[str, datetime], baseline: datetime
) -> list[str]:
    """Give the tables without an update since the job's run before.

    An update counts if it is later than the one that ended the last wait for that table; where no run of the job
    has waited for it, if it is later than `baseline`, the fire before the run's own.
    """
    return [table for table in tables if (last := updated.get(table)) is None or last <= consumed.get(table, baseline)]


def previous_fire(schedule: Schedule, fire: datetime) -> datetime:
    """Give the fire of a schedule before another, in UTC; that one itself where there is no cron."""
    if schedule.cron is None:
        return fire
    local = fire.astimezone(ZoneInfo(schedule.timezone))
    before: datetime = croniter(schedule.cron, local).get_prev(datetime)
    return before.astimezone(UTC)
