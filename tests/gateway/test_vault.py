"""The vault keeps a user's secrets sealed, each bound to its user and name."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest

from athena_lab.errors import ConfigurationError, InvalidError, NotFoundError
from athena_lab.gateway.vault import Vault

VALUE = "s3cret-välue-of-ann"


def vault(folder):
    return Vault(folder, lambda: datetime(2026, 11, 24, 6, tzinfo=UTC))


def test_secret_is_given_back_to_its_user_alone_and_lies_in_no_file(tmp_path):
    vault(tmp_path).set("ann", "API_KEY", VALUE)
    assert vault(tmp_path).reveal("ann", "API_KEY") == VALUE
    with pytest.raises(NotFoundError):
        vault(tmp_path).reveal("bob", "API_KEY")
    assert [secret.name for secret in vault(tmp_path).names("ann")] == ["API_KEY"]
    for file in tmp_path.iterdir():
        assert VALUE.encode() not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_sealed_value_does_not_open_under_another_name(tmp_path):
    vault(tmp_path).set("ann", "ONE", VALUE)
    content = json.loads((tmp_path / "vault.json").read_text())
    content["bob"] = {"ONE": content["ann"]["ONE"]}
    (tmp_path / "vault.json").write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="do not belong together"):
        vault(tmp_path).reveal("bob", "ONE")


def test_deleted_secret_is_gone(tmp_path):
    vault(tmp_path).set("ann", "ONE", VALUE)
    vault(tmp_path).delete("ann", "ONE")
    assert vault(tmp_path).names("ann") == ()
    with pytest.raises(NotFoundError):
        vault(tmp_path).delete("ann", "ONE")


@pytest.mark.parametrize("name", ["", "lower", "1A", "A-B", "A" * 64, "A\n", "../A"])
def test_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(InvalidError, match="Cannot keep the secret"):
        vault(tmp_path).set("ann", name, VALUE)
