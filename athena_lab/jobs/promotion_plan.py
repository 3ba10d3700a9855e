"""Plan a promotion: every fault of the form at once, else the spec that it would deploy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from athena_lab.errors import Fault
from athena_lab.gateway_api.bundles import EnvironmentKind
from athena_lab.gateway_api.jobs import Bundle, PromoteRequest, Source
from athena_lab.gateway_api.terms import Tables, terms_of
from athena_lab.jobs.alert_rules import alert_faults
from athena_lab.jobs.guards import guard_faults
from athena_lab.jobs.parameters import merge_parameters, parameter_faults, secret_faults
from athena_lab.jobs.schedule import schedule_faults
from athena_lab.jobs.spec import JOINERS, JobSpec, free_id, name_key, start_of, with_content_hash

MAX_NAME = 100
MAX_MESSAGE = 1000
MAX_RETRIES = 10
MAX_TIMEOUT_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class PromotionRules:
    """What a promotion may ask for, the team that its job belongs to, and when its bundle was rehearsed."""

    minimum_interval_s: int
    team: str
    secret_names: Callable[[str], Collection[str]] | None = None
    """The names of a user's secrets; None where nobody keeps any."""
    rehearsed_at: Callable[[str, str], datetime | None] = lambda _bundle, _user: None
    """When a user's last rehearsal of a bundle that succeeded has ended."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform knows beside the form: the bundle, the job named by id, the name's bearer, the time."""

    bundle: Bundle | None
    target: JobSpec | None
    namesake: JobSpec | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """Who deploys, for which team, when; and which ids are taken."""

    owner: str
    team: str
    now: datetime
    is_taken: Callable[[str], bool]


def form_faults(request: PromoteRequest, owner: str, known: Known, rules: PromotionRules) -> tuple[Fault, ...]:
    """Give every fault of a promotion's form."""
    faults = [*_bundle_faults(request, known), *_name_faults(request, owner, known)]
    faults += schedule_faults(request.schedule, rules.minimum_interval_s, known.now)
    if known.bundle is not None:
        faults += parameter_faults(request.parameters, known.bundle.parameters)
    faults += [*_bound_faults(request), *guard_faults(request)]
    secrets = None if rules.secret_names is None else rules.secret_names(owner)
    faults += [*alert_faults(request, secrets), *secret_faults(request.parameters, secrets)]
    return tuple(faults)


def expected_fault(request: PromoteRequest, previous: JobSpec | None) -> Fault | None:
    """Give the fault of a job that has moved on since its form was opened."""
    version = previous.version if previous else 0
    if request.expected_version is None or request.expected_version == version:
        return None
    return Fault(
        "expected_version",
        f"Cannot deploy '{request.name}': the form was opened at version {request.expected_version}, and the job is "
        f"at version {version} now. Reload it and look at what changed.",
    )


def is_same_source(one: Source, other: Source) -> bool:
    """Say whether two sources are the same notebook (by its id, else by its path) and the same cells."""
    if (one.cell_id, one.cell_ids) != (other.cell_id, other.cell_ids):
        return False
    if one.notebook_id is not None and other.notebook_id is not None:
        return one.notebook_id == other.notebook_id
    return one.path == other.path


def previous_of(request: PromoteRequest, owner: str, known: Known) -> JobSpec | None:
    """Give the job of which this would be the next version: named by id, else the same notebook's of that name."""
    if request.job_id is not None:
        return known.target
    namesake = known.namesake
    if namesake is None or known.bundle is None or namesake.owner != owner:
        return None
    return namesake if is_same_source(namesake.source, known.bundle.source) else None


def next_spec(
    request: PromoteRequest, bundle: Bundle, previous: JobSpec | None, past: Sequence[JobSpec], by: Deployment
) -> JobSpec:
    """Make the next version of a job, or the first of a new one; `origin` is the version whose content it repeats."""
    name = request.name.strip()
    spec = with_content_hash(
        JobSpec(
            **terms_of(request)
            | {
                "parameters": merge_parameters(bundle.parameters, request.parameters),
                "tables": request.tables or Tables(),
            },
            id=previous.id if previous else free_id(name, by.is_taken),
            name=name,
            team=previous.team if previous else by.team,
            owner=previous.owner if previous else by.owner,
            version=previous.version + 1 if previous else 1,
            bundle=bundle.hash,
            source=bundle.source,
            start_at=start_of(previous, request.schedule, by.now),
            deployed_at=by.now,
            deployed_by=by.owner,
            message=request.message,
        )
    )
    origins = [old.version for old in past if old.content_hash == spec.content_hash]
    return spec.model_copy(update={"origin": max(origins, default=None)})


def _bundle_faults(request: PromoteRequest, known: Known) -> list[Fault]:
    if known.bundle is not None:
        return []
    return [
        Fault(
            "bundle",
            f"Cannot schedule the bundle '{request.bundle[:12]}': none with that hash is stored whole. "
            "Upload the notebook again.",
        )
    ]


def _name_faults(request: PromoteRequest, owner: str, known: Known) -> list[Fault]:
    name = request.name.strip()
    if not name_key(name):
        return [Fault("name", "Cannot schedule the job '': it has no name. Give it one.")]
    shown = f"Cannot name the job '{name[:MAX_NAME]}'"
    if len(name) > MAX_NAME:
        return [Fault("name", f"{shown}: it has {len(name)} characters. Use at most {MAX_NAME}.")]
    if not all(char.isprintable() or char in JOINERS for char in name):
        return [Fault("name", f"{shown}: it has a character that cannot be shown. Leave it out.")]
    namesake = known.namesake
    if namesake is None or namesake is previous_of(request, owner, known):
        return []
    if namesake.owner != owner:
        return [Fault("name", f"{shown}: another owner's job has that name. Choose another name.")]
    if known.bundle is None and request.job_id is None:
        return []  # which notebook it is cannot be told, and the bundle is reported already
    where = namesake.source.path
    return [Fault("name", f"{shown}: your job of '{where}' has that name. Choose another, or deploy that job.")]


def _bound_faults(request: PromoteRequest) -> list[Fault]:
    shown = f"Cannot schedule '{request.name[:MAX_NAME]}'"
    faults = []
    if not 0 <= request.retries <= MAX_RETRIES:
        faults.append(Fault("retries", f"{shown}: {request.retries} retries are not possible. Use 0 to {MAX_RETRIES}."))
    if not 1 <= request.timeout_s <= MAX_TIMEOUT_S:
        faults.append(
            Fault(
                "timeout_s", f"{shown}: a timeout of {request.timeout_s} s is not possible. Use 1 to {MAX_TIMEOUT_S}."
            )
        )
    if len(request.message) > MAX_MESSAGE:
        faults.append(
            Fault("message", f"{shown}: the message has {len(request.message)} characters. Use at most {MAX_MESSAGE}.")
        )
    return faults


def environment_warnings(name: str, locked: Bundle, after: Bundle | None) -> tuple[Fault, ...]:
    """Say that a job which runs in a locked environment of its own would lose it: nobody asked for that in words."""
    if after is None or after.environment.kind is not EnvironmentKind.PLATFORM:
        return ()
    had = f"now runs in a locked environment (packages: {locked.environment.packages})"
    message = f"'{name}' {had}, and would run in the platform's. Choose the locked environment to keep one."
    return (Fault("environment", message),)
