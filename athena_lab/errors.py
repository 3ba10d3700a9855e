"""What can go wrong, in one tree; every message says what failed, on what, and what to do.

AthenaError
├── UserError                    the user can mend it (4xx)
│   ├── InvalidError             one or more faults of a form, all at once (422)
│   ├── UnauthenticatedError     no valid credential (401)
│   ├── ForbiddenError           a valid credential without the right (403)
│   ├── NotFoundError            what was named does not exist (404)
│   ├── ConflictError            the name is taken, or the state does not allow it (409)
│   │   └── InProgressError      the same request, sent before, is still being answered (409)
│   ├── TooLargeError            over a stated limit (413)
│   └── QueryError               the warehouse refused or failed the statement (400)
│       ├── QuerySyntaxError     with line and column in the cell
│       ├── OverBudgetError      the estimate exceeds the bytes allowed
│       └── QueryCancelledError  somebody stopped it
└── PlatformError                ours to mend (5xx)
    ├── ConfigurationError       a setting or a state directory is unusable (500)
    ├── UnreachableError         a service of the stack does not answer (503)
    ├── AuditError               the audit cannot be written, so the answer is no (503)
    └── UpstreamError            a service answered with a fault of its own (502)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a form: the field's path ("" for the whole) and a three-part message."""

    field: str
    message: str


class AthenaError(Exception):
    """Root of the tree; `str(error)` is the message shown to the user."""


class UserError(AthenaError):
    """Something that the user can mend."""


class InvalidError(UserError):
    """A form or document with faults, all reported together in `faults`."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(fault.message for fault in self.faults))


class UnauthenticatedError(UserError):
    """No valid credential came with the request."""


class ForbiddenError(UserError):
    """The credential is valid but does not give this right."""


class NotFoundError(UserError):
    """What was named does not exist."""


class ConflictError(UserError):
    """The name is taken, or the present state does not allow the request."""


class InProgressError(ConflictError):
    """The same request, sent before with the same key, is still being answered."""


class TooLargeError(UserError):
    """Content over a stated limit."""


class QueryError(UserError):
    """The warehouse refused or failed a statement."""


class QuerySyntaxError(QueryError):
    """A statement that does not parse; `line` and `column` count from 1 in the user's SQL."""

    def __init__(self, message: str, line: int, column: int) -> None:
        self.line, self.column = line, column
        super().__init__(message)


class OverBudgetError(QueryError):
    """The estimate exceeds the bytes that the query may process."""


class QueryCancelledError(QueryError):
    """The query was stopped before it ended."""


class PlatformError(AthenaError):
    """Something that the platform's operators have to mend."""


class ConfigurationError(PlatformError):
    """A setting, a secret file or a state directory is unusable."""


class UnreachableError(PlatformError):
    """A service of the stack does not answer."""


class AuditError(PlatformError):
    """The audit record could not be written, so nothing was done."""


class UpstreamError(PlatformError):
    """Another service answered with a fault of its own."""
