"""What Airflow's own timetable says, in a process of its own: [[cron, zone, after, until], …] → [[fire, …], …]."""

from __future__ import annotations

import json
import sys
from datetime import datetime

from athena_lab.airflow.loader import timetable_of
from athena_lab.airflow.routes import MOST_RUNS, PreviewRequest, next_runs


def fires(cron, timezone, after, until):
    """Ask the preview route's own function for page after page."""
    timetable = timetable_of({"cron": cron, "timezone": timezone})
    moment, found = datetime.fromisoformat(after), []
    while True:
        page = next_runs(
            timetable, PreviewRequest(cron=cron, timezone=timezone, count=MOST_RUNS, after=moment, end=until)
        )
        found += [int(run.timestamp()) for run in page]
        if len(page) < MOST_RUNS:
            return found
        moment = page[-1]


print(json.dumps([fires(*case) for case in json.load(sys.stdin)]))
