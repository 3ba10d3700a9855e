"""What one principal may see of one table; None where that is everything.

Fail-closed: a column with data policies of which none applies cannot be read, a policy that is gone
protects still, and a table with row access policies of which none applies has no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.masks import mask_sql
from athena_lab.emulator.policies.model import (
    MASKING,
    PRECEDENCE,
    RAW,
    find_policy,
    is_member,
    policy_ids,
    row_policies,
)
from athena_lab.emulator.types import Field, duckdb_type, quote

ALIAS = "athena_rows"
"""Name under which a row filter's columns are found."""
_ALL_ROWS = "LIMIT 9223372036854775807"
"""DuckDB pushes no predicate of the reader's below a LIMIT: nothing of it ever sees a hidden row."""
_DENIED = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """Masks by lower-case column ("" where it cannot be read), and the row filters of which one must hold."""

    project: str
    table: Table
    masks: dict[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] | None = None
    """GoogleSQL conditions; None where all rows are seen."""

    @property
    def is_volatile(self) -> bool:
        return "RANDOM_HASH" in self.masks.values()

    def denied(self) -> tuple[str, ...]:
        """Give the columns that cannot be read at all, in lower case."""
        return tuple(name for name, mask in self.masks.items() if mask == _DENIED)

    def relation(self, conditions: Iterable[str], salt: str, fields: Iterable[Field] | None = None) -> str:
        """Give the DuckDB query of what is seen; `conditions` are the filters, translated."""
        columns = [self._column(item, salt) for item in (self.table.fields if fields is None else fields)]
        select = f"SELECT {', '.join(columns) or '1 AS nothing'} FROM {self.table.physical} AS {ALIAS}"  # noqa: S608
        if self.filters is None:
            return select
        where = " OR ".join(f"({condition})" for condition in conditions) or "false"
        return f"{select} WHERE {where} {_ALL_ROWS}"

    def _column(self, item: Field, salt: str) -> str:
        mask = self.masks.get(item.name.lower())
        value = f"{ALIAS}.{quote(item.name)}"
        if mask is None:
            return f"{value} AS {quote(item.name)}"
        made = f"CAST(NULL AS {duckdb_type(item)})" if mask == _DENIED else mask_sql(mask, item, value, salt)
        return f"{made} AS {quote(item.name)}"

    def refuse(self, names: Iterable[str]) -> None:
        """Refuse to read a column that cannot be."""
        denied = {name.lower() for name in names} & set(self.denied())
        if denied:
            raise no_column_access(self.project, self.table, min(denied))


Protect = Callable[[Table], Protection | None]


def protection_of(state: State, project: str, principal: Principal, table: Table) -> Protection | None:
    """Tell what a principal may see of a table; None for everything.

    Row access policies bind administrators too, as in BigQuery: they may grant themselves all rows.
    """
    masks: dict[str, str] = {}
    for item in () if principal.is_administrator else table.fields:
        if item.extras.get("dataPolicies"):
            mask = _mask_of(state, project, principal, item)
            if mask is not None:
                masks[item.name.lower()] = mask
    policies = row_policies(table)
    filters: tuple[str, ...] | None = None
    if policies:
        filters = tuple(policy.condition for policy in policies if is_member(principal, policy.grantees))
        if any(condition.strip(" ()").upper() == "TRUE" for condition in filters):
            filters = None
    return Protection(project, table, masks, filters) if masks or filters is not None else None


def _mask_of(state: State, project: str, principal: Principal, column: Field) -> str | None:
    found = [find_policy(state, name) for name in policy_ids(column, project)]
    mine = [policy for policy in found if policy is not None and is_member(principal, policy.grantees)]
    if any(policy.kind == RAW for policy in mine):
        return None
    masks = {policy.mask for policy in mine if policy.kind == MASKING}
    return next((mask for mask in PRECEDENCE if mask in masks), _DENIED)


def no_column_access(project: str, table: Table, column: str) -> BigQueryError:
    """Say in BigQuery's words that a column may not be read."""
    return BigQueryError(
        "accessDenied",
        "Access Denied: BigQuery BigQuery: User does not have permission to access data protected by data policies on "
        f"column {project}.{table.dataset}.{table.name}.{column}.",
    )


def no_row_access(project: str, table: Table) -> BigQueryError:
    """Say in BigQuery's words that an operation needs all rows."""
    return BigQueryError(
        "accessDenied",
        f"Access Denied: Table {project}:{table.dataset}.{table.name}: User does not have access to all rows of the "
        "table; the operation needs a row access policy with the filter TRUE.",
    )


def require_raw(protection: Protection | None, columns: Iterable[str] | None = None) -> None:
    """Refuse an operation on raw rows (copy, tabledata.list) to whoever does not see them: all or some columns."""
    require_all_rows(protection)
    if protection is None:
        return
    wanted = protection.masks if columns is None else {name.lower() for name in columns}
    hidden = [name for name in protection.masks if name in wanted]
    if hidden:
        raise no_column_access(protection.project, protection.table, hidden[0])


def require_all_rows(protection: Protection | None) -> None:
    """Refuse an operation that row access policies allow only to those who see all rows."""
    if protection is not None and protection.filters is not None:
        raise no_row_access(protection.project, protection.table)
