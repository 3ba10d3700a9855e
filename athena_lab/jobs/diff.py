"""Tell two contents of a job apart: cell by cell, field by field, file by file."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from athena_lab.gateway_api.terms import Terms
from athena_lab.gateway_api.versions import (
    CellDifference,
    DifferenceKind,
    FieldDifference,
    FileDifference,
    LineDifference,
)

SIMILAR = 0.5
"""Cells without a common id are the same cell if at least this share of their words is (Dice's coefficient)."""
MOST_COMPARED = 40_000
"""How many pairs of cells are held against each other by similarity; with more, they count as removed and added."""
_WORD = re.compile(r"\w+|[^\w\s]")
Cell = Mapping[str, Any]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a spec says beside its notebook."""

    name: str
    owner: str
    terms: Terms
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    """Further fields by name, such as the notebook's kernel."""


def diff_cells(before: Sequence[Cell], after: Sequence[Cell]) -> tuple[CellDifference, ...]:
    """List the cells that differ, in the order of the later notebook, each removed one where it stood.

    Cells are matched by id, then by equal text, then by similarity; among the matched ones those outside the
    longest common order count as moved.
    """
    pairs = match_cells(before, after)
    moved = _moved(pairs)
    matched = dict(pairs)
    differences = [_compare(before, after, pair, is_moved=pair in moved) for pair in pairs]
    taken = set(matched.values())
    differences += [_whole(DifferenceKind.ADDED, after[at], after=at) for at in range(len(after)) if at not in taken]
    differences += [
        _whole(DifferenceKind.REMOVED, before[at], before=at) for at in range(len(before)) if at not in matched
    ]
    found = [difference for difference in differences if difference is not None]
    return tuple(sorted(found, key=lambda one: _place(one, matched)))


def match_cells(before: Sequence[Cell], after: Sequence[Cell]) -> list[Pair]:
    """Pair the places of cells that are the same cell, in the order of the earlier notebook."""
    pairs: list[Pair] = []
    old, new = list(range(len(before))), list(range(len(after)))
    for key in (_id_of, _content_of):
        places: dict[Hashable, list[int]] = {}
        for at in new:
            places.setdefault(key(after[at]), []).append(at)
        found = {at: same.pop(0) for at in old if key(before[at]) is not None and (same := places.get(key(before[at])))}
        pairs += found.items()
        taken = set(found.values())
        old, new = [at for at in old if at not in found], [at for at in new if at not in taken]
    if len(old) * len(new) <= MOST_COMPARED:
        pairs += _similar_pairs(before, after, old, new)
    return sorted(pairs)


def _similar_pairs(before: Sequence[Cell], after: Sequence[Cell], old: Sequence[int], new: Sequence[int]) -> list[Pair]:
    pairs, left = [], list(new)
    for at in old:
        found = next((other for other in left if _is_similar(before[at], after[other])), None)
        if found is not None:
            pairs.append((at, found))
            left.remove(found)
    return pairs


def diff_settings(before: Settings, after: Settings) -> tuple[FieldDifference, ...]:
    """List the fields of the spec that differ, parameters by their names."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        FieldDifference(field=name, before=old.get(name), after=new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def diff_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[FileDifference, ...]:
    """List the side files that differ, by path."""
    found = []
    for path in sorted({*before, *after}):
        if path not in after:
            found.append(FileDifference(path=path, kind=DifferenceKind.REMOVED))
        elif path not in before:
            found.append(FileDifference(path=path, kind=DifferenceKind.ADDED))
        elif before[path] != after[path]:
            found.append(FileDifference(path=path, kind=DifferenceKind.CHANGED))
    return tuple(found)


def diff_lines(before: str, after: str) -> tuple[LineDifference, ...]:
    """Give every line of two texts, each as same, removed or added."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[LineDifference] = []
    for kind, old_at, old_end, new_at, new_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [LineDifference(kind="same", text=text) for text in old[old_at:old_end]]
            continue
        lines += [LineDifference(kind="removed", text=text) for text in old[old_at:old_end]]
        lines += [LineDifference(kind="added", text=text) for text in new[new_at:new_end]]
    return tuple(lines)


def similarity(one: str, other: str) -> float:
    """Give the share of words that two texts have in common, 0 to 1 (Dice's coefficient of their words)."""
    left, right = Counter(_WORD.findall(one)), Counter(_WORD.findall(other))
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 1.0


def _id_of(cell: Cell) -> Hashable:
    return cell.get("id")


def _content_of(cell: Cell) -> Hashable:
    return (cell["cell_type"], _text(cell))


def _is_similar(one: Cell, other: Cell) -> bool:
    return one["cell_type"] == other["cell_type"] and similarity(_text(one), _text(other)) >= SIMILAR


def _moved(pairs: Sequence[Pair]) -> set[Pair]:
    """Give the pairs outside a longest increasing subsequence of the later places."""
    tails: list[int] = []
    at_tail: list[int] = []
    previous: list[int] = []
    for index, (_, new) in enumerate(pairs):
        length = bisect_left(tails, new)
        tails[length:] = [new]
        at_tail[length:] = [index] if length == len(at_tail) else [index, *at_tail[length + 1 :]]
        previous.append(at_tail[length - 1] if length else -1)
    kept: set[Pair] = set()
    at = at_tail[-1] if at_tail else -1
    while at >= 0:
        kept.add(pairs[at])
        at = previous[at]
    return set(pairs) - kept


def _compare(before: Sequence[Cell], after: Sequence[Cell], pair: Pair, *, is_moved: bool) -> CellDifference | None:
    old, new = before[pair[0]], after[pair[1]]
    has_tags = _tags(old) != _tags(new)
    is_changed = has_tags or old["cell_type"] != new["cell_type"] or _text(old) != _text(new)
    if not is_changed and not is_moved:
        return None
    return CellDifference(
        kind=DifferenceKind.CHANGED if is_changed else DifferenceKind.MOVED,
        cell_id=str(new.get("id") or ""),
        cell_type=new["cell_type"],
        before=pair[0],
        after=pair[1],
        is_moved=is_moved,
        lines=diff_lines(_text(old), _text(new)),
        tags=_tags(new) if has_tags else None,
    )


def _whole(kind: DifferenceKind, cell: Cell, *, before: int | None = None, after: int | None = None) -> CellDifference:
    is_added = kind is DifferenceKind.ADDED
    return CellDifference(
        kind=kind,
        cell_id=str(cell.get("id") or ""),
        cell_type=cell["cell_type"],
        before=before,
        after=after,
        lines=diff_lines("", _text(cell)) if is_added else diff_lines(_text(cell), ""),
    )


def _place(one: CellDifference, matched: Mapping[int, int]) -> tuple[float, int]:
    """Give where a difference is shown: a removed cell behind the cell that was before it."""
    if one.after is not None:
        return (one.after, 0)
    earlier = [new for old, new in matched.items() if one.before is not None and old < one.before]
    return (max(earlier, default=-1) + 0.5, one.before or 0)


def _text(cell: Cell) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _tags(cell: Cell) -> tuple[str, ...]:
    return tuple(cell.get("metadata", {}).get("tags", ()))


def _flat(settings: Settings) -> Iterator[tuple[str, JsonValue]]:
    yield "name", settings.name
    yield "owner", settings.owner
    for name in Terms.model_fields:
        if name != "parameters":
            yield from _flat_field(name, settings.terms.model_dump(mode="json", include={name})[name])
    yield from settings.fields.items()
    for parameter in settings.terms.parameters:
        values = parameter.model_dump(mode="json")
        for name in ("type", "default", "value", "relative", "description"):
            yield f"parameters.{parameter.name}.{name}", values[name]


def _flat_field(name: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Give a field by its path ("schedule.cron"), a list whole."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat_field(f"{name}.{key}", inner)
