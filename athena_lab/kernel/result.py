"""What `%%athena` gives: a value with its rows, that a later cell can query by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from athena_lab.kernel import rendering
from athena_lab.warehouse import results
from athena_lab.warehouse.estimate import CURRENCY, cost_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from athena_lab.warehouse.connect import Warehouse
    from athena_lab.warehouse.query import Answer


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result, with BigQuery's name of its type (`ARRAY<INT64>` where it repeats)."""

    name: str
    type: str


class Result:
    """The rows of a finished query. All of them are fetched when they are first asked for, then kept.

    `r.df()` is a pandas DataFrame, `r.arrow()` a pyarrow Table, `len(r)` the number of rows; in a later
    cell's SQL, `FROM r` reads them in the warehouse.
    """

    def __init__(
        self,
        client: Warehouse,
        answer: Answer,
        *,
        name: str | None = None,
        is_ordered: bool = False,
        max_rows: int | None = None,
    ) -> None:
        self.name = name
        self._client = client
        self._answer = answer
        self._is_ordered = is_ordered
        self._max_rows = max_rows
        self._rows: pa.Table | None = None
        self._table: str | None = None

    @property
    def job_id(self) -> str:
        """The BigQuery job."""
        return self._answer.job_id

    @property
    def bytes(self) -> int:
        """How many bytes the query processed; 0 where a cached answer served."""
        return self._answer.bytes_processed

    @property
    def cost(self) -> float:
        """The query's list price, in `currency`."""
        return 0.0 if self._answer.is_cache_hit else cost_of(self.bytes)

    @property
    def currency(self) -> str:
        return CURRENCY

    @property
    def elapsed_ms(self) -> int:
        return self._answer.elapsed_ms

    @property
    def changed_rows(self) -> int | None:
        """How many rows a statement inserted, updated or deleted; None for a query."""
        return self._answer.changed_rows

    @property
    def schema(self) -> tuple[Column, ...]:
        """The columns in order; empty for a statement without rows."""
        return tuple(Column(field["name"], _type_of(field)) for field in self._answer.fields)

    @property
    def table(self) -> str:
        """The table that holds the rows: the one written to, else an anonymous one that lives for a day."""
        if self._table is None:
            found = results.destination_of(self._client, self._answer)
            self._table = f"{found['projectId']}.{found['datasetId']}.{found['tableId']}"
        return self._table

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        found: list[dict[str, Any]] = self.arrow().to_pylist()
        return found

    def arrow(self) -> pa.Table:
        """Give all rows as a pyarrow Table."""
        if self._rows is None:
            self._rows = results.all_rows(
                self._client, self._answer, is_ordered=self._is_ordered, max_rows=self._max_rows
            )
        return self._rows

    def df(self) -> pd.DataFrame:
        """Give all rows as a pandas DataFrame; dates and decimals stay Python objects, as `to_pandas` has them."""
        frame: pd.DataFrame = self.arrow().to_pandas()
        return frame

    def head(self) -> pa.Table:
        """Give the first rows (at most 500) without fetching the others."""
        if self._rows is not None:
            return self._rows.slice(0, rendering.SHOWN_ROWS)
        return results.first_rows(self._client, self._answer).slice(0, min(len(self), rendering.SHOWN_ROWS))

    def __len__(self) -> int:
        total = self._answer.total_rows
        return total if self._max_rows is None else min(total, self._max_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return rendering.as_text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002 (IPython)
        return rendering.as_bundle(self)


def _type_of(field: dict[str, Any]) -> str:
    kind = _STANDARD.get(field["type"], field["type"])
    return f"ARRAY<{kind}>" if field.get("mode") == "REPEATED" else kind


_STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
"""The API's older names of types, and the SQL ones."""
