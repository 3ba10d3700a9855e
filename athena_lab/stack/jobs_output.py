"""What `athena jobs` prints for people; with `--json` the gateway's own values are printed instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from athena_lab.gateway_api.jobs import Job, JobVersion, Promotion, Run
from athena_lab.gateway_api.lineage import Dependencies
from athena_lab.gateway_api.terms import Schedule
from athena_lab.gateway_api.versions import CellDifference, JobDiff

_SIGN = {"same": " ", "removed": "-", "added": "+"}


def format_jobs(jobs: Sequence[Job]) -> str:
    """Give the table of jobs."""
    if not jobs:
        return "There are no jobs. Make one with `athena jobs promote FILE.ipynb`."
    rows = [("NAME", "ID", "VERSION", "STATE", "SCHEDULE", "LAST RUN")]
    rows += [
        (
            job.name,
            job.id,
            f"v{job.version}",
            job.state.value,
            _schedule(job.schedule),
            job.last_run.state.value if job.last_run else "-",
        )
        for job in jobs
    ]
    return _table(rows)


def format_job(job: Job, version: JobVersion | None = None) -> str:
    """Give one job's facts, one a line; with its current version also whether that was rehearsed."""
    zone = job.schedule.timezone
    lines = [
        f"{job.name} ({job.id}), v{job.version}, {job.state.value}, owned by {job.owner}",
        f"notebook: {job.source.path}",
        f"schedule: {_schedule(job.schedule)}",
        f"next run: {_moment(job.next_run_at, zone)}",
        f"deployment: {job.promotion.value}, {_moment(job.updated_at, zone)}",
    ]
    if version is not None:
        lines.append(f"rehearsal: {_rehearsed(version, zone)}")
    if job.last_run:
        lines.append(f"last run: {job.last_run.state.value}, {_moment(job.last_run.queued_at, zone)}")
    for parameter in job.parameters:
        value = parameter.relative or (parameter.default if parameter.value is None else parameter.value)
        lines.append(f"parameter {parameter.name} ({parameter.type.value}): {value}")
    return "\n".join(lines)


def format_dependencies(found: Dependencies) -> str:
    """Give who writes what a job reads and who reads what it writes, one a line, and what is odd about it."""
    names = {node.id: node for node in found.nodes}
    lines = []
    for one in found.upstreams:
        verb = "waits for" if one.is_awaited else "reads"
        whose = f"'{one.job_name}' ({one.owner}, {one.schedule})" if one.job_id else "no job"
        lines.append(f"{verb} {one.table}, written by {whose}, updated {_moment(one.updated_at, 'UTC')}")
    for edge in found.edges:
        if edge.source == found.job_id:
            node = names[edge.target]
            verb = "waits for it" if edge.is_awaited else "reads it"
            lines.append(f"writes {edge.table}: '{node.name}' ({node.owner}, {node.schedule}) {verb}")
    lines += [f"not decided: {item.text}" for item in found.unknown]
    lines += [warning.message for warning in found.warnings]
    return "\n".join(lines) or "It reads no table that is known, and no job reads what it writes."


def format_versions(versions: Sequence[JobVersion]) -> str:
    """Give the table of a job's versions, the newest first."""
    rows = [("VERSION", "WHEN", "WHO", "OF", "REHEARSED", "MESSAGE")]
    rows += [
        (
            f"v{one.version}",
            _moment(one.deployed_at, "UTC"),
            one.deployed_by,
            f"v{one.origin}" if one.origin else "-",
            _rehearsed(one, "UTC"),
            one.message or "-",
        )
        for one in versions
    ]
    return _table(rows)


def format_promotion(promotion: Promotion) -> str:
    """Say how far a deployment is."""
    what = f"{promotion.job_id} v{promotion.version}"
    if promotion.is_unchanged:
        return f"{what} is unchanged: its content is current already."
    return f"{what} is {promotion.state.value}." + (f" {promotion.message}" if promotion.message else "")


def format_run(run: Run) -> str:
    """Say how a run stands."""
    text = f"run {run.id} of {run.job_name or run.job_id} v{run.job_version}: {run.state.value}"
    cells = f", {run.cells_done} of {run.cells_total} cells" if run.cells_total else ""
    return text + cells + (f"\n{run.error}" if run.error else "")


def format_diff(diff: JobDiff) -> str:
    """Give the differences: fields, side files, then cells with their lines."""
    to = f"v{diff.to_version}" if diff.to_version else "the notebook"
    if diff.is_same:
        return f"v{diff.version} and {to} are the same."
    lines = [f"v{diff.version} → {to}: {len(diff.cells)} cells differ, {diff.same_cells} are the same"]
    lines += [f"{one.field}: {one.before!r} → {one.after!r}" for one in diff.fields]
    lines += [f"file {one.path}: {one.kind.value}" for one in diff.files]
    for cell in diff.cells:
        lines += _cell(cell)
    return "\n".join(lines)


def _cell(cell: CellDifference) -> Iterable[str]:
    place = cell.after if cell.after is not None else cell.before
    moved = f", moved from {cell.before + 1}" if cell.is_moved and cell.before is not None else ""
    yield f"\n@ cell {(place or 0) + 1} ({cell.cell_type}): {cell.kind.value}{moved}"
    if cell.tags is not None:
        yield f"tags now: {', '.join(cell.tags) or 'none'}"
    if cell.kind != "moved":
        yield from (_SIGN[line.kind] + " " + line.text for line in cell.lines)


def _rehearsed(version: JobVersion, zone: str) -> str:
    return _moment(version.rehearsed_at, zone) if version.rehearsed_at else "not rehearsed"


def _schedule(schedule: Schedule) -> str:
    return f"{schedule.cron} ({schedule.timezone})" if schedule.cron else "by hand"


def _moment(moment: datetime | None, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z") if moment else "-"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
