"""Which processes one start needs, after the files that they read have been written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from athena_lab.stack import airflow, celery, jupyter
from athena_lab.stack.credentials import prepare_airflow_secrets, prepare_credentials
from athena_lab.stack.emulator import emulator
from athena_lab.stack.gateway import gateway
from athena_lab.stack.place import Options, Place
from athena_lab.stack.postgres import prepare_database, serve_database
from athena_lab.stack.process import Process
from athena_lab.stack.sample import load_sample

STAMP = "airflow.migrated"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start; `stamp` is to be written once the migration among them has ended."""

    processes: tuple[Process, ...]
    stamp: str
    lab_token: str


def prepare(place: Place, options: Options) -> Plan:
    """Write secrets and configurations and describe the processes; raise ConfigurationError where one is unusable."""
    prepare_credentials(place.home, place.accounts)
    cluster = prepare_database(place.home.postgres, place.accounts)
    secrets = prepare_airflow_secrets(place.home, place.accounts.of("airflow"))
    executor = celery.celery_executor(place) if options.is_celery else airflow.local_executor()
    airflow.write_configuration(place, airflow.configure(place, secrets, executor=executor))
    stamp = airflow.migration_stamp(cluster)
    jupyter.prepare_kernel(place)
    lab_token = jupyter.prepare_lab(place) if options.has_lab else ""
    is_migrated = _read(place.home.root / STAMP) == stamp
    return Plan(_describe(place, options, cluster, is_migrated=is_migrated), stamp, lab_token)


def _describe(place: Place, options: Options, cluster: Path, *, is_migrated: bool) -> tuple[Process, ...]:
    processes = [
        serve_database(cluster, place.sockets, place.accounts, airflow.environment(place)),
        gateway(place),
        emulator(place),
    ]
    database = ("postgres",) if is_migrated else ("postgres", "migrate")
    # The gateway makes the jobs repository at its first start; the processor must find it.
    repository = () if (place.home.jobs_repository / "HEAD").exists() else ("gateway",)
    if not is_migrated:
        processes.append(airflow.migrate(place))
    if options.has_lab:
        processes.append(jupyter.lab(place))
    processes += [
        airflow.api_server(place, after=database),
        airflow.scheduler(place, after=database),
        airflow.dag_processor(place, after=(*database, *repository)),
        airflow.triggerer(place, after=database),
    ]
    if options.is_celery:
        processes.append(celery.redis(place))
        processes += [celery.worker(place, name, after=(*database, "redis")) for name in celery.WORKERS]
    if options.loads_sample:
        processes.append(load_sample(place))
    return tuple(processes)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
