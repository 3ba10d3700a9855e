"""Airflow's own DAG processor's and scheduler's code on a clock that is moved by hand: which DagRuns do they make?

A process of its own with an AIRFLOW_HOME of its own. Standard input: {"from", "to", "step_s", "dags": [{"spec",
"pauses": [[from, to], …]}], "outages": [[from, to], …]}; its argument is a file that is there. Standard output:
{dag_id: [run_after, …]}. What is moved: Python's clock (time-machine) and the database's (SQLite's CURRENT_TIMESTAMP,
which it would read from the machine). A run ends at once, so that no run waits for its predecessor.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta

import time_machine
from airflow import settings
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.db import synchronize_log_template
from airflow.utils.sqlalchemy import prohibit_commit
from sqlalchemy import event, select, update

from athena_lab.airflow.loader import build_dag


def now_of_database(_connection, _cursor, statement, parameters, _context, _many):
    return statement.replace("CURRENT_TIMESTAMP", f"'{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}'"), parameters


class MovedScheduler:
    def __init__(self, order):
        self.order = order
        self.session = settings.Session()
        self.dags = []
        for item in order["dags"]:
            dag = build_dag(item["spec"])
            dag.fileloc, dag.relative_fileloc = sys.argv[1], "shard_000.py"
            self.dags.append((dag, item.get("pauses", [])))
        self.runner = SchedulerJobRunner(Job(), executors=[BaseExecutor()])
        self.parsed_at = None

    def run(self):
        moment, end = datetime.fromisoformat(self.order["from"]), datetime.fromisoformat(self.order["to"])
        while moment <= end:
            with time_machine.travel(moment):
                if not is_within(moment, self.order.get("outages", [])):
                    self.look(moment)
            moment += timedelta(seconds=self.order["step_s"])

    def look(self, moment):
        """One loop of the scheduler, then one of the DAG processor where two hours have gone by or a pause changed."""
        self.schedule()
        is_changed = self.set_pauses(moment)
        if self.parsed_at is None or is_changed or moment - self.parsed_at >= timedelta(hours=2):
            self.parse()
            self.parsed_at = moment

    def set_pauses(self, moment):
        is_changed = False
        for dag, pauses in self.dags:
            model = self.session.get(DagModel, dag.dag_id)
            is_paused = is_within(moment, pauses)
            if model is not None and model.is_paused != is_paused:
                model.is_paused, is_changed = is_paused, True
        self.session.commit()
        return is_changed

    def parse(self):
        lazy = [LazyDeserializedDAG.from_dag(dag) for dag, _ in self.dags]
        errors = {}
        update_dag_parsing_results_in_db("jobs", None, lazy, errors, 0.0, set(), self.session)
        assert not errors, errors
        self.session.commit()

    def schedule(self):
        """Make runs until none is due, as one loop of the scheduler after another would; each ends at once."""
        while True:
            with prohibit_commit(self.session) as guard:
                self.runner._create_dagruns_for_dags(guard, self.session)
            made = self.session.scalars(select(DagRun).where(DagRun.state == "queued")).all()
            for run in made:
                run.state = "success"
                self.session.flush()
                model = self.session.get(DagModel, run.dag_id)
                self.runner._set_exceeds_max_active_runs(dag_model=model, session=self.session)
            self.session.commit()
            if not made:
                return

    def made(self):
        runs = self.session.scalars(select(DagRun).order_by(DagRun.run_after)).all()
        return {dag.dag_id: [at(run) for run in runs if run.dag_id == dag.dag_id] for dag, _ in self.dags}


def at(run):
    return run.run_after.astimezone(UTC).isoformat()


def is_within(moment, spans):
    return any(datetime.fromisoformat(first) <= moment < datetime.fromisoformat(last) for first, last in spans)


def main():
    logging.disable(logging.CRITICAL)
    event.listen(settings.engine, "before_cursor_execute", now_of_database, retval=True)
    Base.metadata.create_all(settings.engine)
    synchronize_log_template()
    session = settings.Session()
    session.add(DagBundleModel(name="jobs"))
    session.commit()
    answers = {}
    for order in json.load(sys.stdin):
        scheduler = MovedScheduler(order)
        scheduler.run()
        answers |= scheduler.made()
        session.execute(update(DagModel).values(is_paused=True))  # of this order, not of the next
        session.commit()
    print(json.dumps(answers))


main()
