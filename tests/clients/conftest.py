"""Other people's clients, unmodified, as in a kernel: the gateway says who they are and where the warehouse is."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import google.auth
import pytest
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import client as storage_client

from athena_lab.gateway.keys import add_user
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.kernel import profile
from athena_lab.kernel.session import current_session
from athena_lab.settings import Settings
from athena_lab.warehouse.connect import connect
from tests.warehouse.platform_parts import Parts, running_parts, start_with

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".cache" / "clients"
"""Made by scripts/clients-environment (make clients-all): what does not fit into the project's own lock."""
OUT_OF_LOCK = ["test_airflow_provider.py", "test_dbt.py", "test_ibis.py", "test_pandas_gbq.py"]
collect_ignore = [] if Path(sys.prefix).resolve() == ENVIRONMENT.resolve() else OUT_OF_LOCK
"""The project's environment has the clients of its lock, the other one all of them; none may be missing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """Run a gateway and an emulator of the project's own environment."""
    python = ROOT / ".venv" / "bin" / "python"
    start = start_with(str(python) if python.exists() else sys.executable)
    with running_parts(tmp_path_factory.mktemp("platform"), start) as made:
        yield made


@pytest.fixture(scope="package", autouse=True)
def kernel_profile(platform: Parts) -> Iterator[None]:
    """Install the kernel profile, the one hook of all clients, as `python -m athena_lab.kernel` does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ATHENA_GATEWAY_URL", "ATHENA_TOKEN_FILE"):
            patch.setenv(name, platform.environment[name])
        patch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        patch.setenv("BIGQUERY_EMULATOR_HOST", "")  # so that what the profile sets is taken back
        patch.delenv("BIGQUERY_EMULATOR_HOST")
        patch.setattr(google.auth, "default", google.auth.default)
        patch.setattr(storage_client.BigQueryReadClient, "__init__", storage_client.BigQueryReadClient.__init__)
        current_session.cache_clear()
        profile.install()
        yield
    current_session.cache_clear()


@pytest.fixture(scope="package")
def bq(kernel_profile: None) -> Iterator[bigquery.Client]:
    """Give the client that an analyst gets by `bigquery.Client()`."""
    with bigquery.Client() as made:
        yield made


@pytest.fixture(scope="package")
def administrator(platform: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """Give the client of somebody who may define policies."""
    token = tmp_path_factory.mktemp("administrator") / "token"
    token.write_text("administrator-token-of-a-test-only-0123456789")
    token.chmod(0o600)
    add_user(platform.home.gateway / "users.json", "root", ("admins",), token.read_text())
    with GatewayClient.from_settings(Settings(gateway_url=platform.gateway_url, token_file=token)) as gateway:
        made = connect(gateway)
        yield made
        made.close()


@pytest.fixture
def dataset(bq: bigquery.Client) -> Iterator[str]:
    """Give the name of an empty dataset."""
    name = f"d_{uuid.uuid4().hex[:12]}"
    bq.create_dataset(name)
    yield name
    bq.delete_dataset(name, delete_contents=True, not_found_ok=True)
