"""The state directory: its versions, its folders, its record of a stack that is gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from athena_lab.errors import ConfigurationError, ConflictError
from athena_lab.settings import Home
from athena_lab.stack import jupyter
from athena_lab.stack.accounts import prepare_accounts
from athena_lab.stack.celery import find_redis
from athena_lab.stack.layout import LAYOUT, check_version, prepare_layout, sockets_folder
from athena_lab.stack.orphans import stop_orphans
from athena_lab.stack.ports import choose_lab_port, choose_ports, is_free
from athena_lab.stack.processes import boot_id, find_process, is_alive
from athena_lab.stack.record import ProcessRecord, StackLock, StackRecord, read_record, write_record


def _write_version(home: Home, text: str) -> None:
    home.root.mkdir(parents=True)
    (home.root / "VERSION").write_text(text)


def test_newer_state_directory_is_refused_and_left_alone(home):
    _write_version(home, f"{LAYOUT + 1}\n")
    with pytest.raises(ConfigurationError, match="Update Athena"):
        prepare_layout(home, prepare_accounts(), home.workspace)
    assert [path.name for path in home.root.iterdir()] == ["VERSION"]


def test_older_state_directory_without_a_migration_is_refused(home):
    _write_version(home, "0\n")
    with pytest.raises(ConfigurationError, match="cannot migrate it"):
        check_version(home)


def test_older_state_directory_is_migrated_step_by_step(home):
    _write_version(home, "0\n")
    steps = []
    migrations = {0: lambda _: steps.append("0 to 1"), 1: lambda _: steps.append("1 to 2")}
    check_version(home, newest=2, migrations=migrations)
    assert steps == ["0 to 1", "1 to 2"]
    assert (home.root / "VERSION").read_text() == "2\n"


def test_migration_that_fails_can_be_tried_again_from_its_step(home):
    _write_version(home, "0\n")

    def fail(_: Home) -> None:
        raise ConfigurationError("Cannot migrate.")

    with pytest.raises(ConfigurationError):
        check_version(home, newest=2, migrations={0: lambda _: None, 1: fail})
    assert (home.root / "VERSION").read_text() == "1\n"


@pytest.mark.parametrize("text", ["", "two\n"])
def test_unreadable_version_is_refused(home, text):
    _write_version(home, text)
    with pytest.raises(ConfigurationError, match="VERSION is no number"):
        check_version(home)


def test_foreign_directory_is_refused(home):
    home.root.mkdir()
    (home.root / "thesis.tex").touch()
    with pytest.raises(ConfigurationError, match="holds other files"):
        check_version(home)


def test_folders_of_secrets_are_closed_to_others(home):
    accounts = prepare_accounts()
    prepare_layout(home, accounts, home.workspace)
    for folder in (home.gateway, home.worker, home.airflow, home.emulator, home.postgres, home.analyst, home.workspace):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    assert home.gateway.stat().st_uid == accounts.of("gateway").uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_home_under_a_private_folder_is_refused_for_other_users(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="cannot traverse"):
        prepare_layout(Home(private / "home"), prepare_accounts(), private / "home" / "workspace")


def test_path_of_sockets_is_short_enough_whatever_the_home(home):
    deep = Home(home.root / ("x" * 200))
    folder = sockets_folder(deep, prepare_accounts())
    try:
        assert len(str(folder / "postgres" / ".s.PGSQL.5432")) < 100
    finally:
        for path in folder.iterdir():
            path.rmdir()
        folder.rmdir()


def test_asked_port_that_is_taken_is_refused_by_name():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConflictError, match=str(port)):
            choose_lab_port(port)


def test_chosen_ports_are_free_and_distinct():
    ports = choose_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3
    assert all(is_free(port) for port in ports.values())


def test_absent_redis_says_how_to_install_one(monkeypatch):
    monkeypatch.setattr("athena_lab.stack.celery.importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="apt install redis-server"):
        find_redis("/nonexistent")


# -- the record of a stack that is gone


def _record(pid: int, start: str, boot: str) -> StackRecord:
    process = ProcessRecord("sleeper", "ready", pid, start)
    return StackRecord(boot, 1, "0", "ready", 0.0, is_isolated=False, processes=(process,))


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as process:
        yield process
        process.kill()


def test_recorded_process_of_this_boot_is_stopped(home, sleeper):
    home.root.mkdir()
    write_record(home, _record(sleeper.pid, find_process(sleeper.pid).start, boot_id()))
    assert stop_orphans(read_record(home)) == 1
    assert sleeper.wait(timeout=10) == -signal.SIGTERM


def test_pid_that_another_process_has_been_given_is_left_alone(sleeper):
    assert stop_orphans(_record(sleeper.pid, "1", boot_id())) == 0
    assert is_alive(sleeper.pid, find_process(sleeper.pid).start)


def test_pid_of_an_earlier_boot_is_left_alone(sleeper):
    assert stop_orphans(_record(sleeper.pid, find_process(sleeper.pid).start, "another boot")) == 0
    assert sleeper.poll() is None


def test_broken_record_counts_as_none(home):
    home.root.mkdir()
    (home.root / "stack.json").write_text('{"pid": 1, "pro')
    assert read_record(home) is None


def test_lock_is_refused_while_held_and_free_after(home):
    home.root.mkdir()
    first, second = StackLock(home), StackLock(home)
    assert first.acquire()
    assert not second.acquire()
    assert second.is_held()
    first.release()
    assert not second.is_held()


# -- the workspace


@pytest.fixture
def tours(tmp_path: Path) -> Path:
    folder = tmp_path / "tours"
    folder.mkdir()
    (folder / "01_explore.ipynb").write_text(json.dumps({"cells": [1]}))
    return folder


def test_edited_tour_is_never_overwritten(tours, tmp_path):
    workspace = tmp_path / "workspace"
    jupyter.seed(tours, workspace)
    (workspace / "01_explore.ipynb").write_text("mine")
    (tours / "01_explore.ipynb").write_text("newer")
    jupyter.seed(tours, workspace)
    assert (workspace / "01_explore.ipynb").read_text() == "mine"


def test_untouched_tour_follows_the_project(tours, tmp_path):
    workspace = tmp_path / "workspace"
    jupyter.seed(tours, workspace)
    (tours / "01_explore.ipynb").write_text("newer")
    jupyter.seed(tours, workspace)
    assert (workspace / "01_explore.ipynb").read_text() == "newer"


def test_deleted_tour_stays_deleted(tours, tmp_path):
    workspace = tmp_path / "workspace"
    jupyter.seed(tours, workspace)
    (workspace / "01_explore.ipynb").unlink()
    jupyter.seed(tours, workspace)
    assert not (workspace / "01_explore.ipynb").exists()
