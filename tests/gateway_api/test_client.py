"""The typed client: where its credential comes from, and how answers become values or errors."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from athena_lab import errors
from athena_lab.gateway_api import once
from athena_lab.gateway_api.client import GatewayClient, error_of, token_source
from athena_lab.gateway_api.jobs import RunRequest
from athena_lab.gateway_api.wire import ErrorBody, FaultModel
from athena_lab.settings import Settings


class Recorder:
    """An HTTP server that keeps what it was asked and gives one answer: the client alone is under test."""

    def __init__(self):
        self.seen = []
        self.answer = (200, b"{}")
        self.silences, self.answers = 0, []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                recorder.seen.append((self.command, self.path, dict(self.headers), body))
                if recorder.silences:
                    recorder.silences -= 1
                    self.close_connection = True
                    return
                status, content = recorder.answers.pop(0) if recorder.answers else recorder.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 (the names that the library calls)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def recorder():
    made = Recorder()
    yield made
    made.close()


@pytest.fixture
def client(recorder):
    with GatewayClient(recorder.url, lambda: "t0ken") as made:
        yield made


def test_the_credential_goes_into_the_header_alone(recorder, client):
    recorder.answer = (200, b"[]")
    assert client.list_runs(job_id="a/b", limit=3) == ()
    method, path, headers, body = recorder.seen[0]
    assert (method, path, headers["Authorization"], body) == (
        "GET",
        "/v1/runs?limit=3&job_id=a%2Fb",
        "Bearer t0ken",
        b"",
    )


def test_names_in_paths_are_quoted(recorder, client):
    recorder.answer = (404, ErrorBody(error="NotFoundError", message="no").model_dump_json().encode())
    with pytest.raises(errors.NotFoundError):
        client.run_job("../x?y", RunRequest())
    assert recorder.seen[0][1] == "/v1/jobs/..%2Fx%3Fy/runs"


def body_of(name):
    return ErrorBody(error=name, message=f"Cannot do it: {name}. Wait.").model_dump_json().encode()


def test_what_starts_something_is_sent_again_under_one_key_until_it_is_answered(recorder, client, monkeypatch):
    monkeypatch.setattr(once.time, "sleep", lambda _: None)  # the pauses are the clock's, not what is under test
    recorder.silences, recorder.answers = 2, [(409, body_of("InProgressError"))]
    recorder.answer = (409, body_of("ConflictError"))
    with pytest.raises(errors.ConflictError, match="ConflictError"):
        client.run_job("daily", RunRequest())
    with pytest.raises(errors.ConflictError):
        client.run_job("daily", RunRequest(), key="mine")
    *first, last = [headers["Idempotency-Key"] for _, _, headers, _ in recorder.seen]
    assert (len(first), len(set(first)), last) == (4, 1, "mine")


def test_a_gateway_that_stays_silent_is_told_after_a_few_tries(recorder, client, monkeypatch):
    monkeypatch.setattr(once.time, "sleep", lambda _: None)  # as above
    recorder.silences = 100
    with pytest.raises(errors.UnreachableError):
        client.run_job("daily", RunRequest())
    assert len(recorder.seen) == 1 + len(once.PAUSES_S)


def test_what_starts_nothing_twice_by_itself_is_sent_once(recorder, client):
    recorder.silences, recorder.answer = 1, (503, body_of("UnreachableError"))
    with pytest.raises(errors.UnreachableError):
        client.pause_job("daily")
    with pytest.raises(errors.UnreachableError):
        client.run_job("daily", RunRequest())  # the gateway answered: it is Airflow that is away
    assert len(recorder.seen) == 2


def test_refusals_come_back_as_our_errors_with_their_faults(recorder, client):
    fault = FaultModel(field="name", message="Cannot use it: taken. Choose another.")
    recorder.answer = (
        422,
        ErrorBody(error="InvalidError", message=fault.message, faults=(fault,)).model_dump_json().encode(),
    )
    with pytest.raises(errors.InvalidError) as caught:
        client.get_me()
    assert caught.value.faults == (errors.Fault("name", fault.message),)


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"error": 1}', b"\xff"])
def test_an_answer_that_is_none_of_ours_is_an_upstream_error(content):
    assert isinstance(error_of(502, content), errors.UpstreamError)


@pytest.mark.parametrize("name", ["os", "Fault", "dataclass", "Exception", "__doc__", "annotations"])
def test_an_error_named_after_no_error_of_ours_is_an_upstream_error(name):
    body = ErrorBody(error=name, message="what it was").model_dump_json().encode()
    error = error_of(500, body)
    assert (type(error), str(error)) == (errors.UpstreamError, "what it was")


def test_a_gateway_that_does_not_answer_is_unreachable_and_the_token_is_not_told(recorder):
    recorder.close()
    with GatewayClient(recorder.url, lambda: "t0ken") as client, pytest.raises(errors.UnreachableError) as caught:
        client.get_me()
    assert "athena up" in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_a_users_credential_is_read_anew_from_its_file(tmp_path):
    file = tmp_path / "token"
    source = token_source(Settings(token_file=file))
    with pytest.raises(errors.ConfigurationError, match="athena up"):
        source()
    file.write_text("one\n")
    assert source() == "one"
    file.write_text("two")
    assert source() == "two"


def test_without_any_credential_or_gateway_the_error_names_the_setting(tmp_path):
    with pytest.raises(errors.ConfigurationError, match="ATHENA_TOKEN_FILE"):
        token_source(Settings())
    with pytest.raises(errors.ConfigurationError, match="ATHENA_GATEWAY_URL"):
        GatewayClient.from_settings(Settings(token_file=tmp_path / "token"))


def test_a_runs_credential_is_asked_for_over_its_descriptor_each_time():
    worker, kernel = socket.socketpair()
    with worker, kernel:
        source = token_source(Settings(token_fd=kernel.fileno()))
        for token in ("first", "second"):
            # The worker's line first: the socket keeps it until the question comes.
            worker.sendall(b'{"token": "%s"}\n' % token.encode())
            assert source() == token
            assert worker.recv(100) == b"token\n"
        worker.close()
        try:
            with pytest.raises(errors.UnauthenticatedError, match="worker is gone"):
                source()
        finally:
            source._socket.close()
