"""The cells of a promoted cell or selection: what the slice says, and what the user keeps of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from athena_lab.errors import Fault
from athena_lab.gateway_api.bundles import Execution, SliceCell
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.jobs.bundle_notebook import Cell, fault, first_line, is_code
from athena_lab.jobs.parameters import PARAMETERS_TAG
from athena_lab.jobs.slicing import Execution as Ran
from athena_lab.jobs.slicing import Slice, slice_cells

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class KeptCells:
    """The cells of the bundle in the order in which they run, and how they were chosen."""

    cells: tuple[Cell, ...] = ()
    listing: tuple[SliceCell, ...] = ()
    undecided: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def targets_of(source: Source) -> tuple[str, ...]:
    """Name the promoted cells; none where the whole file was promoted."""
    one = () if source.cell_id is None else (source.cell_id,)
    return tuple(dict.fromkeys((*one, *source.cell_ids)))


def keep_slice(cells: Sequence[Cell], upload: BundleUpload) -> KeptCells:
    """Keep the targets, the cells that they need or that the user keeps, and the cell of the parameters."""
    wanted = targets_of(upload.source)
    candidates = _candidates(cells, wanted)
    place = {cell["id"]: index for index, cell in enumerate(candidates)}
    faults = [*_target_faults(wanted, place), *_kept_faults(upload.kept_cells or (), place)]
    if faults:
        return KeptCells(faults=tuple(faults))
    targets = _in_order([place[name] for name in wanted], upload.executions, candidates)
    tagged = [index for index, cell in enumerate(candidates) if _is_parameters(cell)][:1]
    ran = [Ran(item.cell_id, item.source_sha256, item.count) for item in upload.executions]
    always = {*tagged, *targets[:-1]}
    found = slice_cells(candidates, targets[-1], ran, always=always)
    needed = {*found.cells, *always}
    ticked = needed if upload.kept_cells is None else {place[name] for name in upload.kept_cells}
    kept = ticked | set(targets)
    order = [*(index for index in tagged if index not in found.order), *found.order]
    order = [*order, *sorted(kept - set(order))]
    order = [*(index for index in order if index != targets[-1]), targets[-1]]
    return KeptCells(
        cells=tuple(candidates[index] for index in order if index in kept),
        listing=_listing(candidates, found, set(order), (set(targets), needed, kept)),
        undecided=found.undecided,
        missing_names=tuple(name for name in found.missing if name in set(upload.names)),
        warnings=(*_left_out(candidates, found, needed - kept), *_missing(found, upload.names)),
    )


def _candidates(cells: Sequence[Cell], wanted: Collection[str]) -> list[Cell]:
    """Give the code cells; a parameters cell below the targets goes first, else its values would arrive too late."""
    code = [cell for cell in cells if is_code(cell)]
    tagged = next((index for index, cell in enumerate(code) if _is_parameters(cell)), 0)
    is_above = any(cell["id"] in wanted for cell in code[tagged:])
    return code if is_above else [code[tagged], *code[:tagged], *code[tagged + 1 :]]


def _is_parameters(cell: Cell) -> bool:
    return PARAMETERS_TAG in cell["metadata"].get("tags", ())


def _target_faults(wanted: Sequence[str], place: Collection[str]) -> list[Fault]:
    why, todo = "the saved notebook has no such code cell", "Save the notebook and press the button again"
    return [fault("source.cell_id", name, why, todo, kind="cell") for name in wanted if name not in place]


def _kept_faults(kept: Sequence[str], place: Collection[str]) -> list[Fault]:
    why, todo = "the saved notebook has no such code cell to keep", "Reload the list of cells"
    return [fault("kept_cells", name, why, todo, kind="cell") for name in kept if name not in place]


def _in_order(targets: Sequence[int], executions: Sequence[Execution], candidates: Sequence[Cell]) -> list[int]:
    """Order a selection as its cells last ran, where all of them did, else as the notebook has them."""
    last = {item.cell_id: item.count for item in sorted(executions, key=lambda item: item.count)}
    if all(candidates[index]["id"] in last for index in targets):
        return sorted(targets, key=lambda index: last[candidates[index]["id"]])
    return sorted(targets)


def _listing(
    candidates: Sequence[Cell], found: Slice, shown: set[int], sets: tuple[set[int], set[int], set[int]]
) -> tuple[SliceCell, ...]:
    targets, needed, kept = sets
    return tuple(
        SliceCell(
            index=index,
            cell_id=candidates[index]["id"],
            first_line=first_line(candidates[index])[:200],
            is_target=index in targets,
            is_needed=index in needed,
            is_kept=index in kept,
            why=found.why.get(index, ()),
        )
        for index in sorted(shown)
    )


def _left_out(candidates: Sequence[Cell], found: Slice, left_out: Collection[int]) -> list[str]:
    """Say what is missing because the user left out what the slice would keep."""
    return [
        f"'{first_line(candidates[index])[:60]}' is left out, so this may be missing: "
        f"{_some(found.why.get(index, ())) or 'an effect that is not known'}"
        for index in sorted(left_out)
    ]


def _missing(found: Slice, live: Collection[str]) -> list[str]:
    names = [name for name in found.missing if name in set(live)]
    if not names:
        return []
    return [f"the kernel holds {_some(names)}, but no cell of the notebook makes it: the job will not have it"]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
