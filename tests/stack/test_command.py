"""The `athena` command: its exit codes, and messages instead of tracebacks."""

from __future__ import annotations

import pytest

from athena_lab.cli import build_parser, main


def test_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["upp"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_replacing_and_appending_exclude_each_other():
    with pytest.raises(SystemExit) as ended:
        main(["load", "f.csv", "d.t", "--replace", "--append"])
    assert ended.value.code == 2


def test_status_of_a_home_where_nothing_runs_says_how_to_start(home, capsys):
    assert main(["status", "--home", str(home.root)]) == 0
    assert "Start it with `athena up`" in capsys.readouterr().out


def test_down_where_nothing_runs_is_no_error(home, capsys):
    assert main(["down", "--home", str(home.root)]) == 0
    assert capsys.readouterr().out == "Athena was not running.\n"


@pytest.mark.parametrize("words", [["sample"], ["load", "f.csv", "d.t"]])
def test_command_that_needs_the_stack_says_how_to_start_it(words, home, capsys, monkeypatch):
    for name in ("ATHENA_GATEWAY_URL", "ATHENA_TOKEN_FILE", "ATHENA_TOKEN_FD"):
        monkeypatch.delenv(name, raising=False)
    assert main([*words, "--home", str(home.root)]) == 3
    assert "athena up" in capsys.readouterr().err


def test_log_of_a_home_that_never_ran_is_refused(home, capsys):
    assert main(["logs", "gateway", "--home", str(home.root)]) == 1
    assert "Start Athena with `athena up`" in capsys.readouterr().err


def test_help_names_every_command():
    text = build_parser().format_help()
    for name in ("up", "down", "status", "logs", "sample", "load", "emulator", "gateway"):
        assert f"\n    {name} " in text


def test_state_directory_that_is_a_file_is_refused_without_a_trace(home, capsys):
    home.root.write_text("")
    assert main(["up", "--no-browser", "--home", str(home.root)]) == 3
    assert "Cannot" in capsys.readouterr().err
