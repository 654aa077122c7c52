"""One deployment on the stand-ins, whose AWS can be made to fail."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib import wiring
from chalicelib.settings import Settings
from local import visitor
from local.stack import Stack

#: A Monday morning in Berlin, where the customer lives.
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADA = {
    "customer_id": "c-1",
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Byron",
    "time_zone": "Europe/Berlin",
}
_LINK = re.compile(r"http://127\.0\.0\.1:8000(/[apow]/[^\s<>\"?]+)")


class Outage:
    """A real client until it is switched off: then every call fails as it does when no network leads to AWS."""

    def __init__(self, client, service: str, off: set[str]) -> None:
        self._client, self._service, self._off = client, service, off

    def __getattr__(self, name: str):
        call = getattr(self._client, name)
        if not isinstance(call, Callable):
            return call

        def attempt(*args, **kwargs):
            if self._service in self._off:
                raise EndpointConnectionError(endpoint_url=f"https://{self._service}.invalid")
            return call(*args, **kwargs)

        return attempt


class Deployment(Stack):
    """The stack, with what tests ask of it."""

    def __init__(self) -> None:
        #: The services that cannot be reached.
        self.off: set[str] = set()
        super().__init__(START)

    def _start_functions(self) -> None:
        self.wiring = wiring.Wiring(
            Settings.from_env(self.environment),
            lambda service: Outage(self.account.client(service), service, self.off),
            self.clock,
        )
        wiring.install(self.wiring)

    def restart(self) -> None:
        """Start functions that remember nothing."""
        self._start_functions()

    # -- the table ---------------------------------------------------------------------------------------

    def rows(self):
        """Return all that is stored."""
        rows, start = [], {}
        while True:
            answer = self.account.dynamodb.scan(TableName=self.environment["TABLE"], **start)
            rows += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return sorted(rows, key=lambda row: (row["pk"]["S"], row["sk"]["S"]))
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def journey(self, journey_id):
        return self.wiring.table.journey(journey_id).value

    # -- a person ----------------------------------------------------------------------------------------

    def press(self, path, **fields):
        """Open a page, take the time that a person takes, and press its button."""
        return visitor.press(self, path, fields)

    # -- a story -----------------------------------------------------------------------------------------

    def resolved(self, case_id="1", **more):
        """Tell that a case was resolved; returns its journey's id."""
        case = {"source": "desk", "case_id": case_id, "resolved_at": self.clock.now.isoformat(), "customer": ADA}
        reply = self.tell("/cases", "case.resolved", {**case, **more})
        assert reply.status == 200, reply.body
        return reply.json()["journey_id"]

    def surveyed(self, **case):
        """Resolve a case and let its survey go out; returns the journey's id and the path of its page."""
        journey_id = self.resolved(**case)
        self.run_until(self.clock.now + timedelta(days=2))
        return journey_id, self.path("a")

    def path(self, page, mail=-1):
        """Return the path of the first link to that page in a mail that was sent."""
        text = message_from_bytes(self.account.ses.sent[mail].raw, policy=policy.default).get_body(("plain",))
        return next(path for path in _LINK.findall(text.get_content()) if path.startswith(f"/{page}/"))

    def paths(self, page):
        """Return the first such path of every mail that has one, oldest first."""
        found = []
        for mail in self.account.ses.sent:
            text = message_from_bytes(mail.raw, policy=policy.default).get_body(("plain",)).get_content()
            found += [path for path in _LINK.findall(text) if path.startswith(f"/{page}/")][:1]
        return found


@pytest.fixture
def stack():
    return Deployment()
