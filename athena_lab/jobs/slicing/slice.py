"""Find the earlier cells that a cell needs, by what each binds, replaces, changes and needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from athena_lab.jobs.slicing.effects import is_name, meeting
from athena_lab.jobs.slicing.knowledge import BUILTINS, KNOWN_MODULES
from athena_lab.jobs.slicing.reading import ReadCell, Reader

_ALWAYS_NEEDED = ("stream:", "module:builtins", "module:sys_stream")
_QUIET_ABOUT_ENVIRONMENT = KNOWN_MODULES - {"torch", "tensorflow", "google", "requests", "dask", "duckdb"}
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution that the kernel reports: which cell, SHA-256 (hex) of the source that ran, execution count."""

    cell_id: str
    source_hash: str
    count: int


@dataclass(frozen=True, slots=True)
class Slice:
    """The cells that a target needs, by their indices in the notebook.

    `cells` are in the order in which they must run, the target last; `why` says for each other cell which names
    (or "table:…", "file:…" and the like) it is in for; `undecided` says what had to be guessed. Empty `why` of a
    cell means that it was kept only because its effect is not known. `order` has every cell that could be needed, in
    the order in which they run, the target last; `missing` names what is needed and made by none of them.
    """

    cells: tuple[int, ...]
    why: Mapping[int, tuple[str, ...]]
    undecided: tuple[str, ...]
    order: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Search:
    """A search backwards through the cells."""

    kept: dict[int, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def hash_source(source: str) -> str:
    """Give the hash by which an execution names the source that ran."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def slice_cells(
    cells: Sequence[Mapping[str, Any]],
    target: int,
    executions: Sequence[Execution] | None = None,
    *,
    always: Collection[int] = (),
) -> Slice:
    """Give the cells that `cells[target]` (a code cell of nbformat 4) needs to run alone.

    Runs nothing. Without `executions` the cells are taken to run from top to bottom; with them, in the order in
    which they last ran before the target did. Whatever cannot be told is kept and named in `undecided`. The cells
    in `always` are kept, with what they need.
    """
    notes: list[str] = []
    order = _document_order(cells, target)
    if executions:
        order, notes = _execution_order(cells, target, executions, order)
    read = _read(cells, [*order, target])
    search = _search(cells, order, target, read, always)
    notes += search.notes + _missing_notes(cells, target, search.missing)
    kept = tuple(index for index in order if index in search.kept)
    if [*kept, target] != sorted((*kept, target)):
        notes.append("the cells are in the order in which they ran, which is not the notebook's")
    return Slice(
        cells=(*kept, target),
        why={index: tuple(sorted(search.kept[index])) for index in kept},
        undecided=tuple(dict.fromkeys(notes)),
        order=(*order, target),
        missing=tuple(sorted(search.missing)),
    )


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(source)


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell.get("cell_type") == "code" and bool(_text(cell).strip())


def _document_order(cells: Sequence[Mapping[str, Any]], target: int) -> list[int]:
    return [index for index in range(target) if _is_code(cells[index])]


def _execution_order(
    cells: Sequence[Mapping[str, Any]], target: int, executions: Sequence[Execution], document: list[int]
) -> tuple[list[int], list[str]]:
    """Give the cells in the order in which they last ran before the target, and what is odd about it."""
    index_of = {str(cell.get("id")): index for index, cell in enumerate(cells) if cell.get("id") and _is_code(cell)}
    runs = sorted((item for item in executions if item.cell_id in index_of), key=lambda item: item.count)
    own = [item.count for item in runs if index_of[item.cell_id] == target]
    last: dict[int, Execution] = {}
    times: dict[int, int] = {}
    for item in runs:
        index = index_of[item.cell_id]
        if index != target and (not own or item.count < own[-1]):
            last.pop(index, None)
            last[index] = item
            times[index] = times.get(index, 0) + 1
    notes = [f"cell {index} ran {count} times; a job runs it once" for index, count in times.items() if count > 1]
    notes += [
        f"cell {index} was changed after it ran"
        for index, item in last.items()
        if item.source_hash != hash_source(_text(cells[index]))
    ]
    gone = {item.cell_id for item in executions if item.cell_id not in index_of}
    if gone:
        notes.append(f"{len(gone)} cells ran that are no longer in the notebook; what they made is not in the slice")
    order = list(last)
    # What never ran in this kernel goes first, in the notebook's order: something that ran replaces what it binds.
    return [index for index in document if index not in last] + order, notes


def _read(cells: Sequence[Mapping[str, Any]], order: Sequence[int]) -> dict[int, ReadCell]:
    reader = Reader()
    return {index: reader.read(_text(cells[index])) for index in order}


def _search(
    cells: Sequence[Mapping[str, Any]],
    order: Sequence[int],
    target: int,
    read: dict[int, ReadCell],
    always: Collection[int],
) -> _Search:
    """Search until nothing is added: what the slice imports may bring in cells that only set something up."""
    forced = {index: set(read[index].effects.keeps) for index in order if read[index].effects.keeps or index in always}
    for index, reason in _side_effect_imports(cells, order, read).items():
        forced.setdefault(index, set()).add(reason)
    while True:
        search = _search_once(order, target, read, forced)
        added = _environment_for_libraries(order, target, read, search)
        if not added:
            return search
        for index, reason in added.items():
            forced.setdefault(index, set()).add(reason)


def _search_once(order: Sequence[int], target: int, read: dict[int, ReadCell], forced: dict[int, set[str]]) -> _Search:
    search = _Search()
    needed = _needs(read, order, len(order), target) | set(_ALWAYS_NEEDED)
    search.notes += [f"cell {target}: {note}" for note in read[target].effects.notes]
    for position in range(len(order) - 1, -1, -1):
        index = order[position]
        cell = read[index]
        if cell.is_unread:
            search.kept[index] = set()
            search.notes += [f"cell {index}: {note}" for note in cell.effects.notes]
            needed = {"*"} | {location for location in needed if not is_name(location)}
            continue
        certain = meeting(needed, cell.writes)
        doubtful = _doubtful(needed - certain, cell)
        if not certain and not doubtful and index not in forced:
            continue
        search.kept[index] = certain | set(doubtful)
        reasons = list(cell.effects.notes)
        if not certain:
            reasons += [*doubtful.values(), *sorted(forced.get(index, ()))]
        search.notes += [f"cell {index}: {reason}" for reason in dict.fromkeys(reasons)]
        needed = (needed - cell.replaced) | _needs(read, order, position, index)
    search.missing = {name for name in needed if is_name(name) and name != "*" and name not in BUILTINS}
    return search


def _doubtful(needed: set[str], cell: ReadCell) -> dict[str, str]:
    found = {}
    for location, why in cell.doubts.items():
        names = {name for name in needed if name not in BUILTINS} if location == "*" else needed
        for name in meeting(names, {location}):
            found[name] = why
    return found


def _needs(read: dict[int, ReadCell], order: Sequence[int], position: int, index: int) -> set[str]:
    """Give what a cell needs; shared random numbers only where an earlier cell set their seed."""
    uses = set(read[index].uses)
    for location in [item for item in uses if item.startswith("random:")]:
        if not any(location in read[earlier].replaced for earlier in order[:position]):
            uses.discard(location)
    return uses


def _side_effect_imports(
    cells: Sequence[Mapping[str, Any]], order: Sequence[int], read: dict[int, ReadCell]
) -> dict[int, str]:
    """Find imports of unknown libraries that nobody uses by name: they are there for what importing does."""
    found = {}
    words = {index: _WORD.findall(_text(cells[index])) for index, cell in enumerate(cells) if _is_code(cell)}
    for index in order:
        for name, module in read[index].imports.items():
            elsewhere = any(name in there for other, there in words.items() if other != index)
            if not elsewhere and words[index].count(name) == module.split(".").count(name) + (
                name not in module.split(".")
            ):
                found[index] = f"importing '{module}' may change something"
    return found


def _environment_for_libraries(
    order: Sequence[int], target: int, read: dict[int, ReadCell], search: _Search
) -> dict[int, str]:
    """Find variables of the environment that no cell reads, so that a library of the slice must be their reader."""
    kept = [*search.kept, target]
    modules = {item.partition(":")[2] for index in kept for item in read[index].uses if item.startswith("module:")}
    unknown = sorted(modules - _QUIET_ABOUT_ENVIRONMENT - {""})
    if not unknown:
        return {}
    readers = set().union(*(read[index].uses for index in (*order, target)))
    found = {}
    for index in order:
        names = [item.partition(":")[2] for item in read[index].writes if item.startswith("env:")]
        names = [name for name in names if f"env:{name}" not in readers]
        if names and index not in search.kept:
            found[index] = f"'{unknown[0]}' may read the environment's '{min(names)}'"
    return found


def _missing_notes(cells: Sequence[Mapping[str, Any]], target: int, missing: set[str]) -> list[str]:
    """Tell of names that no cell above creates, and of cells below that would."""
    if not missing:
        return []
    below: dict[str, int] = {}
    reader = Reader()
    for index in range(target + 1, len(cells)):
        if _is_code(cells[index]):
            for name in reader.read(_text(cells[index])).writes & missing:
                below.setdefault(name, index)
    return [
        f"no cell above creates '{name}'" + (f", cell {below[name]} below does" if name in below else "")
        for name in sorted(missing)
    ]
