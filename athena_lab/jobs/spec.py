"""The spec of a job: inert, schema-validated data from which Airflow's loader makes a DAG."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from athena_lab.gateway_api.jobs import JobVersion, Source
from athena_lab.gateway_api.terms import Schedule, Terms
from athena_lab.gateway_api.worker import dag_id_of

MAX_ID = 60
JOINERS = "\u200c\u200d"
"""Zero-width characters that emoji and some scripts join letters by."""
_BEHAVIOUR = {"bundle", "name", "owner", "team", *Terms.model_fields}


class JobSpec(Terms):
    """One version of a job as the jobs repository keeps it (see ARCHITECTURE.md)."""

    schema_version: Literal[1] = 1
    id: str = Field(pattern=r"^[a-z0-9_]{1,60}$")
    name: str
    team: str = Field(pattern=r"^[a-z0-9_]{1,60}$")
    owner: str
    version: int = Field(ge=1)
    content_hash: str = ""
    origin: int | None = None
    bundle: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: Source
    project: str = ""
    """Whose tables are named without their project; empty in specs of before this was kept."""
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The source columns of each written one, as lineage told at the deployment."""
    start_at: AwareDatetime
    deployed_at: AwareDatetime
    deployed_by: str
    message: str = ""
    rehearsed_at: AwareDatetime | None = None

    @property
    def dag_id(self) -> str:
        """The name of the job's DAG in Airflow."""
        return dag_id_of(self.team, self.id)

    @property
    def summary(self) -> JobVersion:
        """What is told to a client about this version."""
        return JobVersion(
            version=self.version,
            deployed_at=self.deployed_at,
            deployed_by=self.deployed_by,
            message=self.message,
            content_hash=self.content_hash,
            bundle=self.bundle,
            origin=self.origin,
            rehearsed_at=self.rehearsed_at,
        )


def canonical_json(spec: JobSpec) -> str:
    """Write a spec the one way it is kept: sorted keys, indented, a newline at the end."""
    return _canonical(spec.model_dump(mode="json"))


def content_hash_of(spec: JobSpec) -> str:
    """Hash what decides a job's behaviour (SHA-256, hex): not its version, times, message or author.

    A field at its default is left out, so that a field which a later release adds changes no hash.
    """
    content: dict[str, Any] = spec.model_dump(mode="json", include=_BEHAVIOUR, exclude_defaults=True)
    content["source_path"] = spec.source.path
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def with_content_hash(spec: JobSpec) -> JobSpec:
    """Give the spec with its content hash filled in."""
    return spec.model_copy(update={"content_hash": content_hash_of(spec)})


def slug_of(name: str) -> str:
    """Make an id of a name: `[a-z0-9_]{1,60}`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:MAX_ID].rstrip("_") or "job"


def name_key(name: str) -> str:
    """Give what tells names apart: neither case, nor how accents are written, nor joiners that nobody sees."""
    return unicodedata.normalize("NFKC", name.translate(dict.fromkeys(map(ord, JOINERS)))).casefold()


def free_id(name: str, is_taken: Callable[[str], bool]) -> str:
    """Make an id of a name that is not taken, with a number behind it if need be."""
    slug, number = slug_of(name), 1
    candidate = slug
    while is_taken(candidate):
        number += 1
        candidate = f"{slug[: MAX_ID - len(str(number)) - 1]}_{number}"
    return candidate


def start_of(previous: JobSpec | None, schedule: Schedule, now: datetime) -> datetime:
    """Give the moment from which a schedule fires: that of the deployment that last changed it.

    An earlier one would make Airflow start a run of a fire in the past at once.
    """
    return previous.start_at if previous is not None and previous.schedule == schedule else now


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, indent=2) + "\n"
