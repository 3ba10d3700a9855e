"""Stand in for Airflow's processes in tests: parent → supervisor → task, which executes one run (argument: folder)."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from athena_lab.airflow.execution import RunOrder, Worker, execute_run
from athena_lab.errors import AthenaError


def note(folder: Path, name: str) -> None:
    (folder / f"{name}.pid").write_text(str(os.getpid()))


def run(folder: Path) -> int:
    spec = json.loads((folder / "spec.json").read_text())
    order = RunOrder(
        spec=spec,
        dag_id=f"athena__{spec['team']}__{spec['id']}",
        airflow_run_id="scheduled__2026-11-24T06:30:00+00:00",
        run_type="scheduled",
        run_after=datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
        logical_date=datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
        try_number=1,
        is_last_try=False,
    )
    try:
        execute_run(order, Worker.from_environment(os.environ))
    except AthenaError:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    folder = Path(sys.argv[1])
    note(folder, "parent")
    if (supervisor := os.fork()) == 0:
        note(folder, "supervisor")
        if (task := os.fork()) == 0:
            note(folder, "task")
            code = run(folder)
            sys.stderr.flush()
            os._exit(code)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(task, 0)[1]) % 256)
    code = os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1]) % 256
    sys.exit(code)


if __name__ == "__main__":
    main()
