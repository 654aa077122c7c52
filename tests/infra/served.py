"""A deployment on the stand-ins behind a real port of this machine."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.stack import WEBHOOK_SECRET, Stack


class Served:
    """The stack, where it listens, and what was asked of it."""

    def __init__(self):
        self.stack = Stack(datetime.now(UTC))
        #: (method, path, headers, body) of every request but those of the clock.
        self.requests = []
        #: Statuses to answer with instead, first come first served.
        self.instead = []
        self.url = ""

    def answer(self, method, path, headers, body):
        if path == "/_local/clock":
            return 200, b'{"now": "%s"}' % self.stack.clock.now.isoformat().encode(), {}
        self.requests.append((method, path, headers, body))
        if self.instead:
            status, text, more = self.instead.pop(0)
            return status, text, more
        reply = self.stack.request(method, path, headers, body)
        return reply.status, reply.body, dict(reply.headers)


@contextmanager
def served():
    """Run the body with a deployment that can be reached over HTTP."""
    made, lock = Served(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each waits for the other's acknowledgement

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                status, answer, more = made.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


KEY = WEBHOOK_SECRET
