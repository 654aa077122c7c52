"""A small stack behind the real server, for tests that look at it from outside."""

import json
import threading
from base64 import b64decode
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import count
from urllib.parse import urlsplit

from chalicelib.entry import webhooks
from local.server import Server
from local.site import Site
from local.stack import WEBHOOK_SECRET, Stack

#: A Thursday, 10:00 in New York.
NOW = datetime(2026, 5, 7, 14, tzinfo=UTC)
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
FORM = {**BROWSER, "Content-Type": "application/x-www-form-urlencoded"}
_ids = count(1)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class Client:
    def __init__(self, server, stack):
        self.url = server.url
        self.stack = stack
        self._where = urlsplit(server.url).netloc

    def send(self, method, path, body=None, headers=None):
        connection = HTTPConnection(self._where, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def look(self, path):
        return self.send("GET", path, headers=BROWSER)

    def move(self, **to):
        return self.send("POST", "/_local/clock", json.dumps(to), {"Content-Type": "application/json"})

    def tell(self, path, kind, data):
        body = json.dumps({"type": kind, "data": data}).encode()
        key = b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
        signed = webhooks.sign(key, f"msg-{next(_ids)}", self.stack.clock.now, body)
        return self.send("POST", path, body, {"Content-Type": "application/json", **signed})

    def resolve(self, case_id, **customer):
        known = {"email": "ada@example.com", "first_name": "Ada", "time_zone": "America/New_York", **customer}
        data = {
            "source": "desk",
            "case_id": case_id,
            "epoch": 1,
            "resolved_at": self.stack.clock.now.isoformat(),
            "subject": "A late parcel",
            "customer": known,
        }
        return self.tell("/cases", "case.resolved", data)


@contextmanager
def serving(start=NOW):
    with Server(0) as server:
        stack = Stack(start, server.url, lazy=True)
        server.site = Site(stack)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Client(server, stack)
        finally:
            server.shutdown()
            thread.join()
