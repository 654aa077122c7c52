"""The people of one journey, as the deployed stage sees them: over HTTP and by mail, never through its code."""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import boto3

from chalicelib.entry import webhooks
from chalicelib.journey.state import Journey
from chalicelib.store.table import Table

#: Seconds that anything may take on a machine that does other things as well. The slowest is a message that was lost in
#: an update: it comes again when it is visible again (stage.py), else the reconciler finds what it was about, eight
#: minutes later at most. Nobody waits for as long unless something is wrong.
PATIENCE = 600
_SERVER_ERROR = 500
#: Seconds until whoever was told "not now" comes again.
_PAUSE = 1.0
PAT = {"customer_id": "c-1", "email": "pat@example.org", "first_name": "Pat", "time_zone": "UTC"}


class _Form(HTMLParser):
    """The hidden fields of a page, which a browser sends along."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("type") == "hidden":
            self.hidden[found["name"] or ""] = found.get("value") or ""


def wait_for(what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Look until there is something, and return it."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what}: nothing within {patience} s")


def origin(url: str) -> str:
    """Return what a browser calls the origin of a page."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _answer(request: Request) -> tuple[int, str]:
    try:
        with urlopen(request, timeout=90) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except HTTPError as answer:
        return answer.code, answer.read().decode()


class Outside:
    """Everyone outside of one deployed stage."""

    def __init__(self, direct: str, api_id: str, base: str, stage: str = "dev") -> None:
        """Take where MiniStack is, the API, and what links in mails begin with."""
        self._direct = direct
        self._stage = stage
        self.api = api_id
        # as MiniStack serves what on AWS is https://<id>.execute-api…/api
        self._root = f"{direct}/restapis/{api_id}/api/_user_request_"
        self._base = base
        secret = boto3.client("ssm").get_parameter(Name=f"/aftercare/{stage}/webhook-keys", WithDecryption=True)
        self._key = webhooks.key_of(json.loads(secret["Parameter"]["Value"])[0])
        self._messages = itertools.count()
        #: What was answered "not now".
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        """Return where the API is, for commands that talk to it."""
        return self._root

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Make one request of the deployed API; returns its status and its body.

        Who is answered "not now", or not at all, asks again, as browsers' owners and senders of webhooks do.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(self._root + path, body or None, named, method=method)  # noqa: S310 - loopback
        until = time.monotonic() + PATIENCE
        while True:
            try:
                status, text = _answer(request)
            except OSError as error:
                status, text = _SERVER_ERROR, repr(error)
            if status < _SERVER_ERROR:
                return status, text
            self.refused.append(f"{method} {path}: {status} {text}")
            if time.monotonic() > until:
                raise AssertionError(f"{method} {path}: {status} {text}")
            time.sleep(_PAUSE)

    def signed(self, method: str, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """Make one signed request, as a helpdesk does, and return what it was answered."""
        body = json.dumps(data).encode()
        name = f"msg_{time.time_ns()}_{next(self._messages)}"
        signature = webhooks.sign(self._key, name, datetime.now(UTC), body)
        status, text = self.request(method, path, body, content_type="application/json", **signature)
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
        # One customer lives through all of it in one day.
        settings["fuses"] = {"contact_per_day": 1000}
        # Everything here happens within a second: what looks automatic is no subject of these tests.
        never = ("after_delivery", "after_view", "together", "another_client_within", "decoy_within")
        settings["trust"] = dict.fromkeys(never, "PT0S")
        self.signed("PUT", "/documents/cadence", cadence)
        self.signed("PUT", "/documents/settings", settings)

    def resolve(self, case: str, customer: dict[str, str] | None = None) -> str:
        """Let the helpdesk resolve a case; returns its journey."""
        data = {"source": "desk", "case_id": case, "subject": case, "resolved_at": datetime.now(UTC).isoformat()}
        return self.tell("/cases", "case.resolved", {**data, "customer": customer or PAT})["journey_id"]

    def act(self, journey: str, **step: str) -> None:
        """Let staff do one step of the recovery."""
        self.tell("/acts", "staff.acted", {"journey_id": journey, "acted_at": datetime.now(UTC).isoformat(), **step})

    def mails(self, *words: str) -> list[dict[str, Any]]:
        """Return every mail with all of that in its words, the oldest first."""
        with urlopen(f"{self._direct}/_ministack/ses/messages", timeout=30) as answer:  # noqa: S310 - loopback
            sent = [each for mails in json.load(answer)["messages"].values() for each in mails]
        return [each for each in sent if all(word in f"{each['Subject']}\n{each['BodyText']}" for word in words)]

    def link(self, page: str, *words: str) -> str:
        """Wait for a mail with all of that in its words and return the path of its link to a page."""
        mail = wait_for(f"a mail with {words}", lambda: self.mails(*words))[0]
        return self.link_in(mail, page)

    def link_in(self, mail: dict[str, Any], page: str) -> str:
        """Return the path of a mail's link to a page."""
        found = re.search(re.escape(self._base) + rf"(/{page}/[\w.~-]+)", mail["BodyText"])
        assert found, mail["BodyText"]
        return found[1]

    def press(self, path: str, **fields: str) -> str:
        """Open a page, fill it in and press the button; returns the page that follows."""
        status, page = self.request("GET", path)
        assert status == 200, page
        form = urlencode({**_Form(page).hidden, **fields}).encode()
        browser = {"content_type": "application/x-www-form-urlencoded", "origin": origin(self._base)}
        status, text = self.request("POST", path, form, **browser, sec_fetch_site="same-origin")
        assert status == 200, text
        return text

    def live(self, case: str) -> Journey:
        """Live one whole journey: case in, survey, bad answer, recovery, check-in; returns it."""
        journey = self.resolve(case)
        self.press(self.link("a", f"“{case}”"), csat="1", solved="0", words="Still broken")
        self.act(journey, act="take")
        self.act(journey, act="apologise", text=f"I am sorry that the {case} failed you.")
        self.act(journey, act="propose", text=f"A new {case} by Friday.")
        self.press(self.link("p", f"A new {case} by Friday."), choice="meets", comment="Friday is fine")
        self.act(journey, act="deliver", amount="25.00", currency="USD")
        self.act(journey, act="thank", text="Thank you for telling us.")
        self.act(journey, act="debrief", cause="a bad batch", improvement="lamps are tested")
        self.act(journey, act="close")
        # its subject is that of the conversation
        self.press(self.link("a", f"“{case}”", "Is it sorted?"), solved="1", words="It holds")
        return self.journey(journey)

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
            for queue in ("inbox", "work", "alarms", "feedback", "reply")
        )


def whole(journey: Journey) -> dict[str, Any]:
    """Return what `Outside.live` leaves in a journey."""
    (recovery,) = journey.recoveries
    return {
        "answers": [(each.touch_id, each.scores, each.words) for each in journey.answers],
        "acts": [each.act for each in recovery.done],
        "proposals": [(each.word, each.words) for each in recovery.proposals],
    }


WHOLE = {
    "answers": [("survey", {"csat": 1, "solved": 0}, "Still broken"), ("fix_holds", {"solved": 1}, "It holds")],
    "acts": ["take", "apologise", "propose", "deliver", "thank", "debrief", "close"],
    "proposals": [("meets", "Friday is fine")],
}


class Traffic:
    """Cases that come in, and customers who answer as soon as they are asked, while a body runs."""

    def __init__(self, outside: Outside) -> None:
        """Take the stage."""
        self._outside = outside
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(2)
        #: Case → its journey, once the case was taken.
        self.cases: dict[str, str] = {}
        #: Cases whose customer has answered.
        self.answered: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._running = [self._pool.submit(each) for each in (self._helpdesk, self._customers)]
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop, and raise what went wrong."""
        self._stop.set()
        for each in self._running:
            each.result()
        self._pool.shutdown()

    def _helpdesk(self) -> None:
        while not self._stop.is_set():
            name = f"ticket-{len(self.cases):03}"
            customer = {**PAT, "customer_id": name, "email": f"{name}@example.org"}
            self.cases[name] = self._outside.resolve(name, customer)
            self._stop.wait(2)

    def _customers(self) -> None:
        while not self._stop.is_set():
            for name, mails in self.surveys().items():
                if mails and name not in self.answered and not self._stop.is_set():
                    self._outside.press(self._outside.link_in(mails[0], "a"), csat="5", solved="1")
                    self.answered.append(name)
            self._stop.wait(1)

    def surveys(self) -> dict[str, list[dict[str, Any]]]:
        """Return the surveys that each case got."""
        mails = self._outside.mails("How did we do with “ticket-")
        return {name: [mail for mail in mails if f"{name}@example.org" in mail["To"]] for name in [*self.cases]}
