"""How large a table is to somebody: neither the lengths of masked values nor hidden rows are told.

BigQuery's documents list sizes among the side channels of its policies; here they are closed.
"""

from __future__ import annotations

from athena_lab.emulator.policies.model import leaves_of
from athena_lab.emulator.policies.protection import Protection
from athena_lab.emulator.sizes import TableSize, fixed_bytes


def seen_size(size: TableSize, protection: Protection | None) -> TableSize:
    """Give a table's size as its reader may know it.

    A masked value counts as the least that one of its type takes, NULL or not; of a table whose rows
    are filtered nothing is told.
    """
    if protection is None:
        return size
    if protection.filters is not None:
        return TableSize(0, dict.fromkeys(size.leaves, 0))
    leaves = dict(size.leaves)
    for path, item in leaves_of(protection.table.fields):
        if path in leaves and protection.hides(path):
            leaves[path] = size.rows * fixed_bytes(item)
    return TableSize(size.rows, leaves)
