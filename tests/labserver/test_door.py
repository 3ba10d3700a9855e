"""The labserver's door sends again what starts something once, and nothing else."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.labserver import gateway
from athena_lab.labserver.gateway import GatewayDoor
from athena_lab.settings import Settings


class Silence:
    """A server that hangs up on the first question and answers the others: real ones do so only when they die."""

    def __init__(self):
        self.keys = []
        silence = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                silence.keys.append(self.headers.get("Idempotency-Key"))
                if len(silence.keys) > 1:
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def silence():
    made = Silence()
    yield made
    made.server.shutdown()
    made.server.server_close()


def send(url, **fields):
    async def ask():
        door = GatewayDoor(Settings(gateway_url=url), lambda _settings: lambda: "t0ken")
        try:
            return await door.forward("POST", "jobs/daily/runs", content=b"{}", **fields)
        finally:
            await door.close()

    return asyncio.run(ask())


def test_a_request_with_a_key_is_sent_again_with_it(silence, monkeypatch):
    monkeypatch.setattr(gateway, "pauses_after", lambda: lambda _error: 0.0)
    assert send(silence.url, key="k1").status == 200
    assert silence.keys == ["k1", "k1"]


def test_a_request_without_a_key_is_sent_once(silence):
    with pytest.raises(UnreachableError):
        send(silence.url)
    assert silence.keys == [None]
