"""The people of one journey, as the deployed stage sees them: over HTTP and by mail, never through its code."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import boto3

from chalicelib.entry import webhooks
from chalicelib.journey.state import Journey
from chalicelib.store.table import Table

#: Seconds that anything may take: a cold worker, a schedule, a machine that does other things as well.
PATIENCE = 120
_SERVER_ERROR = 500
_VIEW = re.compile(r'name="view" value="([^"]*)"')
PAT = {"customer_id": "c-1", "email": "pat@example.org", "first_name": "Pat", "time_zone": "UTC"}


class NotNow(Exception):
    """The deployment could not take a message; whoever sent it sends it again, as every sender of webhooks does."""


def wait_for(what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Look until there is something, and return it."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what}: nothing within {patience} s")


class Outside:
    """Everyone outside of one deployed stage."""

    def __init__(self, direct: str, api_id: str, base: str, stage: str = "dev") -> None:
        """Take where MiniStack is, the API, and what links in mails begin with."""
        self._direct = direct
        self._stage = stage
        # as MiniStack serves what on AWS is https://<id>.execute-api…/api
        self._root = f"{direct}/restapis/{api_id}/api/_user_request_"
        self._base = base
        secret = boto3.client("ssm").get_parameter(Name=f"/aftercare/{stage}/webhook-keys", WithDecryption=True)
        self._key = webhooks.key_of(json.loads(secret["Parameter"]["Value"])[0])
        self._messages = 0

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Make one request of the deployed API; returns its status and its body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(self._root + path, body or None, named, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except HTTPError as answer:
            return answer.code, answer.read().decode()

    def signed(self, method: str, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """Make one signed request, as a helpdesk does, and return what it was answered."""
        self._messages += 1
        body = json.dumps(data).encode()
        name = f"msg_{time.time_ns()}_{self._messages}"
        signature = webhooks.sign(self._key, name, datetime.now(UTC), body)
        status, text = self.request(method, path, body, content_type="application/json", **signature)
        if status >= _SERVER_ERROR:
            raise NotNow(f"{status} {text}")
        assert status in {200, 201}, (status, text)
        return json.loads(text)

    def tell(self, path: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Post one message."""
        return self.signed("POST", path, {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data})

    def hurry(self) -> None:
        """Store documents by which a survey and a check-in follow within seconds, at any hour."""
        cadence = self.signed("GET", "/documents/cadence", {})["document"]
        cadence["survey"].update(after="PT1S", reminders=[])
        track = cadence["tracks"]["after_recovery"]
        track["steps"] = [{**track["steps"][0], "after": "PT1S"}]
        settings = self.signed("GET", "/documents/settings", {})["document"]
        settings.update(waking_hours={"start": "00:00:00", "end": "23:59:59"}, default_zone="UTC")
        settings["fatigue"].update(any_gap="PT0S", checkin_gap="PT0S", survey_gap="PT0S")
        self.signed("PUT", "/documents/cadence", cadence)
        self.signed("PUT", "/documents/settings", settings)

    def resolve(self, case: str, customer: dict[str, str] | None = None) -> str:
        """Let the helpdesk resolve a case; returns its journey."""
        data = {"source": "desk", "case_id": case, "subject": case, "resolved_at": datetime.now(UTC).isoformat()}
        return self.tell("/cases", "case.resolved", {**data, "customer": customer or PAT})["journey_id"]

    def act(self, journey: str, **step: str) -> None:
        """Let staff do one step of the recovery."""
        self.tell("/acts", "staff.acted", {"journey_id": journey, "acted_at": datetime.now(UTC).isoformat(), **step})

    def mails(self, subject: str = "") -> list[dict[str, Any]]:
        """Return every mail to the customer with that in its words, the oldest first."""
        with urlopen(f"{self._direct}/_ministack/ses/messages", timeout=30) as answer:  # noqa: S310 - loopback
            sent = [each for mails in json.load(answer)["messages"].values() for each in mails]
        return [each for each in sent if subject in f"{each['Subject']}\n{each['BodyText']}"]

    def link(self, page: str, subject: str) -> str:
        """Wait for a mail with that in its words and return the path of its link to a page."""
        mail = wait_for(f"a mail with {subject!r}", lambda: self.mails(subject))[0]
        found = re.search(re.escape(self._base) + rf"(/{page}/[\w.~-]+)", mail["BodyText"])
        assert found, mail["BodyText"]
        return found[1]

    def press(self, path: str, **fields: str) -> str:
        """Open a page, fill it in and press the button; returns the page that follows."""
        status, page = self.request("GET", path)
        assert status == 200, page
        view = _VIEW.search(page)
        form = urlencode({**fields, "view": view[1] if view else ""}).encode()
        status, text = self.request("POST", path, form, content_type="application/x-www-form-urlencoded")
        assert status == 200, text
        return text

    def journey(self, journey: str) -> Journey:
        """Return the journey as the table has it."""
        table = Table(boto3.client("dynamodb"), f"aftercare-{self._stage}")
        return table.journey(journey).value

    def dead_letters(self) -> int:
        """Return how many messages lie in dead-letter queues."""
        sqs = boto3.client("sqs")
        return sum(
            int(
                sqs.get_queue_attributes(
                    QueueUrl=sqs.get_queue_url(QueueName=f"aftercare-{self._stage}-{queue}-dead")["QueueUrl"],
                    AttributeNames=["ApproximateNumberOfMessages"],
                )["Attributes"]["ApproximateNumberOfMessages"]
            )
            for queue in ("inbox", "work", "alarms", "feedback")
        )
