"""One send is one request on the wire, whatever becomes of it, and every outcome is sorted by what is known of it.

The mail client is the real one, as the product builds it; at the other end is a server on this machine that counts.
"""

import json
import socket
import struct
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from chalicelib import wiring
from chalicelib.effects.allowlist import Allowlist
from chalicelib.effects.errors import MailRefused, MailThrottled, MailUnknown
from chalicelib.effects.mail import MailService
from chalicelib.effects.message import Body, Envelope

BODY = Body(subject="How was it?", text="How was it?", html="<p>How was it?</p>")
ENVELOPE = Envelope(
    to="pat@example.org",
    to_name="Pat",
    sender_name="Ines",
    sender="care@example.com",
    reply_to="care@example.com",
    message_id="journey.survey@example.com",
    thread="journey@example.com",
    date=datetime(2026, 3, 2, tzinfo=UTC),
    kind="survey",
    tags=(("journey", "journey"), ("effect", "survey"), ("kind", "survey")),
)


class _Server(ThreadingHTTPServer):
    """Counts the requests that were read to their end."""

    daemon_threads = True

    def __init__(self, react):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.react = react
        self.paths = []
        self.over = Event()

    def shutdown_request(self, request):
        # without the polite end of a connection, so that a reset is one
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.append(self.path)
        self.server.react(self)

    def log_message(self, *args):
        """Say nothing."""


def _reply(status, code="", **members):
    def react(handler):
        body = json.dumps(members).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        if code:
            handler.send_header("x-amzn-errortype", code)
        handler.end_headers()
        handler.wfile.write(body)

    return react


def _reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def _hang_up(handler):
    handler.close_connection = True


def _say_nothing(handler):
    handler.server.over.wait(10)
    handler.close_connection = True


def _garble(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<p>Hello!</p>")
    handler.close_connection = True


def _stop_halfway(handler):
    handler.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"Message')
    handler.close_connection = True


@contextmanager
def _serving(react):
    server = _Server(react)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _send(address, monkeypatch):
    """Send one mail with the client that the product builds; returns the message id."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{address[1]}")
    monkeypatch.setattr(wiring, "_READ", 0.3)
    client = wiring.aws_client("sesv2")
    try:
        return MailService(client, "aftercare-test", Allowlist("example.org")).send(BODY, ENVELOPE)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("react", "outcome"),
    [
        (_say_nothing, MailUnknown),
        (_reset, MailUnknown),
        (_hang_up, MailUnknown),
        (_stop_halfway, MailUnknown),
        (_garble, MailUnknown),
        (_reply(200), MailUnknown),
        (_reply(500, "InternalServiceErrorException", message="oops"), MailUnknown),
        (_reply(502), MailUnknown),
        (_reply(503, "ServiceUnavailable", message="later"), MailUnknown),
        (_reply(504), MailUnknown),
        (_reply(429, "TooManyRequestsException", message="Maximum sending rate exceeded."), MailThrottled),
        (_reply(429, message="slow down"), MailThrottled),
        (_reply(400, "LimitExceededException", message="quota"), MailThrottled),
        (_reply(400, "MessageRejected", message="Email address is not verified."), MailRefused),
        (_reply(403, "AccessDeniedException", message="not allowed"), MailThrottled),
        (_reply(400, "AccountSuspendedException", message="suspended"), MailThrottled),
    ],
    ids=[
        "timeout",
        "reset",
        "hang-up",
        "half-an-answer",
        "another-answer",
        "no-message-id",
        "500",
        "502",
        "503",
        "504",
        "429",
        "429-without-a-code",
        "quota",
        "rejected",
        "denied",
        "suspended",
    ],
)
def test_a_send_that_fails_made_one_request_and_says_what_is_known(react, outcome, monkeypatch):
    with _serving(react) as server:
        with pytest.raises(outcome) as caught:
            _send(server.server_address, monkeypatch)
        assert (server.paths, caught.type) == (["/v2/email/outbound-emails"], outcome)


def test_a_send_that_is_taken_made_one_request_and_returns_its_message_id(monkeypatch):
    with _serving(_reply(200, MessageId="0100-1")) as server:
        assert _send(server.server_address, monkeypatch) == "0100-1"
        assert server.paths == ["/v2/email/outbound-emails"]


def test_nobody_listening_is_as_unknown_as_any_silence(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with pytest.raises(MailUnknown):
        _send(address, monkeypatch)
