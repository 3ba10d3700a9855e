"""Errors and HTTP's codes: one table, both ways."""

import json
import logging

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from athena_lab import errors
from athena_lab.gateway.answers import answer_of, status_of
from athena_lab.gateway_api.client import error_of
from athena_lab.gateway_api.wire import ErrorBody


def family(kind: type) -> list[type]:
    return [kind, *(one for child in kind.__subclasses__() for one in family(child))]


def made(kind: type) -> errors.AthenaError:
    if kind is errors.InvalidError:
        return kind([errors.Fault("name", "Cannot use 'x': it is taken. Choose another.")])
    if kind is errors.QuerySyntaxError:
        return kind("Cannot run the query.", 1, 2)
    return kind("Cannot do it: 'x' is away. Try again.")


KINDS = [kind for kind in family(errors.AthenaError) if kind.__module__ == "athena_lab.errors"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_users_mistakes_are_4xx_and_ours_5xx(kind):
    status = status_of(made(kind))
    assert 400 <= status < 500 if issubclass(kind, errors.UserError) else 500 <= status < 600


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not errors.QuerySyntaxError], ids=lambda kind: kind.__name__
)
def test_an_error_comes_out_of_the_client_as_it_went_into_the_gateway(kind):
    error = made(kind)
    answer = answer_of(error)
    again = error_of(answer.status_code, answer.body)
    assert (type(again), str(again)) == (kind, str(error))
    assert getattr(again, "faults", ()) == getattr(error, "faults", ())


def test_the_codes_are_those_that_the_tree_names():
    expected = {"InvalidError": 422, "UnauthenticatedError": 401, "ForbiddenError": 403, "NotFoundError": 404}
    expected |= {"ConflictError": 409, "TooLargeError": 413, "QueryError": 400, "ConfigurationError": 500}
    expected |= {"UnreachableError": 503, "AuditError": 503, "UpstreamError": 502}
    assert {name: status_of(made(getattr(errors, name))) for name in expected} == expected


def test_what_nobody_foresaw_is_logged_with_its_trace_under_the_id_that_the_caller_sees(caplog):
    with caplog.at_level(logging.ERROR):
        answer = answer_of(ZeroDivisionError("secret detail"))
    body = ErrorBody.model_validate_json(answer.body)
    assert (answer.status_code, body.error) == (500, "PlatformError")
    assert body.error_id in body.message
    assert "secret detail" not in body.message
    assert body.error_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_validation_error_names_the_field_and_not_the_value():
    error = RequestValidationError([{"loc": ("body", "a", 0), "msg": "is wrong", "input": "s3cret"}])
    body = json.loads(answer_of(error).body)
    assert (body["error"], body["faults"][0]["field"]) == ("InvalidError", "a.0")
    assert "s3cret" not in json.dumps(body)


def test_what_a_body_raises_while_it_is_read_is_not_hidden_by_the_framework():
    wrapped = HTTPException(400)
    wrapped.__cause__ = errors.TooLargeError("Cannot accept it: too large. Send less.")
    assert answer_of(wrapped).status_code == 413
