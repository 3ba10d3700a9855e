"""What the environment says (ATHENA_*), read once at a front's start and passed down as values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from athena_lab.errors import ConfigurationError

DEFAULT_PROJECT = "athena"
DEFAULT_LOCATION = "EU"
GIB = 1024**3


def default_home(environ: Mapping[str, str], *, is_root: bool) -> Path:
    """Give the state directory: ATHENA_HOME, else the user's data directory (root: /var/lib, which
    the stack's other users can traverse; XDG Base Directory Specification 0.8)."""
    if environ.get("ATHENA_HOME"):
        return Path(environ["ATHENA_HOME"]).absolute()
    if is_root:
        return Path("/var/lib/athena_lab")
    data = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "athena_lab"


@dataclass(frozen=True, slots=True)
class Home:
    """Where each process keeps its state under ATHENA_HOME; each folder has one owner."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def public(self) -> Path:
        """What every process may read: the gateway's public keys and its list of revoked tokens."""
        return self.root / "public"

    @property
    def jwks(self) -> Path:
        return self.public / "jwks.json"

    @property
    def revoked(self) -> Path:
        return self.public / "revoked.json"

    @property
    def gateway(self) -> Path:
        return self.root / "gateway"

    @property
    def jobs_repository(self) -> Path:
        """The bare repository, in a folder of the gateway's in which it is made whole or not at all."""
        return self.root / "jobs" / "jobs.git"

    @property
    def worker(self) -> Path:
        """What Airflow's processes need to prove themselves to the gateway."""
        return self.root / "worker"

    @property
    def environments(self) -> Path:
        """The environments of jobs with a lock: the workers' to write, the runs' to read."""
        return self.root / "environments"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def emulator(self) -> Path:
        return self.root / "emulator"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def analyst(self) -> Path:
        """The analyst's own credential and Jupyter configuration."""
        return self.root / "analyst"

    @property
    def workspace(self) -> Path:
        """The analyst's notebooks."""
        return self.root / "workspace"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client of the platform (kernel, labserver, command line, runner) needs to know.

    Where the warehouse is, the gateway says with each warehouse token. The credential for the
    gateway is read from `token_file`, or asked for over the inherited descriptor `token_fd` (a run).
    """

    gateway_url: str | None = None
    token_file: Path | None = None
    token_fd: int | None = None
    max_bytes: int | None = 100 * GIB
    run: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ATHENA_* variables; raise ConfigurationError naming the variable that is unusable."""
        env = os.environ if environ is None else environ
        file = env.get("ATHENA_TOKEN_FILE")
        return cls(
            gateway_url=env.get("ATHENA_GATEWAY_URL") or None,
            token_file=Path(file) if file else None,
            token_fd=read_integer(env, "ATHENA_TOKEN_FD", None),
            max_bytes=read_integer(env, "ATHENA_MAX_BYTES", 100 * GIB),
            run=env.get("ATHENA_RUN") or None,
        )


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What the gateway's process needs to know beside its folders under `home`."""

    home: Home
    host: str = "127.0.0.1"
    port: int = 8100
    airflow_url: str = "http://127.0.0.1:8080"
    project: str = DEFAULT_PROJECT
    location: str = DEFAULT_LOCATION
    warehouse_url: str | None = None
    warehouse_grpc: str | None = None
    minimum_interval_s: int = 900
    warehouse_token_s: int = 900
    run_token_s: int = 60
    is_isolated: bool = False
    smtp_url: str | None = None
    mail_from: str = "athena@localhost"
    alert_hosts: tuple[str, ...] = ()
    lab_url: str | None = None
    price_per_tib: float = 6.25

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], home: Home) -> GatewaySettings:
        """Read ATHENA_* variables; raise ConfigurationError naming the variable that is unusable."""
        return cls(
            home=home,
            port=read_integer(environ, "ATHENA_GATEWAY_PORT", 8100) or 8100,
            airflow_url=environ.get("ATHENA_AIRFLOW_URL") or "http://127.0.0.1:8080",
            project=environ.get("ATHENA_PROJECT") or DEFAULT_PROJECT,
            location=environ.get("ATHENA_LOCATION") or DEFAULT_LOCATION,
            warehouse_url=environ.get("ATHENA_WAREHOUSE_URL") or None,
            warehouse_grpc=environ.get("ATHENA_WAREHOUSE_GRPC") or None,
            minimum_interval_s=read_integer(environ, "ATHENA_MINIMUM_INTERVAL_S", 900) or 900,
            warehouse_token_s=read_integer(environ, "ATHENA_WAREHOUSE_TOKEN_S", 900) or 900,
            run_token_s=read_integer(environ, "ATHENA_RUN_TOKEN_S", 60) or 60,
            is_isolated=environ.get("ATHENA_ISOLATED") == "1",
            smtp_url=environ.get("ATHENA_SMTP_URL") or None,
            mail_from=environ.get("ATHENA_MAIL_FROM") or "athena@localhost",
            alert_hosts=tuple(host for host in environ.get("ATHENA_ALERT_HOSTS", "").split(",") if host),
            price_per_tib=_read_price(environ),
            lab_url=environ.get("ATHENA_LAB_URL") or None,
        )


def _read_price(environ: Mapping[str, str]) -> float:
    text = environ.get("ATHENA_PRICE_PER_TIB") or "6.25"
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(
            f"Cannot read the setting ATHENA_PRICE_PER_TIB: '{text}' is not a number. Set it to a price such as 6.25."
        ) from error


def read_integer(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    """Read a whole number from the environment; raise ConfigurationError naming the variable."""
    text = environ.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise ConfigurationError(
            f"Cannot read the setting {name}: '{text}' is not a whole number. Set it to digits only."
        ) from error
