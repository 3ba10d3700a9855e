"""`athena jobs …` against a real gateway process: what it prints, what it changes, how it ends."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import nbformat
import pytest

from athena_lab.cli import main
from athena_lab.errors import ForbiddenError
from athena_lab.gateway_api.bundles import EnvironmentLock
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Source
from tests.gateway.conftest import TOKENS, Gateway, wait_until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, nursery):
    made = Gateway(tmp_path_factory.mktemp("gateway") / "home", nursery)
    made.start()
    yield made
    made.close()


@pytest.fixture
def athena(gateway, tmp_path, monkeypatch, capsys):
    """Give a function that runs one command as ann, and gives its code and what it printed."""
    token = tmp_path / "token"
    token.write_text(TOKENS["ann"])
    monkeypatch.setenv("ATHENA_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("ATHENA_TOKEN_FILE", str(token))
    monkeypatch.setenv("ATHENA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ATHENA_TOKEN_FD", raising=False)

    def run(*words: str, as_user: str = "ann"):
        token.write_text(TOKENS[as_user])
        code = main(["jobs", *words])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if "--json" in words and printed.out else printed.out + printed.err

    return run


def write(path: Path, source: str = "print(day)", **metadata) -> str:
    cells = [
        nbformat.v4.new_code_cell("day = '2026-01-31'\nlimit = 10", id="params", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(source, id="c1"),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel | metadata), path)
    return str(path)


def test_a_notebook_is_promoted_changed_compared_and_rolled_back(athena, tmp_path):
    file = write(tmp_path / "sales.ipynb", "print('one', day)")
    words = (
        "--cron",
        "30 6 * * *",
        "--zone",
        "Europe/London",
        "--missed",
        "skip",
        "--overlap",
        "skip",
        "--param",
        "day=yesterday",
        "--param",
        "limit=25",
    )
    code, made = athena("promote", file, "--name", "Command", *words, "--wait", "--json")
    assert (code, made["version"], made["state"]) == (0, 1, "visible")
    _, job = athena("show", "Command", "--json")
    schedule = {"cron": "30 6 * * *", "timezone": "Europe/London", "missed": "skip", "start": None, "end": None}
    assert (job["schedule"], job["guards"]["overlap"]) == (schedule, "skip")
    assert {one["name"]: one["relative"] or one["value"] for one in job["parameters"]} == {
        "day": "yesterday",
        "limit": 25,
    }

    write(tmp_path / "sales.ipynb", "print('two', day)")
    code, text = athena("diff", "command", "--file", file)
    assert (code, "- print('one', day)" in text, "+ print('two', day)" in text) == (0, True, True)
    _, second = athena("promote", file, "--name", "Command", "--json")
    assert second["version"] == 2
    _, job = athena("show", "command", "--json")
    assert job["schedule"]["cron"] == "30 6 * * *", "what the command does not say stays"
    assert job["parameters"][0]["relative"] == "yesterday"

    assert athena("rollback", "command", "1", "-m", "as it was", "--wait")[0] == 0
    _, versions = athena("versions", "command", "--json")
    newest = versions[0]
    assert (newest["version"], newest["origin"], newest["message"]) == (3, 1, "as it was")
    assert athena("diff", "command", "--from", "1")[1] == "v1 and v3 are the same.\n"
    assert "unchanged" in athena("rollback", "command", "1")[1]


def test_a_job_is_edited_paused_resumed_deleted_and_restored(athena, tmp_path):
    athena("promote", write(tmp_path / "edit.ipynb"), "--wait")
    _, edited = athena("edit", "edit", "--cron", "0 8 * * 1", "--param", "limit=3", "--wait", "--json")
    assert edited["version"] == 2
    _, job = athena("show", "edit", "--json")
    assert (job["schedule"]["cron"], job["parameters"][1]["value"]) == ("0 8 * * 1", 3)
    assert athena("pause", "edit", "--json")[1]["state"] == "paused"
    assert athena("resume", "edit", "--json")[1]["state"] == "active"
    assert athena("delete", "edit", "--json")[1]["state"] == "deleted"
    assert "edit" not in [one["id"] for one in athena("list", "--json")[1]]
    assert athena("restore", "edit", "--wait")[0] == 0
    assert "edit" in athena("list")[1]


def test_a_run_ends_the_command_only_where_it_is_waited_for(athena, gateway, tmp_path):
    athena("promote", write(tmp_path / "run.ipynb"), "--wait")
    code, run = athena("run", "run", "--param", "limit=7", "--param", "day=2026-02-02", "--json")
    assert (code, run["state"], run["parameters"]["limit"]) == (0, "queued", 7)
    again = [athena("run", "run", "--key", "nightly-7", "--json")[1]["id"] for _ in range(2)]
    assert (len({run["id"], *again}), again[0]) == (2, again[1])
    code, text = athena("run", "run", "--param", "limit=many", "--param", "nothing=1")
    assert code == 1
    assert "limit" in text
    assert "nothing" in text


@pytest.mark.parametrize(("state", "code"), [("failed", 1), ("success", 0)])
def test_a_run_that_is_waited_for_ends_the_command_with_how_it_went(athena, gateway, tmp_path, state, code):
    name = f"waits_{state}"
    athena("promote", write(tmp_path / f"{name}.ipynb"), "--wait")

    def end_it() -> None:
        mine = wait_until(
            lambda: [one for one in gateway.airflow.runs if one["dag_id"].endswith(name)], "Airflow has the run"
        )
        mine[0]["state"] = state

    airflow = threading.Thread(target=end_it)
    airflow.start()
    ended, run = athena("run", name, "--wait", "--json")
    airflow.join()
    assert (ended, run["state"]) == (code, "failed" if code else "succeeded")


def test_a_job_moves_by_a_file_and_to_another_user(athena, tmp_path):
    athena("promote", write(tmp_path / "move.ipynb"), "--wait")
    file = tmp_path / "move.json"
    assert athena("export", "move", "-o", str(file))[0] == 0
    assert athena("import", str(file))[0] == 1, "its name is taken"
    code, made = athena("import", str(file), "--name", "Moved", "--json")
    assert (code, made["job_id"]) == (0, "moved")
    assert athena("clone", "move", "Move twice", "--json")[1]["job_id"] == "move_twice"
    assert athena("transfer", "move", "bob")[0] == 0
    assert athena("show", "move")[0] == 1
    code, theirs = athena("show", "move", "--json", as_user="bob")
    assert (theirs["owner"], theirs["state"]) == ("bob", "paused")


def test_a_job_runs_after_the_tables_that_the_command_names(athena, tmp_path):
    made = write(tmp_path / "made.ipynb", "%%athena x --into ds.made\nSELECT 1 AS n")
    assert athena("promote", made, "--cron", "0 6 * * *")[0] == 0
    read = write(tmp_path / "read.ipynb", "%%athena\nSELECT n FROM ds.made JOIN ds.other USING (n)")
    assert athena("promote", read, "--after-mode", "updates")[0] == 1, "it names no table"
    assert athena("promote", read, "--after-tables", "ds.made", "--writes", "ds.by_hand", "--wait")[0] == 0
    _, job = athena("show", "read", "--json")
    assert job["after"] == {"mode": "updates", "tables": ["ds.made"], "deadline_s": 21600}
    assert job["tables"] == {"reads": ["ds.made", "ds.other"], "writes": ["ds.by_hand"]}
    _, text = athena("dependencies", "read")
    assert "waits for ds.made, written by 'made' (ann, 0 6 * * * UTC)" in text
    assert "reads ds.other, written by no job" in text
    assert "'read' (ann, after ds.made) waits for it" in athena("dependencies", "made")[1]
    assert athena("edit", "read", "--cron", "0 7 * * *", "--after-mode", "time_and_updates")[0] == 0
    _, job = athena("show", "read", "--json")
    assert (job["after"]["mode"], job["schedule"]["cron"]) == ("time_and_updates", "0 7 * * *")
    code, text = athena("edit", "made", "--by-hand", "--after-tables", "ds.by_hand")
    assert (code, "would wait in a circle" in text) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "nothing"), "athena jobs list"),
        (("rollback", "nothing", "1"), "athena jobs list"),
        (("promote", "absent.ipynb"), "cannot be read"),
        (("promote", "notes.txt"), "it is no notebook"),
        (("promote", "absent.sql"), "there is no such file"),
        (("import", "absent.json"), "athena jobs export"),
        (("restore", "never_was"), "Cannot find the job"),
    ],
)
def test_what_the_user_can_mend_ends_with_one_and_says_how(athena, words, says):
    code, text = athena(*words)
    assert code == 1
    assert says in text


def test_a_parameter_without_a_value_is_refused(athena, tmp_path):
    code, text = athena("promote", write(tmp_path / "pairs.ipynb"), "--param", "limit")
    assert code == 1
    assert "name=value" in text


def test_a_wrong_option_is_a_usage_error(athena):
    with pytest.raises(SystemExit) as ended:
        athena("rollback", "x", "first")
    assert ended.value.code == 2


def test_without_a_stack_it_says_how_to_start_one(home, capsys, monkeypatch):
    for name in ("ATHENA_GATEWAY_URL", "ATHENA_TOKEN_FILE", "ATHENA_TOKEN_FD"):
        monkeypatch.delenv(name, raising=False)
    assert main(["jobs", "list", "--home", str(home.root)]) == 3
    assert "athena up" in capsys.readouterr().err


def test_a_query_and_a_script_are_promoted_like_a_notebook(athena, tmp_path):
    query = tmp_path / "daily_query.sql"
    query.write_text("-- @param n INT64 = 3 How many\nSELECT @n AS n")
    code, said = athena("promote", str(query), "--into", "nonsense", "--by-hand")
    assert code == 1
    assert "it is no name of a table" in said
    code, made = athena("promote", str(query), "--by-hand", "--json")
    assert (code, made["version"]) == (0, 1)
    _, job = athena("show", "daily_query", "--json")
    assert [(item["name"], item["type"], item["default"]) for item in job["parameters"]] == [("n", "int", 3)]
    script = tmp_path / "daily_script.py"
    script.write_text("# %% tags=['parameters']\nday = '2026-01-31'\n# %%\nprint(day)")
    assert athena("promote", str(script), "--by-hand")[0] == 0
    script.write_text("name = input()")
    code, said = athena("promote", str(script), "--by-hand")
    assert code == 1
    assert "asks with input()" in said


def test_what_the_bundles_makers_warn_of_is_told_beside_the_answer(athena, tmp_path):
    file = write(tmp_path / "packages.ipynb", "# /// script\n# dependencies = ['humanize']\n# ///\nprint(day)")
    code, text = athena("promote", file, "--by-hand", "--environment", "platform")
    assert code == 0
    assert "Note: the code names its packages (# /// script), but the job runs in the platform's environment" in text


LOCKED = EnvironmentLock(python="3.11", requirements=f"numpy==2.1.0 --hash=sha256:{'a' * 64}\n")


def test_a_locked_job_keeps_its_lock_unless_the_command_says_otherwise(athena, gateway, tmp_path):
    file = write(tmp_path / "locked.ipynb", "print('one')")
    source = Source(path="locked.ipynb", notebook_id=None)
    notebook = json.loads(Path(file).read_text())
    bundle = gateway.ann.upload_bundle(BundleUpload(notebook=notebook, source=source, lock=LOCKED))
    deployed = gateway.ann.promote(PromoteRequest(bundle=bundle.hash, name="Locked"))
    kind = lambda: [gateway.ann.get_version_content(deployed.job_id, n).environment for n in versions()]  # noqa: E731
    versions = lambda: [one.version for one in gateway.ann.list_versions(deployed.job_id)]  # noqa: E731
    write(tmp_path / "locked.ipynb", "print('two')")
    code, text = athena("promote", file, "--name", "Locked", "--by-hand")
    assert (code, kind()) == (0, ["lock", "lock"])
    assert "Note: it keeps the locked environment of 'Locked' v1" in text
    assert "environment" not in athena("diff", "Locked", "--file", file)[1]
    code, text = athena("promote", file, "--name", "Locked", "--by-hand", "--environment", "platform")
    assert (code, kind()) == (0, ["platform", "lock", "lock"])
    assert "would run in the platform's" in text
    stolen = BundleUpload(notebook=notebook, source=source, environment_of=deployed.job_id)
    with pytest.raises(ForbiddenError):
        gateway.bob.upload_bundle(stolen)
