"""The jobs repository: specs and loaders in git, written commit by commit without a work tree.

Nothing is checked out: a commit is made of new blobs and a moved branch, so a process killed at any
point leaves either the old commit or the new one, and a deploy touches only the folders that it changes.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from athena_lab.errors import ConfigurationError, ConflictError, NotFoundError, UnreachableError
from athena_lab.gateway_api.jobs import JobVersion
from athena_lab.jobs.git import Git, GitError, run_git
from athena_lab.jobs.platform_files import LOADER, outdated_files
from athena_lab.jobs.spec import JobSpec, canonical_json
from athena_lab.jobs.spec_index import SpecIndex, SpecPath

BRANCH = "refs/heads/main"
REMOTE_BRANCH = "refs/remotes/origin/main"
SHARD_SIZE = 40
_RESERVED = frozenset({"rehearsal"})
"""Ids that would give a job's DAG the id of one of the platform's."""
_PLATFORM = "athena"
_STALE_LOCK_S = 60.0
"""Git holds a branch's lock for milliseconds."""
_LOCK_PAUSE_S = 0.01
_LOCK_WAIT_S = 60.0
"""How long a writer waits for another process; a deployment takes a second."""
_LEFT_OVER = (
    "packed-refs",
    "config",
    "HEAD",
    "objects/info/commit-graph",
    "objects/info/commit-graphs/commit-graph-chain",
)
_MOST_TRIES = 5
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """Files of one commit by path; None removes the file."""

    files: Mapping[str, str | None]


class JobsRepository:
    """A clone of the jobs repository and its remote; the clone's lock serialises whoever writes."""

    def __init__(self, remote: Path | str, clone: Path) -> None:
        self._remote, self._clone = str(remote), clone
        self._git = Git(clone)
        # Readers have one of their own: they need not and must not inherit the writers' lock.
        self._reader = Git(clone)
        self._index = SpecIndex(self._reader)
        self._histories: dict[str, tuple[JobSpec, ...]] = {}
        self._lock = threading.RLock()
        self._depth = 0

    # -- set-up and agreement with the remote

    def prepare(self) -> bool:
        """Make the remote (a bare repository) and the clone where they are absent, and bring the platform's files.

        A remote that is away gets the files with the next push. True: Airflow may have read former ones.
        """
        with self.locked():
            if "://" not in self._remote and "@" not in self._remote:
                _init_bare(Path(self._remote), mode="0644")
            if not (self._clone / "HEAD").exists():
                _init_bare(self._clone, mode="umask")
            self._git.text("config", "remote.origin.url", self._remote)
            self._git.text("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
            if self._head_of(BRANCH) is None:
                self._fetch()  # a clone that has commits can begin without its remote
            is_fresh = self._head_of(BRANCH) is None
            return self._bring_platform_files() and not is_fresh

    def _bring_platform_files(self) -> bool:
        """Commit what differs from this version's files, if anything does; after somebody else's commit, look again."""
        for _ in range(_MOST_TRIES):
            outdated = outdated_files(self._git, self._head_of(BRANCH))
            if not outdated:
                return False
            self.commit(Change(outdated), _PLATFORM, "Bring the platform's files up to date")
            try:
                self.push()
            except ConflictError:
                continue
            except UnreachableError as error:
                _LOG.warning("the platform's files wait for the jobs repository: %s", error)
            return True
        return False

    def refresh(self) -> None:
        """Take over what the remote has; commits of ours that it lacks stay on top (`is_ahead`)."""
        with self.locked():
            self._fetch()

    def is_ahead(self) -> bool:
        """Say whether the clone has commits that the remote lacked when last seen."""
        return self._head_of(BRANCH) != self._head_of(REMOTE_BRANCH)

    def push(self) -> None:
        """Send our commits to the remote.

        Raises UnreachableError when it does not take them now (they stay), and ConflictError when
        somebody else's came first: then ours are dropped, so that the caller begins anew.
        """
        with self.locked():
            try:
                self._git.text("push", "--quiet", "origin", f"{BRANCH}:{BRANCH}")
            except GitError as error:
                self._drop_stale_remote_lock()
                if "rejected]" in error.stderr and self._fetch():
                    raise ConflictError(
                        "Cannot deploy: the jobs repository has moved on meanwhile. Try again."
                    ) from error
                raise self._unreachable(error) from error
            self._git.text("update-ref", REMOTE_BRANCH, BRANCH)

    def maintain(self) -> None:
        """Pack what many commits left behind, if it is much; keeps the history of one file quick to find."""
        with self.locked():
            for git in (self._git, Git(Path(self._remote))):
                if git.directory.is_dir():
                    git.run(["-c", "gc.auto=2000", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"])
                    git.run(["commit-graph", "write", "--reachable", "--changed-paths"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the only right to write, against other threads and processes; a killed holder loses it."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                with self._lock_file() as file:
                    self._git.held = (file.fileno(),)
                    try:
                        yield
                    finally:
                        self._git.held = ()
            finally:
                self._depth -= 1

    @contextmanager
    def _lock_file(self) -> Iterator[IO[str]]:
        """Hold the clone's lock file; raise ConfigurationError where it cannot be, UnreachableError where another does.

        Nobody else writes then, so what locks parts of the clone is left over from a crash, and is removed.
        """
        path = self._clone.with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise self._unusable(error) from error
        with file:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while not _is_locked(file):
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"Cannot change the jobs repository: another process has held '{path.name}' for "
                        f"{_LOCK_WAIT_S:.0f} s. Find it with `fuser {path.name}`, or try again later."
                    )
                time.sleep(_LOCK_PAUSE_S)
            try:
                for name in (*_LEFT_OVER, BRANCH, REMOTE_BRANCH):
                    (self._clone / f"{name}.lock").unlink(missing_ok=True)
            except OSError as error:
                raise self._unusable(error) from error
            yield file

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot write to the clone of the jobs repository '{self._clone.name}' ({error.strerror}). "
            "Check the disk and the folder's owner, then try again."
        )

    # -- reading

    def specs(self) -> tuple[JobSpec, ...]:
        """Give the current spec of every job."""
        return self._current().specs()

    def spec(self, job_id: str) -> JobSpec:
        """Give a job's current spec; raise NotFoundError."""
        found = self.find(job_id)
        if found is None:
            raise NotFoundError(f"Cannot find the job '{job_id[:60]}': there is none. Look at the list of jobs.")
        return found

    def find(self, job_id: str) -> JobSpec | None:
        """Give a job's current spec, None if there is none."""
        return self._current().spec(job_id)

    def named(self, team: str, name: str) -> JobSpec | None:
        """Give the job of a team that bears a name (case does not tell names apart)."""
        return self._current().named(team, name)

    def deleted(self, job_id: str) -> JobSpec | None:
        """Give the last spec of a deleted job, None if there is none."""
        return self._current().deleted(job_id)

    def deleted_specs(self) -> tuple[JobSpec, ...]:
        """Give the last spec of every deleted job."""
        return self._current().deleted_specs()

    def is_taken(self, job_id: str) -> bool:
        """Say whether a job has or had this id, which is never used again, or the platform keeps it for itself."""
        return job_id in _RESERVED or self._current().is_taken(job_id)

    def path_of(self, job_id: str) -> SpecPath | None:
        """Give where a job's spec is."""
        return self._current().path(job_id)

    def sibling_of(self, job_id: str) -> str | None:
        """Give the id of another job in the same shard, the oldest known, None if it is alone."""
        return self._current().sibling(job_id)

    def history(self, job_id: str) -> tuple[JobVersion, ...]:
        """Give a job's versions from git's log of its file, the newest first; raise NotFoundError."""
        return tuple(spec.summary for spec in self.past_specs(job_id))

    def past_specs(self, job_id: str) -> tuple[JobSpec, ...]:
        """Give every version of a job's spec, the newest first; raise NotFoundError."""
        newest = self.find(job_id) or self.deleted(job_id)
        if newest is None:
            self.spec(job_id)
            raise AssertionError
        known = self._histories.get(job_id, ())
        if not known or known[0] != newest:
            known = self._read_history(job_id, newest)
            self._histories[job_id] = known
        return known

    def _read_history(self, job_id: str, newest: JobSpec) -> tuple[JobSpec, ...]:
        known = self._histories.get(job_id, ())
        if known and newest.version == known[0].version + 1:
            return (newest, *known)
        pattern = f"dags/{newest.team}/*/{job_id}.json"
        log = self._reader.text("log", "--format=%H", "--raw", "--no-abbrev", "--no-renames", BRANCH, "--", pattern)
        blobs = [line.split()[3] for line in log.splitlines() if line.startswith(":")]
        blobs = [blob for blob in dict.fromkeys(blobs) if blob.strip("0")]
        versions: dict[int, JobSpec] = {}
        for content in self._index.read(blobs).values():
            try:
                spec = JobSpec.model_validate_json(content)
            except ValidationError:
                continue  # somebody's hand edit that was never a version
            versions.setdefault(spec.version, spec)
        return tuple(versions[number] for number in sorted(versions, reverse=True))

    # -- writing

    def shard_for(self, team: str) -> str:
        """Choose the shard of a new job: the first of its team with room (a deleted job leaves room)."""
        return self._current().shard_with_room(team, SHARD_SIZE)

    def change_of(self, spec: JobSpec) -> Change:
        """Give the files that a new version of a job changes; a job stays in its shard."""
        known = self.path_of(spec.id)
        shard = known.shard if known else self.shard_for(spec.team)
        path = SpecPath(spec.team, shard, spec.id)
        files: dict[str, str | None] = {path.spec: canonical_json(spec)}
        if not self._current().has_loader(path.loader):
            files[path.loader] = LOADER
        return Change(files)

    def removal_of(self, spec: JobSpec) -> Change:
        """Give the files that deleting a job changes: its last spec moves to `deleted/`, its loader stays."""
        path = self.path_of(spec.id)
        if path is None:
            raise NotFoundError(f"Cannot delete the job '{spec.id}': there is none. Look at the list of jobs.")
        return Change({path.spec: None, path.tombstone: canonical_json(spec)})

    def restoration_of(self, spec: JobSpec) -> Change:
        """Give the files that bring a deleted job back: its spec in a shard with room, its tombstone gone."""
        tombstone = SpecPath(spec.team, "", spec.id).tombstone
        return Change({**self.change_of(spec).files, tombstone: None})

    def commit(self, change: Change, author: str, message: str) -> str:
        """Commit a change on top of the clone's branch; all of it or nothing. Give the commit's id."""
        with self.locked():
            head = self._head_of(BRANCH)
            index = self._clone / "athena-index"
            env = {"GIT_INDEX_FILE": str(index)}
            for leftover in (index, index.with_suffix(".lock")):
                leftover.unlink(missing_ok=True)
            self._git.text("read-tree", head or "--empty", env=env)
            self._git.run(["update-index", "-z", "--index-info"], stdin=self._entries(change), env=env)
            tree = self._git.text("write-tree", env=env)
            index.unlink(missing_ok=True)
            parents = ["-p", head] if head else []
            made = self._git.run(["commit-tree", tree, *parents], stdin=f"{message}\n".encode(), env=_identity(author))
            commit = made.decode().strip()
            self._git.text("update-ref", BRANCH, commit, head or "0" * 40)
            return commit

    def _entries(self, change: Change) -> bytes:
        lines = []
        for path, text in change.files.items():
            if text is None:
                lines.append(f"0 {'0' * 40}\t{path}")
            else:
                blob = self._git.run(["hash-object", "-w", "--stdin"], stdin=text.encode()).decode().strip()
                lines.append(f"100644 {blob}\t{path}")
        return "".join(line + "\0" for line in lines).encode()

    # -- branches

    def _current(self) -> SpecIndex:
        self._index.follow(self._head_of(BRANCH))
        return self._index

    def _head_of(self, ref: str) -> str | None:
        """Give a branch's commit; from its own file where it has one, which spares a process."""
        try:
            text = (self._clone / ref).read_text().strip()
        except OSError:
            text = ""
        if len(text) == 40:
            return text
        return self._reader.text("for-each-ref", "--format=%(objectname)", ref) or None

    def _fetch(self) -> bool:
        """Take over the remote's commits; say whether ours had to be dropped because others came first."""
        try:
            self._git.text("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin")
        except GitError as error:
            raise self._unreachable(error) from error
        ours, theirs = self._head_of(BRANCH), self._head_of(REMOTE_BRANCH)
        if theirs is None or ours == theirs:
            return False
        common = self._git.text("merge-base", ours, theirs) if ours else None
        if common == theirs:
            return False
        self._git.text("update-ref", BRANCH, theirs)
        return common != ours

    def _drop_stale_remote_lock(self) -> None:
        """Remove a branch's lock that a killed git left in a remote on this machine."""
        lock = Path(self._remote) / f"{BRANCH}.lock"
        if lock.is_file() and time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
            lock.unlink(missing_ok=True)

    def _unreachable(self, error: GitError) -> UnreachableError:
        return UnreachableError(f"Cannot reach the jobs repository: {error} It is tried again until it answers.")


def _is_locked(file: IO[str]) -> bool:
    """Take a file's lock unless another process has it; say whether it is ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _identity(author: str) -> dict[str, str]:
    """Name who committed; characters that git's format reserves are left out."""
    name = "".join(char for char in author if char.isprintable() and char not in "<>").strip() or "unknown"
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": "",
        "GIT_COMMITTER_NAME": _PLATFORM,
        "GIT_COMMITTER_EMAIL": "",
    }


def _init_bare(directory: Path, *, mode: str) -> None:
    """Make a bare repository, whole or not at all."""
    if (directory / "HEAD").exists():
        return
    partial = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    run_git(["git", "init", "--quiet", "--bare", "--template=", f"--shared={mode}", "-b", "main", str(partial)])
    git = Git(partial)
    for setting, value in (("core.hooksPath", "/dev/null"), ("receive.autogc", "false"), ("gc.auto", "0")):
        git.text("config", setting, value)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
    partial.rename(directory)
