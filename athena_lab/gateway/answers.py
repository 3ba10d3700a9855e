"""How a refused or failed request is answered: one table from the errors' classes to HTTP's codes."""

from __future__ import annotations

import logging
import uuid

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from athena_lab import errors
from athena_lab.gateway_api.wire import ErrorBody, FaultModel

STATUS_OF: dict[type[errors.AthenaError], int] = {
    errors.InvalidError: 422,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.TooLargeError: 413,
    errors.QueryError: 400,
    errors.UserError: 400,
    errors.UnreachableError: 503,
    errors.AuditError: 503,
    errors.UpstreamError: 502,
    errors.ConfigurationError: 500,
    errors.PlatformError: 500,
    errors.AthenaError: 500,
}
_PLACES = frozenset({"body", "query", "path", "header"})
_log = logging.getLogger(__name__)


def status_of(error: errors.AthenaError) -> int:
    """Give the HTTP code of an error's class, else of the nearest class above it."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def error_of(problem: Exception) -> errors.AthenaError | None:
    """Turn what the web framework raises into our tree; None for a fault that nobody foresaw."""
    if isinstance(problem, errors.AthenaError):
        return problem
    if isinstance(problem, RequestValidationError):
        return errors.InvalidError([_fault_of(item) for item in problem.errors()])
    if isinstance(problem, HTTPException):
        # The framework wraps what a request's body raises while it is read.
        if isinstance(problem.__cause__, errors.AthenaError):
            return problem.__cause__
        if problem.status_code < 500:
            return errors.NotFoundError(
                f"Cannot find what was asked for: the gateway says {problem.detail}. "
                "Use one of the routes in docs/openapi.json."
            )
    return None


def answer_of(problem: Exception) -> JSONResponse:
    """Answer a problem; what nobody foresaw is logged with its trace under an id that the caller sees."""
    error = error_of(problem)
    if error is None:
        error_id = uuid.uuid4().hex[:12]
        _log.error("error %s", error_id, exc_info=problem)
        message = (
            f"Cannot answer the request: the gateway has a fault, logged as '{error_id}'. "
            f"Look for it with `athena logs gateway`."
        )
        return _answer(500, ErrorBody(error="PlatformError", message=message, error_id=error_id))
    status = status_of(error)
    known_id = None
    if status >= 500:
        known_id = uuid.uuid4().hex[:12]
        _log.warning("error %s: %s", known_id, error)
    faults = error.faults if isinstance(error, errors.InvalidError) else ()
    return _answer(
        status,
        ErrorBody(
            error=type(error).__name__,
            message=str(error),
            faults=tuple(FaultModel(field=fault.field, message=fault.message) for fault in faults),
            error_id=known_id,
        ),
    )


def _answer(status: int, body: ErrorBody) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(body.model_dump(mode="json"), status_code=status, headers=headers)


def _fault_of(item: dict[str, object]) -> errors.Fault:
    """Name the field and the rule; never what was sent, which may be personal or secret."""
    where = item.get("loc")
    parts = [str(part) for part in where] if isinstance(where, tuple) else []
    field = ".".join(parts[1:] if parts and parts[0] in _PLACES else parts)
    return errors.Fault(
        field,
        f"Cannot accept the request: '{field or 'body'}' is wrong ({item.get('msg')}). Mend it and send it again.",
    )
