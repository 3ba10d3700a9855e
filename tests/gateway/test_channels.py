"""Alerts leave the platform: over SMTP and HTTP to real servers on loopback, and nowhere that they should not."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from athena_lab.errors import ConfigurationError, NotFoundError, UnreachableError, UpstreamError
from athena_lab.gateway.channels import Channels, ChannelSettings
from athena_lab.jobs.alert_outbox import Delivery
from athena_lab.jobs.alerts import RefusedError


class MailSink(socketserver.ThreadingTCPServer):
    """Takes mail as a server does (RFC 5321), and refuses recipients named nobody@…"""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailTalk)
        self.messages = []


class MailTalk(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 sink")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(text)
                self.server.messages.append("\n".join(lines))
            if verb == "QUIT":
                self.say("221 bye")
                return
            self.say("550 no such user" if "nobody@" in line else "250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Stay silent."""


@pytest.fixture
def served():
    servers = []

    def serve(server):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hook(served):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads, server.requests, server.status = True, [], 200
    return served(server)


def delivery(channel="webhook", target="HOOK", **changes):
    values = {
        "event": "failure:r1", "number": 0, "job_id": "daily", "run_id": "r1", "owner": "ann", "channel": channel,
        "target": target, "subject": "Job 'Täglich' failed", "body": "Job 'Täglich' failed\nOwner: ann",
        "state": "pending", "attempts": 0, "created_at": "", "due_at": "",
    }  # fmt: skip
    return Delivery(**values | changes)


def channels(url="", hosts=("127.0.0.1",), **settings):
    def reveal(user, name):
        if (user, name) != ("ann", "HOOK"):
            raise NotFoundError("Cannot find the secret: there is none. Set it.")
        return url

    return Channels(ChannelSettings(hosts=hosts, **settings), reveal)


def test_mail_arrives_with_its_text_and_a_name_of_its_own(served):
    sink = served(MailSink())
    sender = channels(smtp_url=f"smtp://127.0.0.1:{sink.server_address[1]}", mail_from="athena@example.org")
    sender.send(delivery("mail", "ann@example.org"))
    (message,) = sink.messages
    assert "To: ann@example.org" in message
    assert "Message-ID: <failure.r1.0@example.org>" in message
    assert "Owner: ann" in message
    with pytest.raises(RefusedError, match=r"'nobody@example\.org': the mail server refuses that address"):
        sender.send(delivery("mail", "nobody@example.org"))


def test_mail_without_a_server_is_the_operators_trouble():
    with pytest.raises(ConfigurationError, match="ATHENA_SMTP_URL"):
        channels().send(delivery("mail", "ann@example.org"))
    with pytest.raises(UnreachableError, match=r"through '127\.0\.0\.1'"):
        channels(smtp_url="smtp://127.0.0.1:1").send(delivery("mail", "ann@example.org"))


def test_webhook_gets_the_event_and_a_key_to_drop_repeats_by(hook):
    sender = channels(f"http://127.0.0.1:{hook.server_address[1]}/in?key=1")
    sender.send(delivery())
    sender.send(delivery("slack"))
    (path, headers, body), (_, _, slack) = hook.requests
    assert path == "/in?key=1"
    assert headers["Idempotency-Key"] == "failure:r1:0"
    assert (body["job_id"], body["run_id"], body["event"]) == ("daily", "r1", "failure:r1")
    assert slack == {"text": "Job 'Täglich' failed\nOwner: ann"}


@pytest.mark.parametrize(
    ("status", "error"), [(500, UpstreamError), (429, UpstreamError), (404, RefusedError), (302, RefusedError)]
)
def test_refusals_are_final_and_troubles_are_not(hook, status, error):
    hook.status = status
    with pytest.raises(error, match=f"answered HTTP {status}"):
        channels(f"http://127.0.0.1:{hook.server_address[1]}/").send(delivery())
    assert len(hook.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://10.0.0.8/",
    ],
)
def test_platforms_own_hosts_are_out_of_reach(url):
    with pytest.raises(RefusedError, match="is no public host"):
        channels(url, hosts=()).send(delivery())


@pytest.mark.parametrize("url", ["", "http://example.org/", "file:///etc/passwd", "https://", "ftp://example.org/"])
def test_secret_that_is_no_https_url_is_refused_without_showing_it(url):
    with pytest.raises(RefusedError) as refusal:
        channels(url, hosts=()).send(delivery())
    assert str(refusal.value).startswith("Cannot send the alert through the secret 'HOOK': it holds no https:// URL")
    assert "example.org" not in str(refusal.value)


def test_unknown_secret_is_final():
    with pytest.raises(RefusedError):
        channels().send(delivery(target="OTHER"))
