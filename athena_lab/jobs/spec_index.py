"""Which job is where in the jobs repository: an index by id that follows the branch by its differences."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from athena_lab.jobs.git import Git
from athena_lab.jobs.spec import JobSpec, name_key

_LOG = logging.getLogger(__name__)
_NOTHING = "0" * 40


@dataclass(frozen=True, slots=True)
class SpecPath:
    """Where a job's spec is: under a team and a shard."""

    team: str
    shard: str
    job_id: str

    @property
    def spec(self) -> str:
        return f"dags/{self.team}/{self.shard}/{self.job_id}.json"

    @property
    def loader(self) -> str:
        """The loader that makes the shard's DAGs."""
        return f"dags/{self.team}/{self.shard}.py"

    @property
    def loader_in_dags(self) -> str:
        """The loader's path as Airflow tells it, below `dags/`."""
        return f"{self.team}/{self.shard}.py"

    @property
    def tombstone(self) -> str:
        """Where the last spec of the job stays after its deletion."""
        return f"deleted/{self.team}/{self.job_id}.json"


class SpecIndex:
    """The specs at one commit; moving on costs what changed between the commits, not what there is."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._lock = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self._head: str | None = None
        self._specs: dict[str, JobSpec] = {}
        self._paths: dict[str, SpecPath] = {}
        self._deleted: dict[str, JobSpec] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._loaders: set[str] = set()
        self._shards: dict[str, Counter[str]] = {}
        self._members: dict[tuple[str, str], dict[str, None]] = {}

    def follow(self, head: str | None) -> None:
        """Bring the index to a commit."""
        with self._lock:
            if head == self._head:
                return
            if head is None:
                self._clear()
                return
            removed, added = self._difference(head)
            texts = self.read(blob for _, blob in added)
            for path in removed:
                self._remove(path)
            for path, blob in added:
                self._add(path, texts[blob])
            self._head = head

    def _difference(self, head: str) -> tuple[list[str], list[tuple[str, str]]]:
        """Give the paths that went or changed, and those that came or changed with their blobs."""
        if self._head is None:
            listing = self._git.text("ls-tree", "-r", "-z", head)
            entries = [line.split("\t", 1) for line in listing.split("\0") if line]
            return [], [(path, info.split()[2]) for info, path in entries]
        raw = self._git.text("diff-tree", "-r", "-z", "--no-renames", "--raw", self._head, head)
        parts = raw.split("\0")
        removed, added = [], []
        for info, path in zip(parts[0::2], parts[1::2], strict=False):
            _, _, _, blob, status = info.split()
            if status != "A":
                removed.append(path)
            if status != "D" and blob != _NOTHING:
                added.append((path, blob))
        return removed, added

    def read(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """Read blobs in one process, by their ids."""
        wanted = list(dict.fromkeys(blobs))
        if not wanted:
            return {}
        output = self._git.run(["cat-file", "--batch"], stdin="".join(blob + "\n" for blob in wanted).encode())
        result, at = {}, 0
        for blob in wanted:
            end = output.index(b"\n", at)
            size = int(output[at:end].split()[2])
            result[blob] = output[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return result

    def _add(self, path: str, text: bytes) -> None:
        if path.startswith("dags/") and path.endswith(".py"):
            self._loaders.add(path)
            return
        place = _place_of(path)
        if place is None:
            return
        try:
            spec = JobSpec.model_validate_json(text)
        except ValidationError as error:
            _LOG.error("the jobs repository has an unusable spec %s (%d faults)", path, error.error_count())
            return
        if not place.shard:
            self._deleted[place.job_id] = spec
            return
        self._specs[place.job_id], self._paths[place.job_id] = spec, place
        self._names[spec.team, name_key(spec.name)] = place.job_id
        self._shards.setdefault(place.team, Counter())[place.shard] += 1
        self._members.setdefault((place.team, place.shard), {})[place.job_id] = None

    def _remove(self, path: str) -> None:
        self._loaders.discard(path)
        place = _place_of(path)
        if place is None:
            return
        if not place.shard:
            self._deleted.pop(place.job_id, None)
            return
        if self._paths.get(place.job_id) != place:
            return
        spec = self._specs.pop(place.job_id)
        del self._paths[place.job_id]
        if self._names.get((spec.team, name_key(spec.name))) == place.job_id:
            del self._names[spec.team, name_key(spec.name)]
        self._shards[place.team][place.shard] -= 1
        self._members[place.team, place.shard].pop(place.job_id, None)

    # -- questions

    def specs(self) -> tuple[JobSpec, ...]:
        with self._lock:
            return tuple(self._specs.values())

    def spec(self, job_id: str) -> JobSpec | None:
        with self._lock:
            return self._specs.get(job_id)

    def deleted(self, job_id: str) -> JobSpec | None:
        with self._lock:
            return self._deleted.get(job_id)

    def deleted_specs(self) -> tuple[JobSpec, ...]:
        with self._lock:
            return tuple(self._deleted.values())

    def named(self, team: str, name: str) -> JobSpec | None:
        with self._lock:
            job_id = self._names.get((team, name_key(name)))
            return self._specs[job_id] if job_id else None

    def is_taken(self, job_id: str) -> bool:
        """Say whether a job has or had this id."""
        with self._lock:
            return job_id in self._specs or job_id in self._deleted

    def path(self, job_id: str) -> SpecPath | None:
        with self._lock:
            return self._paths.get(job_id)

    def sibling(self, job_id: str) -> str | None:
        with self._lock:
            place = self._paths.get(job_id)
            members = self._members.get((place.team, place.shard), {}) if place else {}
            return next((member for member in members if member != job_id), None)

    def has_loader(self, path: str) -> bool:
        with self._lock:
            return path in self._loaders

    def shard_with_room(self, team: str, size: int) -> str:
        """Give the first shard of a team that holds fewer than `size` specs."""
        with self._lock:
            shards = self._shards.get(team, Counter())
            number = 0
            while shards[f"shard_{number:03d}"] >= size:
                number += 1
            return f"shard_{number:03d}"


def _place_of(path: str) -> SpecPath | None:
    """Tell which job a path is of; an empty shard says that the job is deleted."""
    match path.removesuffix(".json").split("/"):
        case ["dags", team, shard, job_id] if path.endswith(".json"):
            return SpecPath(team, shard, job_id)
        case ["deleted", team, job_id] if path.endswith(".json"):
            return SpecPath(team, "", job_id)
    return None
