"""What every test shares: the nursery, real data, whether chromium is there, and that CI skips nothing silently."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nursery import Nursery
from tests.warehouse.platform_parts import parts, sampled, warehouse

__all__ = ["parts", "sampled", "warehouse"]

ROOT = Path(__file__).parent.parent
ALLOWED_SKIPS = ("../shared", "the package index does not answer")
"""In CI a test may be skipped only because the data beside the clone is absent, or because the machine is offline."""

_skipped: list[str] = []


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real data beside the clone, or skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    return folder


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Give the process from which gateways and emulators are forked."""
    made = Nursery(["athena_lab.gateway.main", "athena_lab.emulator.main"])
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of Debian's chromium, or skip."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    return path


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(
            f"{report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        )


def pytest_sessionfinish(session, exitstatus):
    wrong = [entry for entry in _skipped if not any(allowed in entry for allowed in ALLOWED_SKIPS)]
    if wrong and os.environ.get("ATHENA_CI") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    wrong = [entry for entry in _skipped if not any(allowed in entry for allowed in ALLOWED_SKIPS)]
    if wrong:
        terminalreporter.section("skipped (CI refuses these)")
        for entry in wrong:
            terminalreporter.write_line(entry)
