"""How large a table is to somebody: neither the lengths of masked values nor hidden rows are told.

BigQuery's documents list sizes among the side channels of its policies; here they are closed.
"""

from __future__ import annotations

from athena_lab.emulator.policies.model import leaves_of
from athena_lab.emulator.policies.protection import Protection
from athena_lab.emulator.sizes import PartitionSize, TableSize, fixed_bytes


def seen_size(size: TableSize, protection: Protection | None) -> TableSize:
    """Give a table's size as its reader may know it.

    A masked value counts as the least that one of its type takes, NULL or not; of a table whose rows
    are filtered nothing is told.
    """
    if protection is None:
        return size
    if protection.filters is not None:
        return TableSize(size.leaf_names)
    hidden = {path: fixed_bytes(item) for path, item in leaves_of(protection.table.fields) if protection.hides(path)}
    partitions = {
        bounds: PartitionSize(
            part.rows, {leaf: part.rows * hidden[leaf] if leaf in hidden else n for leaf, n in part.leaves.items()}
        )
        for bounds, part in size.partitions.items()
    }
    return TableSize(size.leaf_names, partitions)
