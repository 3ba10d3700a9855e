"""Fixtures of the jobs tests: real git, real SQLite, a real bundle store, and a small double of Airflow's REST API.

The double stands in where a test needs Airflow down, slow or failing at one exact moment, which the
real one does not do on demand; the stack tests exercise the real one.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, SideFile, Source
from athena_lab.gateway_api.terms import Schedule
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.bundle_lineage import BundleLineage
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.outbox import Outbox
from athena_lab.jobs.promote import Promoter, PromotionRules, Services
from athena_lab.jobs.repository import JobsRepository

MOMENT = "2026-11-24T06:00:00Z"


class AirflowDouble:
    """What Airflow's api-server and dag-processor do with our repository, as far as a promotion sees it."""

    def __init__(self, remote: Path) -> None:
        self.remote = remote
        self.dags: dict[str, dict] = {}
        self.runs: list[dict] = []
        self.import_errors: list[dict] = []
        self.requests: list[tuple[str, str]] = []
        self.reparsed: list[str] = []
        self.updates: list[dict] = []
        self.tokens = {"token-1"}
        self.logins = 0
        self.is_reading = True
        self.lock = threading.Lock()
        self.server: ThreadingHTTPServer | None = None
        self.port = 0
        self._add_beacon()

    # -- its life

    def start(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args: object) -> None: ...

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if double.server is None:  # stopped: what is connected still gets no answer
                    self.close_connection = True
                    return
                with double.lock:
                    bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                    status, value = double.handle(self.command, self.path, bearer, json.loads(body or b"{}"))
                data = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- its answers

    def handle(self, method: str, target: str, bearer: str, body: dict) -> tuple[int, object]:
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        self.requests.append((method, path))
        if path == "/api/v2/monitor/health":
            healthy = {"status": "healthy"}
            return 200, {"metadatabase": healthy, "scheduler": healthy}
        if path == "/auth/token":
            self.logins += 1
            token = f"token-{self.logins}"
            self.tokens.add(token)
            return (201, {"access_token": token}) if body["password"] == "secret" else (401, {"detail": "no"})
        if bearer not in self.tokens:
            return 401, {"detail": "Invalid JWT token"}
        if path == "/athena/preview":
            after = datetime.fromisoformat(body["after"])
            return 200, {"runs": [(after + timedelta(days=n + 1)).isoformat() for n in range(body["count"])]}
        if path == "/athena/standings":
            known = [self.dags[dag_id] for dag_id in body["dag_ids"] if dag_id in self.dags]
            return 200, {
                "dags": [
                    {
                        "dag_id": dag["dag_id"],
                        "is_paused": dag["is_paused"],
                        "next_run_at": dag["next_dagrun_run_after"],
                    }
                    for dag in known
                ]
            }
        if path == "/api/v2/assets/events":
            since = datetime.fromisoformat(query["timestamp_gte"][0])
            found = [event for event in self.updates if datetime.fromisoformat(event["timestamp"]) >= since]
            page = found[int(query["offset"][0]) :][: int(query["limit"][0])]
            return 200, {"asset_events": page, "total_entries": len(found)}
        if path == "/api/v2/importErrors":
            name = query["filename"][0]
            found = [error for error in self.import_errors if error["filename"] == name]
            return 200, {"import_errors": found, "total_entries": len(found)}
        if path.startswith("/api/v2/parseDagFile/"):
            self.reparse(path.rsplit("/", 1)[1].removeprefix("file-").replace("~", "/"))
            return 201, None
        return self.handle_dags(method, path.removeprefix("/api/v2/dags").strip("/").split("/"), query, body)

    def handle_dags(self, method: str, path: list[str], _query: dict, body: dict) -> tuple[int, object]:
        dag_id, *rest = path
        if path == ["~", "dagRuns"]:
            return 200, {"dag_runs": self.runs, "total_entries": len(self.runs)}
        if dag_id not in self.dags:
            return 404, {"detail": f"The Dag with ID: `{dag_id}` was not found"}
        if rest[:1] == ["dagRuns"]:
            return self.handle_runs(method, dag_id, rest[1:], body)
        if method == "PATCH":
            self.dags[dag_id]["is_paused"] = body["is_paused"]
        if method == "DELETE":
            if any(run["dag_id"] == dag_id and run["state"] == "running" for run in self.runs):
                return 409, {"detail": "Task instances are still running"}
            del self.dags[dag_id]
            return 204, None
        return 200, self.dags[dag_id]

    def handle_runs(self, method: str, dag_id: str, rest: list[str], body: dict) -> tuple[int, object]:
        runs = [run for run in self.runs if run["dag_id"] == dag_id]
        if method == "POST":
            if any(run["dag_run_id"] == body["dag_run_id"] for run in runs):
                return 409, {"detail": "exists"}
            self.runs.append(run_of(dag_id, body["dag_run_id"], "queued", body))
            return 200, self.runs[-1]
        if not rest:
            return 200, {"dag_runs": runs, "total_entries": len(runs)}
        run = next((run for run in runs if run["dag_run_id"] == rest[0]), None)
        if run is None:
            return 404, {"detail": "no such run"}
        if method == "PATCH":
            run["state"] = body["state"]
        return 200, run

    # -- its reading of the repository

    def reparse(self, loader: str) -> None:
        """Read one loader, and such as are new to us, as a forced refresh of a bundle does."""
        self.reparsed.append(loader)
        if not self.is_reading:
            return
        known = {dag["relative_fileloc"] for dag in self.dags.values()}
        for path in self.git("ls-tree", "-r", "--name-only", "main", "dags").splitlines():
            name = path.removeprefix("dags/")
            if path.endswith(".py") and name != "beacon.py" and (name == loader or name not in known):
                self.read(name)

    def read(self, loader: str) -> None:
        folder = f"dags/{loader.removesuffix('.py')}/"
        specs = [json.loads(self.git("show", f"main:{path}")) for path in self.paths(folder)]
        present = set()
        for spec in specs:
            dag_id = f"athena__{spec['team']}__{spec['id']}"
            tags = ("athena", f"v{spec['version']}", f"owner:{spec['owner']}")
            paused = self.dags.get(dag_id, {}).get("is_paused", False)
            self.dags[dag_id] = dag_of(dag_id, loader, tags, is_paused=paused)
            present.add(dag_id)
        for dag in self.dags.values():
            if dag["relative_fileloc"] == loader and dag["dag_id"] not in present:
                dag["is_stale"] = True

    def paths(self, folder: str) -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", "main", folder).splitlines()

    def git(self, *arguments: str) -> str:
        command = ["git", "--git-dir", str(self.remote), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def update(self, uri: str, at: datetime) -> None:
        """Note an event of a table's asset."""
        number = len(self.updates) + 1
        event = {"id": number, "asset_id": 1, "uri": uri, "name": uri, "group": "asset", "source_map_index": -1}
        self.updates.append(event | {"timestamp": at.isoformat(), "created_dagruns": [], "extra": {}})

    def _add_beacon(self) -> None:
        self.dags["athena_beacon"] = dag_of("athena_beacon", "beacon.py", ("athena",))


def dag_of(dag_id: str, loader: str, tags: tuple[str, ...], *, is_paused: bool = False) -> dict:
    return {
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "bundle_name": "jobs",
        "relative_fileloc": loader,
        "fileloc": f"/bundles/{loader}",
        "file_token": "file-" + loader.replace("/", "~"),
        "is_paused": is_paused,
        "is_stale": False,
        "tags": [{"name": tag, "dag_id": dag_id, "dag_display_name": dag_id} for tag in tags],
        "owners": ["athena"],
        "catchup": False,
        "concurrency": 16,
        "has_import_errors": False,
        "has_task_concurrency_limits": False,
        "is_backfillable": True,
        "max_active_tasks": 16,
        "max_active_runs": 1,
        "max_consecutive_failed_dag_runs": 0,
        "render_template_as_native_obj": False,
        "timetable_partitioned": False,
        "timetable_periodic": True,
        "next_dagrun_run_after": MOMENT,
    }


def run_of(dag_id: str, run_id: str, state: str, body: dict) -> dict:
    return {
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "dag_run_id": run_id,
        "dag_versions": [],
        "run_after": MOMENT,
        "run_type": "manual",
        "state": state,
        "conf": body.get("conf"),
        "logical_date": body.get("logical_date"),
        "queued_at": MOMENT,
    }


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class WarehouseDouble:
    """Tables by name, each with the classes of its columns; `is_away` makes it as silent as one that is not there."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, frozenset[str]]] = {}
        self.is_away = False

    def columns_of(self, _principal: Principal, tables: list[str]) -> dict[str, list[str]]:
        return {name: list(columns) for name, columns in self.classes_of(tables).items()}

    def classes_of(self, tables: list[str]) -> dict[str, dict[str, frozenset[str]]]:
        if self.is_away:
            raise UnreachableError("Cannot reach the warehouse: it is away. Start it.")
        return {name: self.tables[name] for name in tables if name in self.tables}


class Workbench:
    """A promoter on a home of its own, with the double as its Airflow."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = Clock()
        self.airflow = AirflowDouble(home / "jobs.git")
        self.airflow.start()
        (home / "password").write_text("secret\n")
        self.warehouse = WarehouseDouble()
        self.audited: list[tuple[str, dict]] = []
        self.ann = Principal(kind="user", user="ann")
        self.bob = Principal(kind="user", user="bob")
        self.opened: list[Services] = []

    def parts(self) -> Services:
        """Open what promotion works with; the repository is made when it is first used."""
        bundles = BundleStore(str(self.home / "gateway" / "bundles"))
        services = Services(
            JobsRepository(self.home / "jobs.git", self.home / "gateway" / "clone"),
            Outbox(self.home / "gateway" / "outbox.sqlite"),
            bundles,
            Scheduler(self.airflow.url, self.home / "password", timeout_s=5),
            BundleLineage(bundles, self.warehouse, "athena", now=self.clock),
        )
        self.opened.append(services)
        return services

    def open(self, at_seam=lambda _seam: None, **rules) -> Promoter:
        """Open everything as a starting gateway does, on the same files as before."""
        promoter = Promoter(self.parts(), PromotionRules(900, "energy", **rules), now=self.clock, at_seam=at_seam)
        promoter.recover()
        return promoter

    def audit(self, event: str, detail: dict) -> None:
        self.audited.append((event, detail))

    def bundle(
        self, text: str = "print(day)", path: str = "sales.ipynb", notebook_id: str | None = None, lock=None
    ) -> str:
        source = Source(path=path, notebook_id=notebook_id)
        upload = BundleUpload(notebook=notebook_of(text), source=source, lock=lock)
        built = build_bundle(upload)
        BundleStore(str(self.home / "gateway" / "bundles")).put(built)
        return built.hash

    def request(self, text: str = "print(day)", name: str = "Daily sales", **fields) -> PromoteRequest:
        fields.setdefault("schedule", Schedule(cron="30 6 * * *", timezone="Europe/London"))
        path = fields.pop("path", "sales.ipynb")
        return PromoteRequest(bundle=self.bundle(text, path), name=name, **fields)

    def log(self) -> list[str]:
        """The subjects of the remote's commits, the newest first."""
        return self.airflow.git("log", "--format=%s", "main").splitlines()

    def close(self) -> None:
        self.airflow.stop()
        for services in self.opened:
            services.outbox.close()
            services.scheduler.close()


def code(source: str, cell_id: str, *tags: str) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook_of(*sources: str, parameters: str = "day = '2026-01-31'  # which day\nlimit: int = 10\n") -> dict:
    cells = [code(parameters, "params", "parameters")]
    cells += [code(source, f"c{number}") for number, source in enumerate(sources)]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": cells,
    }


def side_file(path: str, content: bytes = b"x") -> SideFile:
    return SideFile(path=path, content_base64=base64.b64encode(content).decode())


@pytest.fixture
def make_notebook():
    return notebook_of


@pytest.fixture
def make_cell():
    return code


@pytest.fixture
def make_side_file():
    return side_file


@pytest.fixture
def workbench(tmp_path: Path):
    bench = Workbench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def make_dag():
    return dag_of


@pytest.fixture
def make_run():
    return run_of
