"""When a job's schedule fires: Airflow's own cron timetable, with the three policies for fires that were missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow._shared.timezones.timezone import coerce_datetime, parse_timezone, utcnow
from airflow.exceptions import AirflowException
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime, instance

SKIP, LATEST, ALL = "skip", "latest", "all"
STILL_DUE = timedelta(minutes=10)
"""How late a fire may be that is not made up for: the scheduler and a short queue need some time."""

_WORDS: dict[str, str] = {}


class MissedFireError(AirflowException):  # type: ignore[misc]
    """The fire that the scheduler was about to make a run of is not made up for; it goes on with the next."""


class JobTimetable(CronTriggerTimetable):  # type: ignore[misc]
    """A cron in a zone until `end` (inclusive); which fire comes next after a pause or an outage says `missed`.

    `skip`: none that is more than ten minutes old. `latest`: the last of them. `all`: each, in order.
    """

    def __init__(self, cron: str, *, timezone: Any, missed: str = LATEST, end: DateTime | None = None) -> None:
        super().__init__(cron, timezone=timezone)
        if missed not in (SKIP, LATEST, ALL):
            raise ValueError(f"its missed-run policy '{missed}' is none of skip, latest and all")
        self.missed, self.end = missed, end

    def _describe_with_dom_dow_fix(self, expression: str) -> str:
        """Put a cron into words once: Airflow makes each timetable again and again, and the words cost most of it."""
        if expression not in _WORDS:
            _WORDS[expression] = super()._describe_with_dom_dow_fix(expression)
        return _WORDS[expression]

    def serialize(self) -> dict[str, Any]:
        """Add our fields to those of the cron."""
        end = self.end.isoformat() if self.end else None
        return {**super().serialize(), "missed": self.missed, "end": end}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> JobTimetable:
        """Make the timetable that was serialized."""
        end = instance(datetime.fromisoformat(data["end"])) if data["end"] else None
        return cls(data["expression"], timezone=parse_timezone(data["timezone"]), missed=data["missed"], end=end)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Give the next fire after the last run that policy and bounds allow, None for none."""
        end = _earlier(restriction.latest, self.end)
        bounds = TimeRestriction(restriction.earliest, end, restriction.catchup)
        if restriction.catchup or self.missed == ALL:
            bounds = bounds._replace(catchup=True)
            return super().next_dagrun_info(
                last_automated_data_interval=last_automated_data_interval, restriction=bounds
            )
        candidates = [self._first_allowed(end)]
        if last_automated_data_interval is not None:
            candidates.append(self._get_next(last_automated_data_interval.end))
        if restriction.earliest is not None:
            candidates.append(self._align_to_next(restriction.earliest))
        fire = max(candidates)
        return None if end is not None and end < fire else DagRunInfo.exact(fire)

    def next_run_info_from_dag_model(self, *, dag_model: Any) -> DagRunInfo | None:
        """Give the run that the scheduler makes now.

        What it stored may be old: nobody looked at the schedule again while the whole of Airflow was down. Then
        `latest` moves it to the last fire; `skip` moves what is stored to the next one and raises MissedFireError,
        which the scheduler logs before it goes on.
        """
        stored = super().next_run_info_from_dag_model(dag_model=dag_model)
        allowed = self._first_allowed(self.end)
        if stored is None or self.missed == ALL or stored.run_after >= allowed:
            return stored
        fire = None if self.end is not None and self.end < allowed else allowed
        if fire is not None and fire <= coerce_datetime(utcnow()):
            return DagRunInfo.exact(fire)
        missed = stored.run_after
        dag_model.next_dagrun = dag_model.next_dagrun_create_after = fire
        dag_model.next_dagrun_data_interval = DataInterval.exact(fire) if fire else None
        raise MissedFireError(f"{dag_model.dag_id} makes no run of {missed}: its schedule skips what was missed")

    def _first_allowed(self, end: DateTime | None) -> DateTime:
        """Give the first fire that the policy still allows at this moment."""
        now = coerce_datetime(utcnow())
        if self.missed == SKIP:
            first: DateTime = self._align_to_next(now - STILL_DUE)
        else:
            first = self._align_to_prev(_earlier(now, end))
        return first


def _earlier(one: DateTime | None, other: DateTime | None) -> DateTime | None:
    known = [moment for moment in (one, other) if moment is not None]
    return min(known, default=None)
