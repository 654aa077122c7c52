"""The HTTP server of the local stack: reads requests off the wire and hands them to the site. Loopback only."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from local.site import Request, Site, problem
from local.stack import Reply

HOST = "127.0.0.1"
#: What a Lambda function can be handed; API Gateway answers 413 beyond.
LARGEST = 6 * 1024 * 1024
#: Of what is too large, so much is read and thrown away, so that the client gets to see the answer.
_PATIENCE = 8 * LARGEST
_CHUNK = 64 * 1024
_BODILESS = (204, 304)


class _BadRequest(Exception):
    """A request that cannot be read: the reply, after which the connection is closed."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.reply = problem(status, title, detail)


class Server(ThreadingHTTPServer):
    """Listens from the moment it is made; `site` is set before it serves."""

    daemon_threads = True
    request_queue_size = 128
    site: Site

    def __init__(self, port: int) -> None:
        """Take the port (0 for any free one); raises OSError when it is in use."""
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Return the address at which it can be reached."""
        return f"http://{HOST}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "aftercare-local"
    sys_version = ""
    timeout = 60  # seconds a connection may be idle
    wbufsize = _CHUNK  # head and body in one packet, or the answer waits for an acknowledgement
    server: Server

    def _serve(self) -> None:
        try:
            body = self._read_body()
        except _BadRequest as bad:
            self.close_connection = True
            self._send(bad.reply)
            return
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
        self._send(self.server.site.answer(Request(self.command, self.path, headers, body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - named by http.server

    def _read_body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            raise _BadRequest(411, "Length required", "Send the body with a Content-Length.")
        length = self.headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal():
            raise _BadRequest(400, "Bad request", "Content-Length is no number.")
        if len(length) > len(str(LARGEST)) or int(length) > LARGEST:
            self._throw_away(length)
            raise _BadRequest(413, "Content too large", f"A body has at most {LARGEST} bytes.")
        return self.rfile.read(int(length))

    def _throw_away(self, length: str) -> None:
        left = min(int(length[:12]), _PATIENCE)
        while left > 0 and (chunk := self.rfile.read(min(_CHUNK, left))):
            left -= len(chunk)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "cache-control" not in {name.lower() for name in reply.headers}:
            self.send_header("Cache-Control", "no-store")
        if reply.status not in _BODILESS:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and reply.status not in _BODILESS:
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Say nothing: the pages show what happened."""
