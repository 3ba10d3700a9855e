"""What a user can set or call is in the documents: settings, commands and their flags."""

import re
from pathlib import Path

import pytest

from athena_lab import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = sorted(set(re.findall(r'"(ATHENA_[A-Z_]+)"', (ROOT / "athena_lab" / "settings.py").read_text())))
INTERNAL = {"ATHENA_TOKEN_FD", "ATHENA_RUN", "ATHENA_ISOLATED"}
"""Set by the platform for itself; ARCHITECTURE.md tells of them."""


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name):
    assert name in (README if name not in INTERNAL else README + (ROOT / "ARCHITECTURE.md").read_text())


def test_every_command_is_in_the_readme():
    for name in cli.command_names():
        assert f"athena {name}" in README
