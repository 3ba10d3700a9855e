"""What the emulator refuses or fails, with BigQuery's reasons and HTTP codes.

https://cloud.google.com/bigquery/docs/error-messages. Clients retry 429, 500, 502 and 503 for ten
minutes, so that none of them may stand for a fault that lasts: ours are told with 501.
"""

from __future__ import annotations

import re
from typing import Any

from athena_lab.errors import UserError

STATUSES = {
    "accessDenied": 403,
    "bytesBilledLimitExceeded": 400,
    "conditionNotMet": 412,
    "duplicate": 409,
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "notImplemented": 501,
    "outOfRange": 416,
    "required": 400,
    "resourceInUse": 400,
    "resourcesExceeded": 400,
    "stopped": 400,
    "timeout": 400,
}


class BigQueryError(UserError):
    """A refusal in BigQuery's words: `reason` is one of STATUSES, `location` what it is about."""

    def __init__(self, reason: str, message: str, location: str | None = None) -> None:
        self.reason, self.message, self.location = reason, message, location
        super().__init__(message)

    @property
    def status(self) -> int:
        return STATUSES[self.reason]

    def entry(self) -> dict[str, str]:
        """Give the ErrorProto of a job's status."""
        found = {"reason": self.reason, "message": self.message}
        return found | ({"location": self.location} if self.location else {})

    def body(self) -> dict[str, Any]:
        """Give the JSON body of a refused request."""
        entry = self.entry() | {"domain": "global"}
        return {"error": {"code": self.status, "message": self.message, "errors": [entry]}}


def invalid_query(message: str) -> BigQueryError:
    """Refuse a statement that is wrong."""
    return BigQueryError("invalidQuery", message, "query")


def unsupported(feature: str) -> BigQueryError:
    """Refuse what BigQuery has and the embedded warehouse has not, naming it."""
    message = (
        f"Unsupported feature: {feature} is not supported by the embedded warehouse. Use the real BigQuery for it."
    )
    return BigQueryError("invalidQuery", message, "query")


def table_not_found(project: str, dataset: str, table: str, location: str) -> BigQueryError:
    """Say in BigQuery's words that a table does not exist."""
    return BigQueryError(
        "notFound", f"Not found: Table {project}:{dataset}.{table} was not found in location {location}"
    )


def dataset_not_found(project: str, dataset: str, location: str) -> BigQueryError:
    """Say in BigQuery's words that a dataset does not exist."""
    return BigQueryError("notFound", f"Not found: Dataset {project}:{dataset} was not found in location {location}")


def position_of(text: str, offset: int) -> str:
    """Give "[line:column]", both from 1, of the character at `offset`."""
    line, column = line_and_column(text, offset)
    return f"[{line}:{column}]"


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Give the line and the column, both from 1, of the character at `offset`."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


_CLEANED = (
    (re.compile(r"^.*Python exception occurred while executing the UDF: \w+: ", re.DOTALL), ""),
    (re.compile(r"\n\nLINE \d+:.*", re.DOTALL), ""),
    (re.compile(r"\. Use TRY\(.*", re.DOTALL), ""),
    (re.compile(r"^.*Type INT128 with value (-?\d+) can't be cast .* type INT64.*", re.DOTALL), r"int64 overflow: \1"),
    (
        re.compile(r"^.*Like pattern must not end with escape character.*", re.DOTALL),
        "LIKE pattern ends with a backslash",
    ),
    (re.compile(r"^(Invalid Input|Conversion|Binder|Catalog|Out of Range|Parser|Constraint) Error: "), ""),
    (re.compile(r"\n.*Candidate bindings.*", re.DOTALL), ""),
)


_SEEN = re.compile(r"\bathena_rows\b|\bseen_t\d+\b")
"""Quoting how policies are enforced (policies/protection.py): a row filter is not its readers' to know."""


def engine_fault(error: Exception) -> BigQueryError:
    """Translate an error of DuckDB's, without quoting our translation of the statement."""
    text = str(error)
    zero = re.search(r"Division by zero in expression \((.*?) (?://|/|%) (.*?)\)", text)
    if zero:
        return invalid_query(f"division by zero: {zero[1]} / {zero[2]}")
    if "Overflow" in text and "INT" in text:
        return invalid_query(f"Integer overflow: {text.split('Overflow', 1)[1].strip(' !')}".replace("in ", "", 1))
    missing = re.search(r"Function with name (\w+) does not exist", text)
    if missing:
        return unsupported(f"The function {missing[1].upper()}")
    for pattern, instead in _CLEANED:
        text = pattern.sub(instead, text)
    if _SEEN.search(text):
        return invalid_query("The statement cannot be computed as it is written.")
    return invalid_query(text.strip())
