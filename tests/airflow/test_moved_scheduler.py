"""Previews against the DagRuns that Airflow's own scheduler made over days in a moved clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

GRACE = timedelta(minutes=10)
SPRING = ("2027-03-27T15:00:00+00:00", "2027-03-29T04:00:00+00:00")
AUTUMN = ("2027-10-30T15:00:00+00:00", "2027-11-01T04:00:00+00:00")
SOUTH = ("2027-04-02T00:00:00+00:00", "2027-04-04T12:00:00+00:00")
"""Clocks change in Europe, in Europe, on Lord Howe Island (by half an hour)."""


def in_process(airflow_process, program, asked):
    text = Path(__file__).with_name(program).read_text()
    done = airflow_process(text, __file__, stdin=json.dumps(asked), AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


class Story:
    """One job in one moved clock: what its preview promises, given what its policy says of pauses and outages."""

    def __init__(self, span, cron, timezone, *, pauses=(), outages=(), **bounds):
        self.span, self.cron, self.timezone = span, cron, timezone
        self.pauses, self.outages, self.bounds = list(pauses), list(outages), bounds

    def spec(self, lab, number):
        schedule = {"cron": self.cron, "timezone": self.timezone, **self.bounds}
        deployed = moment(self.span[0]) + timedelta(minutes=1)
        return lab.spec("a" * 64, id=f"job_{number}", schedule=schedule, start_at=deployed.isoformat())

    @property
    def preview(self):
        """What is asked of the preview: every fire within span and bounds."""
        first, last = (moment(text) for text in self.span)
        start, end = self.bounds.get("start"), self.bounds.get("end")
        if start and (self.bounds.get("missed") == "all" or moment(start) > first):
            first = moment(start) - timedelta(seconds=1)
        return [self.cron, self.timezone, first.isoformat(), min(last, moment(end or self.span[1])).isoformat()]

    def promised(self, fires):
        """Give the fires that become runs: all, without those that the policy skips, made up for when it is over."""
        missed, due = self.bounds.get("missed", "latest"), []
        for fire in (datetime.fromtimestamp(one, UTC) for one in fires):
            span = next((span for span in self.silences if span[0] <= fire < span[1]), None)
            if span is None or missed == "all" or self.is_made_up(fire, span, fires, missed):
                due.append(fire.isoformat())
        return due

    def is_made_up(self, fire, span, fires, missed):
        if missed == "skip":
            return span[1] - fire <= GRACE
        return not any(fire.timestamp() < other < span[1].timestamp() for other in fires)

    @property
    def silences(self):
        return [tuple(moment(text) for text in span) for span in (*self.pauses, *self.outages)]


def moment(text):
    return datetime.fromisoformat(text)


def stories_of(span, zone, crons):
    """Every policy with a pause and with an outage over the change of the clocks, and bounds."""
    first = moment(span[0])
    pause = ((first + timedelta(hours=9)).isoformat(), (first + timedelta(hours=17, minutes=30)).isoformat())
    late, early = (first + timedelta(hours=20)).isoformat(), (first + timedelta(hours=33)).isoformat()
    stories = [Story(span, cron, zone) for cron in crons]
    stories += [Story(span, crons[1], zone, missed=missed, pauses=[pause]) for missed in ("skip", "latest", "all")]
    stories += [Story(span, crons[0], zone, start=late, end=early, missed=missed) for missed in ("skip", "all")]
    past = (first - timedelta(hours=5)).isoformat()
    return [*stories, Story(span, crons[0], zone, start=past, missed="all"), Story(span, crons[0], zone, start=past)]


def differences(airflow_process, lab, groups):
    """Give the stories whose runs are not those that the preview promised."""
    orders, numbered = [], {}
    for stories in groups:
        dags = []
        for story in stories:
            spec = story.spec(lab, len(numbered))
            numbered[f"athena__analysts__{spec['id']}"] = story
            dags.append({"spec": spec, "pauses": story.pauses})
        span = stories[0].span
        orders.append({"from": span[0], "to": span[1], "step_s": 900, "dags": dags, "outages": stories[0].outages})
    made = in_process(airflow_process, "moved_scheduler.py", orders)
    previews = in_process(airflow_process, "fires_process.py", [story.preview for story in numbered.values()])
    found = []
    for (dag_id, story), fires in zip(numbered.items(), previews, strict=True):
        promised = story.promised(fires)
        if made[dag_id] != promised:
            odd = sorted(set(made[dag_id]) ^ set(promised))
            found.append((story.cron, story.timezone, story.bounds, story.pauses, story.outages, odd))
    assert sum(map(len, made.values())) > 0
    return found


def outage_stories(span, zone, cron):
    first = moment(span[0])
    outage = ((first + timedelta(hours=8)).isoformat(), (first + timedelta(hours=18, minutes=5)).isoformat())
    ended = (first + timedelta(hours=16)).isoformat()
    kinds = ({"missed": "skip"}, {"missed": "latest"}, {"missed": "all"}, {"missed": "latest", "end": ended},
             {"missed": "skip", "end": ended})  # fmt: skip
    return [Story(span, cron, zone, outages=[outage], **kind) for kind in kinds]


def test_real_scheduler_makes_the_runs_that_the_preview_promised(airflow_process, lab):
    groups = [
        stories_of(SPRING, "Europe/London", ("30 0-3 * * *", "15 */2 * * *")),
        outage_stories(AUTUMN, "Europe/Berlin", "45 */2 * * *"),
    ]
    assert differences(airflow_process, lab, groups) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_real_scheduler_makes_the_promised_runs_wherever_clocks_change(airflow_process, lab):
    crons = ("30 0-3 * * *", "15 */2 * * *", "0,45 * * * *", "0 2 * * 0", "*/30 1-3 * * 6,0")
    groups = [
        *(stories_of(span, "Europe/London", crons) for span in (SPRING, AUTUMN)),
        stories_of(SOUTH, "Australia/Lord_Howe", crons),
        *(outage_stories(span, "Europe/Berlin", cron) for span in (SPRING, AUTUMN) for cron in crons[:3]),
    ]
    assert differences(airflow_process, lab, groups) == []
