"""Finished jobs and their results on disk, for a day: one record a job, appended to a file an hour.

A record is written once the job's end is known, without waiting for the disk: it outlives the process, be it
killed, not the machine's power. A record that was not written whole is where a file ends.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import now_ms
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.jobs import KEPT_MS, Job
from athena_lab.emulator.results import Result, spilled
from athena_lab.emulator.types import Field, fields_from_json

logger = logging.getLogger(__name__)
_FRAME = struct.Struct("<4sIQ")
_MAGIC = b"job1"
_HOUR_MS = 3_600_000
_MOST_BYTES = 2 * 1024**3
"""Of all files; the oldest goes first."""
_SUFFIX = ".jobs"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a record lies in a file that is mapped."""

    mapped: mmap.mmap
    start: int
    head: int
    payload: int


class Journal:
    """The files of one warehouse."""

    def __init__(self, folder: Path, results: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        self._folder, self._results = folder, results
        self._lock = threading.Lock()
        self._file = -1
        self._begun_ms = 0

    def load(self, most: int) -> list[Job]:
        """Read the jobs of the last day, `most` of them at most; remove results that belong to none."""
        self._remove_old()
        frames = [frame for path in self._paths() for frame in _frames(path)]
        jobs: dict[str, Job] = {}
        parents: dict[str, str] = {}
        for frame in frames[-most:]:
            head = json.loads(frame.mapped[frame.start : frame.start + frame.head])
            if "forgotten" in head:
                jobs.pop(head["forgotten"], None)
                continue
            if head["ended_ms"] < now_ms() - KEPT_MS:
                continue
            jobs[head["id"]] = self._job(head, frame)
            if head["parent"] is not None:
                parents[head["id"]] = head["parent"]
        for child, parent in parents.items():
            if child in jobs and parent in jobs:
                jobs[child].parent = jobs[parent]
                jobs[parent].children.append(jobs[child])
        needed = {job.stored_file for job in jobs.values()}
        for path in self._results.iterdir():
            if path.name not in needed:
                path.unlink()
        return sorted(jobs.values(), key=lambda job: job.created_ms)

    def write(self, job: Job) -> None:
        """Append a job that has ended."""
        try:
            payload = b"" if job.result is None or job.result.path is not None else _rows(job.result)
            self._append(_head(job), payload)
        except (OSError, pa.ArrowException, TypeError):
            logger.exception("job %s is not kept beyond this process", job.id)

    def forget(self, job_id: str) -> None:
        """Append that a job is forgotten."""
        self._append({"forgotten": job_id}, b"")

    def close(self) -> None:
        """Close the file that is written to."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _append(self, head: dict[str, Any], payload: bytes | pa.Buffer) -> None:
        text = json.dumps(head, default=str).encode()
        frame = _FRAME.pack(_MAGIC, len(text), len(payload)) + text
        with self._lock:
            now = now_ms()
            if self._file < 0 or now - self._begun_ms > _HOUR_MS:
                self._begin(now)
            written = os.writev(self._file, [frame, payload])
            while written < len(frame) + len(payload):  # a large record may come in parts
                whole = memoryview(frame + bytes(payload))
                written += os.write(self._file, whole[written:])

    def _begin(self, now: int) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._remove_old()
        path = self._folder / f"{now}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._begun_ms = now

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: int(path.stem))

    def _remove_old(self) -> None:
        paths = self._paths()
        horizon = now_ms() - KEPT_MS
        excess = sum(path.stat().st_size for path in paths) - _MOST_BYTES
        for path in paths:
            if excess > 0 or path.stat().st_mtime * 1000 < horizon:
                excess -= path.stat().st_size
                path.unlink()

    def _job(self, head: dict[str, Any], frame: _Frame) -> Job:
        owner = head["owner"]
        job = Job(
            head["id"],
            Principal(owner["user"], tuple(owner["groups"]), owner["run"], owner["is_platform"], owner.get("scratch")),
            head["configuration"], head["created_ms"], head["started_ms"], head["ended_ms"],
        )  # fmt: skip
        fault = head["fault"]
        job.fault = None if fault is None else BigQueryError(fault["reason"], fault["message"], fault["location"])
        for name in ("statistics", "processed_bytes", "destination", "affected_rows", "is_cancelled"):
            setattr(job, name, head[name])
        job.fields = _fields(head["fields"])
        result = head["result"]
        if result is not None:
            job.stored_file = result["file"]
            job.keep_result(self._reader(_fields(result["fields"]) or (), result["file"], frame), result["size_bytes"])
        job.done.set_result(None)
        return job

    def _reader(self, fields: tuple[Field, ...], file: str | None, frame: _Frame) -> Callable[[], Result | None]:
        if file is not None:
            return partial(_spilled, fields, self._results / file)
        return partial(_stored, fields, frame)


def _spilled(fields: tuple[Field, ...], path: Path) -> Result | None:
    return spilled(fields, path) if path.exists() else None


def _stored(fields: tuple[Field, ...], frame: _Frame) -> Result:
    start = frame.start + frame.head
    data = pa.py_buffer(memoryview(frame.mapped)[start : start + frame.payload])
    with pa.ipc.open_stream(data) as reader:
        return Result(fields, reader.schema, list(reader))


def _rows(result: Result) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, result.schema) as writer:
        for batch in result.batches:
            writer.write_batch(batch)
    return sink.getvalue()


def _head(job: Job) -> dict[str, Any]:
    owner, fault, result = job.owner, job.fault, job.result
    return {
        "id": job.id,
        "owner": {
            "user": owner.user, "groups": owner.groups, "run": owner.run, "is_platform": owner.is_platform,
            "scratch": owner.scratch,
        },
        "configuration": job.configuration, "created_ms": job.created_ms, "started_ms": job.started_ms,
        "ended_ms": job.ended_ms, "statistics": job.statistics, "processed_bytes": job.processed_bytes,
        "destination": job.destination, "affected_rows": job.affected_rows, "is_cancelled": job.is_cancelled,
        "parent": None if job.parent is None else job.parent.id,
        "fault": None if fault is None else
        {"reason": fault.reason, "message": fault.message, "location": fault.location},
        "fields": None if job.fields is None else [item.to_json() for item in job.fields],
        "result": None if result is None else {
            "fields": [item.to_json() for item in result.fields], "size_bytes": result.size_bytes,
            "file": None if result.path is None else result.path.name,
        },
    }  # fmt: skip


def _fields(items: list[dict[str, Any]] | None) -> tuple[Field, ...] | None:
    return None if items is None else fields_from_json({"fields": items})


def _frames(path: Path) -> Iterator[_Frame]:
    """Give the records of a file up to its end, or to one that was not written whole."""
    if not path.stat().st_size:
        return
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    at = 0
    while at + _FRAME.size <= len(mapped):
        magic, head, payload = _FRAME.unpack_from(mapped, at)
        at += _FRAME.size
        if magic != _MAGIC or at + head + payload > len(mapped):
            return
        yield _Frame(mapped, at, head, payload)
        at += head + payload
