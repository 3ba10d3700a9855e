"""Airflow of one machine: its configuration file, its migration and its processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import replace
from io import StringIO
from pathlib import Path

from athena_lab.stack.accounts import KERNEL_STARTER
from athena_lab.stack.credentials import AIRFLOW_USER, AirflowSecrets
from athena_lab.stack.dropped import run_as, write_private
from athena_lab.stack.place import Place, base_environment, python
from athena_lab.stack.postgres import connection_url
from athena_lab.stack.process import Process, ReadyCheck, never
from athena_lab.stack.readiness import answers_http, is_healthy_in_airflow

Configuration = dict[str, dict[str, str]]


def configure(place: Place, secrets: AirflowSecrets, *, executor: Mapping[str, Mapping[str, str]]) -> Configuration:
    """Give airflow.cfg by section; `executor` holds what differs between LocalExecutor and Celery."""
    home, port = place.home, place.ports["api-server"]
    configuration: Configuration = {
        "core": {
            "dags_folder": str(home.airflow / "dags"),
            "load_examples": "False",
            # A promoted job is meant to run; the default would leave it paused for ever.
            "dags_are_paused_at_creation": "False",
            "parallelism": "4",
            "max_active_tasks_per_dag": "4",
            "execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
            "fernet_key": secrets.fernet_key,
            "simple_auth_manager_users": f"{AIRFLOW_USER}:admin",
            "simple_auth_manager_passwords_file": str(home.airflow / "passwords.json"),
            "min_serialized_dag_update_interval": "0",
            "min_serialized_dag_fetch_interval": "0",
        },
        "database": {
            "sql_alchemy_conn": connection_url(place.sockets),
            "sql_alchemy_pool_size": "5",
            "load_default_connections": "False",
        },
        "api": {
            "host": "127.0.0.1",
            "port": str(port),
            "workers": "1",
            "base_url": f"http://127.0.0.1:{port}",
            "secret_key": secrets.api_secret,
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "logging": {"base_log_folder": str(home.airflow / "logs"), "colored_console_log": "False"},
        "dag_processor": _dag_processor(home.airflow, home.jobs_repository),
        "scheduler": {
            "scheduler_idle_sleep_time": "0.5",
            # A killed worker's task runs elsewhere after about 31 s instead of 302 (measured).
            "task_instance_heartbeat_timeout": "30",
            "task_instance_heartbeat_timeout_detection_interval": "5",
        },
        "usage_data_collection": {"enabled": "False"},
    }
    for section, settings in executor.items():
        configuration.setdefault(section, {}).update(settings)
    return configuration


def local_executor() -> Configuration:
    """Give what LocalExecutor needs."""
    return {"core": {"executor": "LocalExecutor"}}


def write_configuration(place: Place, configuration: Configuration) -> None:
    """Write airflow.cfg, which holds the secrets, and git's configuration, for Airflow's user alone."""
    parser = RawConfigParser()
    # Airflow interpolates its file (ConfigParser), so a percent sign is doubled.
    for section, settings in configuration.items():
        parser[section] = {name: value.replace("%", "%%") for name, value in settings.items()}
    text = StringIO()
    parser.write(text)

    def write() -> str:
        folder = place.home.airflow
        (folder / "dags").mkdir(exist_ok=True)
        write_private(folder / "airflow.cfg", text.getvalue())
        # git refuses a repository of another owner unless told (git-config(1), safe.directory).
        write_private(folder / "gitconfig", f'[safe]\n\tdirectory = "{place.home.jobs_repository}"\n')
        return ""

    run_as(place.accounts.of("airflow"), write)


def migrate(place: Place) -> Process:
    """Describe the migration of Airflow's database."""
    return _process(place, "migrate", ("db", "migrate"), never, ("postgres",), is_oneshot=True)


def api_server(place: Place, *, after: tuple[str, ...]) -> Process:
    """Describe Airflow's REST API and its Execution API."""
    check = answers_http(place.ports["api-server"], "/api/v2/version")
    # Observed with 3.3.2: asked to end while the others end, it finishes its requests within 0.1 s, says so
    # ("Finished server process"), and lingers. It holds no state, so it is not waited for.
    return replace(_process(place, "api-server", ("api-server",), check, after), grace_s=3.0)


def scheduler(place: Place, *, after: tuple[str, ...]) -> Process:
    """Describe the scheduler; with LocalExecutor its children run the jobs."""
    check = is_healthy_in_airflow(place.ports["api-server"], "scheduler")
    return _process(place, "scheduler", ("scheduler", "--skip-serve-logs"), check, after, starts_kernels=True)


def dag_processor(place: Place, *, after: tuple[str, ...]) -> Process:
    """Describe the process that reads the jobs repository."""
    check = is_healthy_in_airflow(place.ports["api-server"], "dag_processor")
    return _process(place, "dag-processor", ("dag-processor",), check, after)


def triggerer(place: Place, *, after: tuple[str, ...]) -> Process:
    """Describe the process in which runs wait for updates of tables, all of them in one event loop."""
    check = is_healthy_in_airflow(place.ports["api-server"], "triggerer")
    return _process(place, "triggerer", ("triggerer", "--skip-serve-logs"), check, after)


def environment(place: Place) -> dict[str, str]:
    """Give what Airflow's processes and the notebook operator read; no secret is in it."""
    home = place.home
    own = base_environment(place, "airflow", home.airflow)
    own |= {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONFIG": str(home.airflow / "airflow.cfg"),
        "ATHENA_GATEWAY_URL": place.url("gateway"),
        "ATHENA_WORKER_KEY_FILE": str(home.worker / "worker.key"),
        "ATHENA_ENVIRONMENTS_DIR": str(home.environments),
        # Not GIT_CONFIG_COUNT: the upload-pack that a clone of a folder starts would not be told.
        "GIT_CONFIG_GLOBAL": str(home.airflow / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    if place.is_isolated:
        own["ATHENA_RUN_USER"] = place.accounts.of("run").name
    return own


def _dag_processor(folder: Path, repository: Path) -> dict[str, str]:
    bundle = {"repo_url": str(repository), "tracking_ref": "main", "subdir": "dags", "refresh_interval": 300}
    classpath = "airflow.providers.git.bundles.git.GitDagBundle"
    return {
        "dag_bundle_config_list": json.dumps([{"name": "jobs", "classpath": classpath, "kwargs": bundle}]),
        "dag_bundle_storage_path": str(folder / "bundles"),
        # A forced reparse is looked for at this pace: it is most of the second that a deployment takes.
        "bundle_refresh_check_interval": "1",
        # Every deployment asks for its own file: reading all others over and over would only cost CPU.
        "min_file_process_interval": "600",
        "parsing_processes": "1",
        "stale_bundle_cleanup_interval": "600",
        "stale_bundle_cleanup_age_threshold": "3600",
        "stale_bundle_cleanup_min_versions": "5",
    }


def _process(  # noqa: PLR0913 (one family's template: each argument differs between its members)
    place: Place,
    name: str,
    words: tuple[str, ...],
    check: ReadyCheck,
    after: tuple[str, ...],
    *,
    is_oneshot: bool = False,
    starts_kernels: bool = False,
) -> Process:
    account = place.accounts.of("airflow")
    return Process(
        name=name,
        argv=python("-m", "airflow", *words),
        account=account.with_capabilities(*KERNEL_STARTER) if starts_kernels else account,
        directory=place.home.airflow,
        environment=environment(place),
        is_ready=check,
        after=after,
        is_oneshot=is_oneshot,
    )


def migration_stamp(cluster: Path) -> str:
    """Name what a finished migration is valid for: Airflow's version and this very database cluster."""
    # Here and not above: reading the metadata of 400 distributions is needed by `athena up` alone.
    from importlib.metadata import version  # noqa: PLC0415 (above)

    control = (cluster / "PG_VERSION").stat()
    return f"{version('apache-airflow-core')} {control.st_ino} {control.st_mtime_ns}"
