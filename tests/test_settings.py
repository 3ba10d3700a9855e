"""The environment is read once, and an unusable variable is named."""

from pathlib import Path

import pytest

from athena_lab.errors import ConfigurationError
from athena_lab.settings import GatewaySettings, Home, Settings, default_home


def test_state_directory_is_where_the_environment_says():
    assert default_home({"ATHENA_HOME": "/tmp/somewhere"}, is_root=True) == Path("/tmp/somewhere")
    assert default_home({"XDG_DATA_HOME": "/data"}, is_root=False) == Path("/data/athena_lab")


def test_root_keeps_state_where_other_users_can_traverse():
    assert default_home({}, is_root=True) == Path("/var/lib/athena_lab")


def test_setting_that_is_no_number_is_named():
    with pytest.raises(ConfigurationError, match=r"ATHENA_MAX_BYTES: '10GB' is not a whole number"):
        Settings.from_environment({"ATHENA_MAX_BYTES": "10GB"})


def test_empty_environment_has_a_budget_and_no_credential():
    settings = Settings.from_environment({})
    assert settings.max_bytes == 100 * 1024**3
    assert settings.token_file is None
    assert settings.gateway_url is None


def test_gateway_reads_its_token_lives():
    settings = GatewaySettings.from_environment({"ATHENA_RUN_TOKEN_S": "5"}, Home(Path("/tmp/x")))
    assert (settings.run_token_s, settings.warehouse_token_s) == (5, 900)
