"""Turn the vendor's errors into our tree, with the place in the user's SQL and near names of tables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from athena_lab import errors
from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.statement import Statement

_POSITION = re.compile(r"\s*at \[(\d+):(\d+)\]")
_MISSING_TABLE = re.compile(r"Not found: Table (?:[\w.-]+:)?(?P<dataset>\w+)\.(?P<table>[\w$*-]+)")
_MISSING_DATASET = re.compile(r"Not found: Dataset (?:[\w.-]+:)?(?P<dataset>\w+)")
_NEAR = 3

Vendor = exceptions.GoogleAPIError | requests.exceptions.RequestException | GoogleAuthError


@contextmanager
def translating(client: Warehouse, action: str, statement: Statement | None = None) -> Iterator[None]:
    """Raise our own error for any of the vendor's; `action` completes "Cannot …"."""
    try:
        yield
    except (exceptions.GoogleAPIError, requests.exceptions.RequestException, GoogleAuthError) as error:
        raise translate(error, client, action, statement) from error


def translate(
    error: Exception, client: Warehouse, action: str, statement: Statement | None = None
) -> errors.AthenaError:
    """Give our error for a vendor's; asks the warehouse for names only where a table is missing."""
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        error = error.cause
    if not isinstance(error, exceptions.GoogleAPICallError):
        return errors.UnreachableError(
            f"Cannot {action}: the warehouse at '{client.endpoint}' does not answer ({type(error).__name__}). "
            "Check it with `athena status`, start it with `athena up`."
        )
    reason, message = _reason_of(error), _message_of(error)
    by_reason = _BY_REASON.get(reason)
    if by_reason is not None:
        kind, advice = by_reason
        return kind(f"Cannot {action}: {_sentence(message)} {advice}")
    if isinstance(error, exceptions.NotFound):
        return _not_found(message, client, action)
    return _by_class(error, message, action, statement)


def _by_class(
    error: exceptions.GoogleAPICallError, message: str, action: str, statement: Statement | None
) -> errors.AthenaError:
    for vendor, kind, advice in _BY_CLASS:
        if isinstance(error, vendor):
            return kind(f"Cannot {action}: {_sentence(message)} {advice}")
    return _refused(message, action, statement)


def _refused(message: str, action: str, statement: Statement | None) -> errors.QueryError:
    """A 400: with a position it is a fault at a spot of the statement."""
    match = _POSITION.search(message)
    plain = _sentence(_POSITION.sub("", message))
    if match is None:
        return errors.QueryError(f"Cannot {action}: {plain} Correct it and try again.")
    line, column = int(match[1]), int(match[2])
    if statement is not None:
        line, column = statement.written_position(line, column)
    return errors.QuerySyntaxError(f"Cannot {action}: {plain} Correct line {line}, column {column}.", line, column)


def _not_found(message: str, client: Warehouse, action: str) -> errors.NotFoundError:
    table, dataset = _MISSING_TABLE.search(message), _MISSING_DATASET.search(message)
    if table is not None:
        name = f"{table['dataset']}.{table['table']}"
        near = _near(name, lambda: _tables_near(client, table["dataset"]))
        return errors.NotFoundError(f"Cannot {action}: table '{name}' does not exist. {near}")
    if dataset is not None:
        near = _near(dataset["dataset"], lambda: [item.dataset_id for item in client.list_datasets()])
        return errors.NotFoundError(f"Cannot {action}: dataset '{dataset['dataset']}' does not exist. {near}")
    return errors.NotFoundError(f"Cannot {action}: {_sentence(message)} Check the name.")


def _tables_near(client: Warehouse, dataset: str) -> list[str]:
    """Name the tables of the dataset, or, where there is no such dataset, those of all datasets."""
    datasets = [item.dataset_id for item in client.list_datasets()]
    wanted = [dataset] if dataset in datasets else datasets
    return [f"{one}.{table.table_id}" for one in wanted for table in client.list_tables(f"{client.project}.{one}")]


def _near(name: str, list_names: Callable[[], Sequence[str]]) -> str:
    try:
        names = list_names()
    except (exceptions.GoogleAPIError, requests.exceptions.RequestException):
        names = []  # the suggestion is a courtesy: the error itself is already known
    folded = {item.lower(): item for item in names}
    found = [folded[item] for item in difflib.get_close_matches(name.lower(), folded, n=_NEAR, cutoff=0.5)]
    if found:
        return f"Did you mean {' or '.join(repr(item) for item in found)}?"
    return "List what there is with `%athena tables`."


def _reason_of(error: exceptions.GoogleAPICallError) -> str:
    for item in error.errors or ():
        if isinstance(item, dict) and item.get("reason"):
            return str(item["reason"])
    return ""


def _message_of(error: exceptions.GoogleAPICallError) -> str:
    """Give the service's own sentence, without the request line that the client puts before it."""
    for item in error.errors or ():
        if isinstance(item, dict) and item.get("message"):
            return str(item["message"])
    text = str(error.message)
    return text.split("prettyPrint=false: ", 1)[-1].split("\n\nLocation:", 1)[0]


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."


_BY_REASON: dict[str, tuple[type[errors.AthenaError], str]] = {
    "stopped": (errors.QueryCancelledError, "Run it again if you still need it."),
    "bytesBilledLimitExceeded": (errors.OverBudgetError, "Read fewer columns or partitions, or raise --max-bytes."),
    "duplicate": (errors.ConflictError, "Choose another name, or say that it may be replaced or appended to."),
    "quotaExceeded": (errors.QueryError, "Wait for the quota to be renewed, or ask for more."),
}
_BY_CLASS: tuple[tuple[Any, type[errors.AthenaError], str], ...] = (
    (exceptions.Unauthorized, errors.UnauthenticatedError, "Start a new session with `athena up`."),
    (exceptions.Forbidden, errors.ForbiddenError, "Ask the owner of the data for access."),
    (exceptions.Conflict, errors.ConflictError, "Choose another name, or say that it may be replaced or appended to."),
    (exceptions.ServerError, errors.UpstreamError, "Try again; look at `athena logs emulator` if it stays."),
)
