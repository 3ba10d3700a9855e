"""What one principal may see of one table; None where that is everything.

Fail-closed: a column with data policies of which none applies cannot be read, a policy that is gone
protects still, and a table with row access policies of which none applies has no rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.policies.masking_routines import routine_mask
from athena_lab.emulator.policies.masks import mask_sql
from athena_lab.emulator.policies.model import (
    MASKING,
    PRECEDENCE,
    RAW,
    find_policy,
    is_member,
    leaves_of,
    policy_ids,
    row_policies,
)
from athena_lab.emulator.sql.macros import MACROS
from athena_lab.emulator.types import Field, duckdb_type, quote

ALIAS = "athena_rows"
"""Name under which a row filter's columns are found."""
_ALL_ROWS = "LIMIT 9223372036854775807"
"""DuckDB pushes no predicate of the reader's below a LIMIT: nothing of it ever sees a hidden row."""
_FAILED = "athena_error('The filter of a row access policy failed')"
"""Said instead of the filter's own error, which would quote values of hidden rows."""
_UNGUARDED = "/* athena: unguarded */"
"""Marks a filter whose errors may quote hidden rows, in DuckDB's SQL."""
_UNTOLD = (
    "The statement failed, or the filter of a row access policy did: which, and why, is not told, since the filter "
    "has a subquery, and its error could quote rows that you may not see."
)
_SUBQUERY = re.compile(
    rf"(?i)\b(SELECT|{'|'.join(macro.partition('(')[0] for macro in MACROS if 'SELECT' in macro)})\b"
)
_DENIED = ""
ROUTINE = "a masking routine"
"""Stands for the mask of a column that a routine masks; it goes before all others."""


@dataclass(frozen=True, slots=True)
class _Masking:
    """What masks are made with: the statement's salt, and the routines' masks in DuckDB's SQL by path."""

    salt: str
    routines: dict[str, str]


@dataclass(frozen=True, slots=True)
class Protection:
    """Masks by lower-case path of the column or field ("" where it cannot be read), and the row filters of which one
    must hold."""

    project: str
    table: Table
    masks: dict[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] | None = None
    """GoogleSQL conditions; None where all rows are seen."""
    routines: dict[str, str] = field(default_factory=dict)
    """Masks in GoogleSQL, made of masking routines, of the paths whose mask is ROUTINE."""

    @property
    def is_volatile(self) -> bool:
        return "RANDOM_HASH" in self.masks.values()

    def denied(self) -> tuple[str, ...]:
        """Give the columns and fields that cannot be read at all, in lower case."""
        return tuple(name for name, mask in self.masks.items() if mask == _DENIED)

    def relation(self, translate: Callable[[str], str], salt: str, fields: Iterable[Field] | None = None) -> str:
        """Give the DuckDB query of what is seen; `translate` makes DuckDB's SQL of a condition or mask."""
        routines = {path: f"TRY({translate(text)})" for path, text in self.routines.items()}
        columns = [
            self._column(item, _Masking(salt, routines)) for item in (self.table.fields if fields is None else fields)
        ]
        select = f"SELECT {', '.join(columns) or '1 AS nothing'} FROM {self.table.physical} AS {ALIAS}"  # noqa: S608
        if self.filters is None:
            return select
        where = " OR ".join(_guarded(translate(text)) for text in self.filters) or "false"
        return f"{select} WHERE {where} {_ALL_ROWS}"

    def _column(self, item: Field, made: _Masking) -> str:
        value = f"{ALIAS}.{quote(item.name)}"
        return f"{self._seen(item, item.name.lower(), value, made)} AS {quote(item.name)}"

    def _seen(self, item: Field, path: str, value: str, made: _Masking) -> str:
        """Give the expression of what is seen of a column, a field or an element."""
        mask = self.masks.get(path)
        if mask == ROUTINE:
            return f"CAST({made.routines[path]} AS {duckdb_type(item)})"
        if mask is not None:
            return f"CAST(NULL AS {duckdb_type(item)})" if mask == _DENIED else mask_sql(mask, item, value, made.salt)
        if not any(known.startswith(f"{path}.") for known in self.masks):
            return value
        if item.is_repeated:
            name = f"e{path.count('.')}"
            elements = f"list_transform({value}, lambda {name}: {self._seen(item.element(), path, name, made)})"
            return f"CAST({elements} AS {duckdb_type(item)})"
        parts = ", ".join(
            f"{quote(part.name)}: "
            + self._seen(part, f"{path}.{part.name.lower()}", f"({value}).{quote(part.name)}", made)
            for part in item.fields
        )
        return f"CAST(CASE WHEN {value} IS NOT NULL THEN {{{parts}}} END AS {duckdb_type(item)})"

    def hides(self, path: str) -> bool:
        """Tell whether a column or field (in lower case) is masked or closed, be it in part."""
        return any(_overlap(path, known) for known in self.masks)

    def refuse(self, paths: Iterable[str]) -> None:
        """Refuse to read a column or field that cannot be, be it as a part of a larger one."""
        read = [path.lower() for path in paths]
        for name in sorted(self.denied()):
            if any(_overlap(path, name) for path in read):
                raise no_column_access(self.project, self.table, name)


def _guarded(condition: str) -> str:
    """Keep the error of a filter from quoting hidden rows; DuckDB's TRY takes no subquery: see `quotes_nothing`."""
    if _SUBQUERY.search(condition):
        return f"({_UNGUARDED} {condition})"
    return f"coalesce(TRY(({condition}) IS TRUE), {_FAILED}::BOOLEAN)"


@contextmanager
def quotes_nothing(sql: str) -> Iterator[None]:
    """Keep an error of DuckDB's to itself if a filter in `sql` is one that could not be guarded.

    Who is told then? Neither whether the filter failed nor whether the statement did.
    """
    try:
        yield
    except (duckdb.InterruptException, duckdb.OutOfMemoryException, duckdb.TransactionException):
        raise
    except (duckdb.Error, OSError) as error:
        if _UNGUARDED not in sql:
            raise
        raise invalid_query(_UNTOLD) from error


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


Protect = Callable[[Table], Protection | None]


def protection_of(state: State, project: str, principal: Principal, table: Table) -> Protection | None:
    """Tell what a principal may see of a table; None for everything.

    Row access policies bind administrators too, as in BigQuery: they may grant themselves all rows.
    """
    masks: dict[str, str] = {}
    routines: dict[str, str] = {}
    definitions = () if principal.is_administrator else (table, *table.later)
    for path, item in (pair for definition in definitions for pair in leaves_of(definition.fields)):
        if not item.extras.get("dataPolicies"):
            continue
        mask, routine = _mask_of(state, project, principal, item)
        text = None if routine is None else routine_mask(state, routine, path, item, ALIAS)
        if text is not None:
            routines[path] = text
        elif routine is not None:
            mask = _DENIED  # the routine is gone, or no longer one that masks
        if mask is not None:
            masks[path] = max(mask, masks.get(path, mask), key=_strictness)
    masks |= dict.fromkeys(_perhaps_renamed(state, project, principal, table), _DENIED)
    filters = _filters_of(principal, table)
    others = [found for item in table.later if (found := _filters_of(principal, item)) not in (None, filters)]
    if others:
        every = (
            " OR ".join(f"({text})" for text in found) or "FALSE" for found in (filters, *others) if found is not None
        )
        filters = (" AND ".join(f"({text})" for text in dict.fromkeys(every)),)
    return Protection(project, table, masks, filters, routines) if masks or filters is not None else None


def _perhaps_renamed(state: State, project: str, principal: Principal, table: Table) -> set[str]:
    """Give the columns of a table as it was that may be, under another name, one that is masked or closed since."""
    own = {path for path, _ in leaves_of(table.fields)}
    found: set[str] = set()
    for definition in () if principal.is_administrator else table.later:
        since = dict(leaves_of(definition.fields))
        new = (item for path, item in since.items() if path not in own and item.extras.get("dataPolicies"))
        if any(_mask_of(state, project, principal, item)[0] is not None for item in new):
            found |= own - set(since)
    return found


def _filters_of(principal: Principal, table: Table) -> tuple[str, ...] | None:
    """Give the conditions of which one must hold; None where all rows are seen."""
    policies = row_policies(table)
    found = tuple(policy.condition for policy in policies if is_member(principal, policy.grantees))
    is_free = any(condition.strip(" ()").upper() == "TRUE" for condition in found)
    return None if not policies or is_free else found


def _strictness(mask: str) -> int:
    """Order masks: that which BigQuery prefers shows most, and a closed column nothing."""
    return {ROUTINE: -1, _DENIED: len(PRECEDENCE)}.get(mask, PRECEDENCE.index(mask) if mask in PRECEDENCE else 0)


def _mask_of(
    state: State, project: str, principal: Principal, column: Field
) -> tuple[str | None, tuple[str, str] | None]:
    """Give the mask that BigQuery prefers of those that apply, and the routine where it is one."""
    found = [find_policy(state, name) for name in policy_ids(column, project)]
    mine = [policy for policy in found if policy is not None and is_member(principal, policy.grantees)]
    if any(policy.kind == RAW for policy in mine):
        return None, None
    routine = next((policy.routine for policy in mine if policy.routine is not None), None)
    if routine is not None:
        return ROUTINE, routine
    masks = {policy.mask for policy in mine if policy.kind == MASKING}
    return next((mask for mask in PRECEDENCE if mask in masks), _DENIED), None


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
    wanted = list(protection.masks) if columns is None else [name.lower() for name in columns]
    for name in protection.masks:
        if any(_overlap(name, path) for path in wanted):
            raise no_column_access(protection.project, protection.table, name)


def require_all_rows(protection: Protection | None) -> None:
    """Refuse an operation that row access policies allow only to those who see all rows."""
    if protection is not None and protection.filters is not None:
        raise no_row_access(protection.project, protection.table)
