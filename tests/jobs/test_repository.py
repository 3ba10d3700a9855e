"""The jobs repository: real git, no work tree, one spec a job, and a cost that follows the change."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from athena_lab.errors import ConflictError, NotFoundError, UnreachableError
from athena_lab.gateway_api.jobs import Source
from athena_lab.jobs.platform_files import LOADER, PLATFORM_FILES
from athena_lab.jobs.repository import SHARD_SIZE, Change, JobsRepository
from athena_lab.jobs.spec import JobSpec, canonical_json, with_content_hash

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def spec_of(number: int, version: int = 1, team: str = "energy") -> JobSpec:
    spec = JobSpec(
        id=f"job_{number}", name=f"Job {number}", team=team, owner="ann", version=version, bundle=f"{version:064x}",
        source=Source(path=f"{number}.ipynb"), start_at=NOW, deployed_at=NOW, deployed_by="ann",
    )  # fmt: skip
    return with_content_hash(spec)


def deploy(repository: JobsRepository, *specs: JobSpec) -> None:
    for spec in specs:
        repository.commit(repository.change_of(spec), "ann", f"Deploy {spec.id} v{spec.version}")
    repository.push()


def git(directory: Path, *arguments: str, stdin: bytes = b"") -> str:
    command = ["git", "--git-dir", str(directory), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode()


@pytest.fixture
def repository(tmp_path: Path) -> JobsRepository:
    made = JobsRepository(tmp_path / "jobs.git", tmp_path / "clone")
    made.prepare()
    return made


def test_a_fresh_remote_has_the_platforms_files_and_preparing_again_changes_nothing(tmp_path, repository):
    head = git(tmp_path / "jobs.git", "rev-parse", "main")
    names = git(tmp_path / "jobs.git", "ls-tree", "-r", "--name-only", "main").splitlines()
    assert names == ["dags/.airflowignore", "dags/beacon.py", "dags/rehearsal.py"]
    for name in names[1:]:
        text = git(tmp_path / "jobs.git", "show", f"main:{name}")
        compile(text, name, "exec")
        assert "airflow" in text
        assert "DAG" in text
    repository.prepare()
    JobsRepository(tmp_path / "jobs.git", tmp_path / "other").prepare()
    assert git(tmp_path / "jobs.git", "rev-parse", "main") == head


def make_former(tmp_path: Path, repository: JobsRepository) -> str:
    """Make the repository one of a former version, which lacked a file and had another text; give its commit."""
    deploy(repository, spec_of(1))
    files = {"dags/rehearsal.py": None, "dags/beacon.py": "# former\n"}
    former = repository.commit(Change(files), "athena", "Go back")
    repository.push()
    return former


def test_a_former_repository_gets_the_platforms_files_in_one_commit_and_once(tmp_path, repository):
    former = make_former(tmp_path, repository)
    again = JobsRepository(tmp_path / "jobs.git", tmp_path / "clone")
    assert again.prepare(), "Airflow may have read the former files"
    for path, text in PLATFORM_FILES.items():
        assert git(tmp_path / "jobs.git", "show", f"main:{path}") == text
    assert git(tmp_path / "jobs.git", "rev-parse", "main^").strip() == former
    head = git(tmp_path / "jobs.git", "rev-parse", "main")
    assert not again.prepare()
    JobsRepository(tmp_path / "jobs.git", tmp_path / "other").prepare()
    assert git(tmp_path / "jobs.git", "rev-parse", "main") == head
    assert again.spec("job_1") == spec_of(1)


def test_platforms_files_wait_for_a_remote_that_is_away(tmp_path, repository):
    make_former(tmp_path, repository)
    (tmp_path / "jobs.git").rename(tmp_path / "away")
    # Not a folder of this machine, which would be made anew: a host that nobody answers for.
    again = JobsRepository(f"file://{tmp_path / 'jobs.git'}", tmp_path / "clone")
    again.prepare()
    assert again.is_ahead()
    again.prepare()
    assert git(tmp_path / "clone", "rev-list", "--count", "refs/remotes/origin/main..main").strip() == "1"
    (tmp_path / "away").rename(tmp_path / "jobs.git")
    again.push()
    assert git(tmp_path / "jobs.git", "show", "main:dags/rehearsal.py") == PLATFORM_FILES["dags/rehearsal.py"]


def test_platforms_files_come_after_what_somebody_else_deployed_meanwhile(tmp_path, repository):
    make_former(tmp_path, repository)
    other = JobsRepository(tmp_path / "jobs.git", tmp_path / "other")
    other.prepare()
    deploy(other, spec_of(2))
    head = git(tmp_path / "jobs.git", "rev-parse", "main")
    repository.prepare()
    assert git(tmp_path / "jobs.git", "rev-parse", "main") == head, "the other clone brought them already"
    other.commit(Change({"dags/rehearsal.py": "# former\n"}), "athena", "Go back")
    deploy(other, spec_of(3))
    repository.refresh()
    deploy(other, spec_of(4))
    repository.prepare()
    assert git(tmp_path / "jobs.git", "show", "main:dags/rehearsal.py") == PLATFORM_FILES["dags/rehearsal.py"]
    assert {spec.id for spec in repository.specs()} == {"job_1", "job_2", "job_3", "job_4"}


def test_no_job_gets_an_id_that_is_the_platforms(repository):
    assert repository.is_taken("rehearsal")
    assert not repository.is_taken("rehearsal_2")


def test_a_spec_comes_back_from_any_clone(tmp_path, repository):
    deploy(repository, spec_of(1))
    other = JobsRepository(tmp_path / "jobs.git", tmp_path / "other")
    other.prepare()
    assert other.spec("job_1") == spec_of(1)
    assert other.find("job_2") is None
    assert other.named("energy", "JOB 1") == spec_of(1)
    with pytest.raises(NotFoundError, match="there is none"):
        other.spec("job_2")


def test_jobs_fill_shards_stay_in_them_and_new_ones_fill_the_gaps(tmp_path, repository):
    deploy(repository, *[spec_of(number) for number in range(SHARD_SIZE + 2)])
    deploy(repository, spec_of(0, version=2))
    assert repository.path_of("job_0").shard == "shard_000"
    assert repository.path_of(f"job_{SHARD_SIZE}").shard == "shard_001"
    repository.commit(repository.removal_of(spec_of(3)), "ann", "Delete")
    assert repository.find("job_3") is None
    assert repository.deleted("job_3") == spec_of(3)
    assert repository.is_taken("job_3")
    deploy(repository, spec_of(100), spec_of(101))
    assert repository.path_of("job_100").shard == "shard_000"
    assert repository.path_of("job_101").shard == "shard_001"
    deploy(repository, spec_of(200, team="other"))
    assert repository.path_of("job_200").spec == "dags/other/shard_000/job_200.json"
    listing = git(tmp_path / "jobs.git", "ls-tree", "-r", "main", "dags").splitlines()
    loaders = [line.split()[2] for line in listing if "shard" in line and line.endswith(".py")]
    assert len(loaders) == 3
    assert len(set(loaders)) == 1
    assert git(tmp_path / "jobs.git", "show", "main:dags/other/shard_000.py") == LOADER


def test_history_is_gits_and_knows_no_other_jobs_commits(tmp_path, repository):
    deploy(repository, spec_of(1), spec_of(2), spec_of(1, 2), spec_of(2, 2), spec_of(1, 3))
    again = JobsRepository(tmp_path / "jobs.git", tmp_path / "other")
    again.prepare()
    for each in (repository, again):
        assert [item.version for item in each.history("job_1")] == [3, 2, 1]
        assert each.history("job_1")[2].bundle == f"{1:064x}"
    repository.commit(repository.removal_of(spec_of(1, 3)), "ann", "Delete")
    assert [item.version for item in repository.history("job_1")] == [3, 2, 1]
    with pytest.raises(NotFoundError):
        repository.history("job_9")


def test_somebody_elses_unusable_spec_hides_no_other_job(tmp_path, repository, caplog):
    deploy(repository, spec_of(1))
    repository.commit(Change({"dags/energy/shard_000/bad.json": "{", "README.md": "hello\n"}), "eve", "Edit")
    assert [spec.id for spec in repository.specs()] == ["job_1"]
    assert "dags/energy/shard_000/bad.json" in caplog.text
    repository.commit(Change({"dags/energy/shard_000/bad.json": None}), "eve", "Undo")
    deploy(repository, spec_of(2))
    assert len(repository.specs()) == 2


def test_two_clones_see_each_other_and_the_slower_one_begins_anew(tmp_path, repository):
    other = JobsRepository(tmp_path / "jobs.git", tmp_path / "other")
    other.prepare()
    deploy(repository, spec_of(1))
    other.commit(other.change_of(spec_of(2)), "bob", "Deploy")
    assert other.is_ahead()
    with pytest.raises(ConflictError, match="Try again"):
        other.push()
    assert not other.is_ahead()
    assert [spec.id for spec in other.specs()] == ["job_1"]
    deploy(other, spec_of(2))
    repository.refresh()
    assert {spec.id for spec in repository.specs()} == {"job_1", "job_2"}


def test_a_remote_that_is_away_keeps_the_commit_for_later(tmp_path, repository):
    repository.commit(repository.change_of(spec_of(1)), "ann", "Deploy")
    (tmp_path / "jobs.git").rename(tmp_path / "away")
    for action in (repository.push, repository.refresh):
        with pytest.raises(UnreachableError, match="Cannot reach the jobs repository"):
            action()
    assert repository.is_ahead()
    (tmp_path / "away").rename(tmp_path / "jobs.git")
    repository.push()
    assert not repository.is_ahead()


def test_locks_that_a_killed_git_left_are_cleared(tmp_path, repository):
    for name in ("refs/heads/main.lock", "refs/remotes/origin/main.lock", "packed-refs.lock", "athena-index.lock"):
        (tmp_path / "clone" / name).touch()
    remote_lock = tmp_path / "jobs.git" / "refs/heads/main.lock"
    remote_lock.touch()
    with pytest.raises(UnreachableError):
        deploy(repository, spec_of(1))
    assert repository.is_ahead()
    os.utime(remote_lock, (time.time() - 100, time.time() - 100))
    with pytest.raises(UnreachableError):
        repository.push()
    repository.push()
    assert "job_1" in git(tmp_path / "jobs.git", "ls-tree", "-r", "main")


def test_no_configuration_or_hook_of_a_user_is_obeyed(tmp_path, monkeypatch):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-receive", "update", "post-receive", "reference-transaction", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n[commit]\n\tgpgSign = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere"))
    repository = JobsRepository(tmp_path / "jobs.git", tmp_path / "clone")
    repository.prepare()
    deploy(repository, spec_of(1))
    assert not (tmp_path / "hook-ran").exists()


def test_an_authors_name_cannot_forge_a_commits_lines(tmp_path, repository):
    repository.commit(repository.change_of(spec_of(1)), "eve\n<x> \x00author root", "Deploy job_1 v1")
    repository.commit(repository.change_of(spec_of(2)), "", "Deploy job_2 v1")
    assert git(tmp_path / "clone", "log", "-2", "--format=%an|%s", "main").splitlines() == [
        "unknown|Deploy job_2 v1",
        "evex author root|Deploy job_1 v1",
    ]


def test_airflows_user_can_read_the_remote_whatever_the_gateways_umask(tmp_path):
    code = (
        "import os, sys; os.umask(0o077); from pathlib import Path; "
        "from athena_lab.jobs.repository import JobsRepository; home = Path(sys.argv[1]); "
        "JobsRepository(home / 'jobs.git', home / 'gateway' / 'clone').prepare()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for path in [tmp_path / "jobs.git", *(tmp_path / "jobs.git").rglob("*")]:
        mode = path.stat().st_mode
        wanted = 0o005 if stat.S_ISDIR(mode) else 0o004
        assert mode & wanted == wanted, path


def test_maintenance_keeps_everything(tmp_path, repository):
    deploy(repository, *[spec_of(1, version) for version in range(1, 6)])
    repository.maintain()
    git(tmp_path / "clone", "gc", "--quiet")
    assert not (tmp_path / "clone" / "refs/heads/main").exists()  # packed
    assert repository.spec("job_1").version == 5
    deploy(repository, spec_of(1, 6))
    assert len(repository.history("job_1")) == 6


def import_many(remote: Path, count: int) -> None:
    """Put many jobs into the remote in one commit."""
    lines = [b"commit refs/heads/main\ncommitter a <> 1 +0000\ndata 4\nmany\nfrom refs/heads/main^0\n"]
    for number in range(count):
        shard = f"dags/energy/shard_{number // SHARD_SIZE:03d}"
        text = canonical_json(spec_of(number)).encode()
        lines.append(f"M 644 inline {shard}/job_{number}.json\ndata {len(text)}\n".encode() + text + b"\n")
        if number % SHARD_SIZE == 0:
            lines.append(f"M 644 inline {shard}.py\ndata {len(LOADER)}\n{LOADER}\n".encode())
    git(remote, "fast-import", "--quiet", stdin=b"".join(lines))


def test_a_deploy_among_ten_thousand_jobs_reads_and_writes_only_what_it_changes(tmp_path, repository):
    import_many(tmp_path / "jobs.git", 10_000)
    repository.refresh()
    assert len(repository.specs()) == 10_000
    before = objects(tmp_path / "clone")
    reads: list[int] = []
    read = repository._index.read
    repository._index.read = lambda blobs: reads.append(len(wanted := list(blobs))) or read(wanted)
    began = time.process_time() + sum(os.times()[2:4])
    for number in range(10):
        deploy(repository, spec_of(number, 2), spec_of(20_000 + number))
        assert repository.spec(f"job_{number}").version == 2
    spent = (time.process_time() + sum(os.times()[2:4]) - began) / 20
    assert max(reads) <= 3
    assert objects(tmp_path / "clone") - before <= 20 * 7  # a commit, a blob or two, and the trees above them
    assert spent < 0.5, f"a deploy takes {spent:.3f} s of CPU"


def objects(clone: Path) -> int:
    return sum(1 for _ in clone.glob("objects/??/*"))
