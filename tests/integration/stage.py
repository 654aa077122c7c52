"""A stage on moto, driven by hand: the real handlers, the real clients, a clock of its own.

What moto cannot do, and who does it here instead:

- EventBridge Scheduler never fires: `Stage.ring` calls the alarm's function at the instant that the schedule names.
- SES publishes no events: `Stage.report` hands the function a recorded one (tests/events).
- Nothing invokes a function when a message arrives: `Stage.settle` receives, calls and deletes, as Lambda does.
- Its own clock is the machine's, so visibility and delays are not tested here.
- Permissions are checked by nobody: tests of the policies do that.
"""

import json
import re
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import urlencode

import boto3
from chalice.config import Config
from chalice.local import LocalGateway
from moto.ses.models import ses_backends

from chalicelib import wiring
from chalicelib.entry import webhooks
from chalicelib.settings import Settings
from local.visitor import READING
from tests.integration.aws import ACCOUNT, REGION, moto_stack

EVENTS = Path(__file__).parents[1] / "events"
#: A Monday morning in Berlin, where the customers live.
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
PREFIX = "/aftercare/test"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BASE = "https://care.example.com/api"
_LINK = re.compile(rf"{re.escape(BASE)}(/[apow]/[^\s<>\"?]+)")


def recorded(name, **words):
    """Return a recorded payload, with what stands in braces filled in."""
    text = (EVENTS / f"{name}.json").read_text("utf-8")
    for key, value in words.items():
        text = text.replace(f"{{{key}}}", json.dumps(value)[1:-1])
    return json.loads(text)


class Stage:
    """One deployment, and what the world does to it."""

    def __init__(self, environment):
        self.now = START
        self.environment = {
            **environment,
            "SECRETS_PREFIX": PREFIX,
            "BASE_URL": BASE,
            "MAIL_FROM": "care@example.com",
            "REPLY_TO": "people@example.com",
            "MAIL_ONLY_TO": "example.com, staff.example.com",
        }
        ssm = boto3.client("ssm")
        secrets = {"link-keys": {"k1": "bGluayBrZXkgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyE="}, "webhook-keys": [SECRET]}
        for name, value in secrets.items():
            ssm.put_parameter(Name=f"{PREFIX}/{name}", Value=json.dumps(value), Type="SecureString")
        self.start()
        import app  # noqa: PLC0415 - after moto has begun, as on Lambda after the environment is set

        self.app = app
        self._gateway = LocalGateway(app.app, Config())
        self._messages = 0

    def start(self):
        """Start functions that remember nothing."""
        settings = Settings.from_env(self.environment)
        self.wiring = wiring.Wiring(settings, wiring.aws_client, lambda: self.now)
        wiring.install(self.wiring)

    # -- HTTP --------------------------------------------------------------------------------------------

    def request(self, method, path, headers=None, body=b""):
        answer = self._gateway.handle_request(method, path, {"host": "localhost", **(headers or {})}, body)
        return answer["statusCode"], answer["body"]

    def signed(self, method, path, body=b""):
        self._messages += 1
        headers = webhooks.sign(webhooks.key_of(SECRET), f"msg_{self._messages}", self.now, body)
        status, answer = self.request(method, path, {"content-type": "application/json", **headers}, body)
        return status, json.loads(answer)

    def tell(self, path, kind, data):
        return self.signed("POST", path, json.dumps({"type": kind, "data": data}).encode())

    def press(self, path, **fields):
        """Open a page, unless its view is given, take the time that a person takes, and press its button."""
        if "List-Unsubscribe" not in fields and "view" not in fields:
            fields["view"] = self.view(path)
        self.now += READING
        return self.request(
            "POST", path, {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode()
        )

    def view(self, path):
        """Open a page and return the note that it carries."""
        return re.search(r'name="view" value="([^"]+)"', self.request("GET", path)[1])[1]

    # -- queues and time ---------------------------------------------------------------------------------

    def hand(self, queue, body):
        """Call the function of a queue with one message, in the form that Lambda gives it."""
        event = recorded("sqs", body=body, queue=queue)
        getattr(self.app, f"on_{queue}")(event, None)

    def settle(self):
        """Let the functions take every message that waits; returns how many each took."""
        taken = {}
        sqs = boto3.client("sqs")
        for queue in ("inbox", "work", "alarms"):
            url = sqs.get_queue_url(QueueName=f"aftercare-test-{queue}")["QueueUrl"]
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                for message in messages:
                    self.hand(queue, message["Body"])
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    taken[queue] = taken.get(queue, 0) + 1
        return taken

    def alarm(self, journey_id):
        """Return the schedule of a journey."""
        scheduler = boto3.client("scheduler")
        return scheduler.get_schedule(Name=journey_id, GroupName=self.environment["SCHEDULE_GROUP"])

    def ring(self, journey_id):
        """Let time pass until the journey's alarm, and ring it: one-time schedules are gone when they have rung."""
        schedule = self.alarm(journey_id)
        at = re.fullmatch(r"at\((.*)\)", schedule["ScheduleExpression"])[1]
        self.now = max(self.now, datetime.fromisoformat(at).replace(tzinfo=UTC))
        boto3.client("scheduler").delete_schedule(Name=journey_id, GroupName=schedule["GroupName"])
        self.hand("alarms", schedule["Target"]["Input"])
        self.settle()

    def ring_until(self, journey_id, kind):
        """Ring until another mail of that kind has gone out; returns it."""
        before = len(self.mails(kind))
        for _ in range(12):
            self.ring(journey_id)
            if len(self.mails(kind)) > before:
                return self.mails(kind)[-1]
        message = f"no {kind}: {[mail['Feedback-ID'] for mail in self.mails()]}"
        raise AssertionError(message)

    def report(self, name, journey_id, effect, kind="survey"):
        """Hand in what SES says of a mail."""
        self.hand("feedback", json.dumps(recorded(name, journey=journey_id, effect=effect, kind=kind)))

    def reconcile(self, later=timedelta()):
        self.now += later
        self.app.on_reconcile(recorded("schedule"), None)
        self.settle()

    # -- looking -----------------------------------------------------------------------------------------

    def mails(self, kind=""):
        """Return every mail that SES took, or those of a kind, oldest first."""
        sent = [message_from_bytes(_bytes(one.raw_data), policy=policy.default) for one in _backend().sent_messages]
        return [mail for mail in sent if mail["Feedback-ID"].startswith(f"{kind}:") or not kind]

    def raw(self, number):
        """Return a mail as it was sent."""
        return _bytes(_backend().sent_messages[number].raw_data)

    def path(self, mail, page):
        """Return the path of the first link to a page in a mail."""
        text = mail.get_body(("plain",)).get_content()
        return next(path for path in _LINK.findall(text) if path.startswith(f"/{page}/"))

    def journey(self, journey_id):
        return self.wiring.table.journey(journey_id).value

    def rows(self):
        """Return all that is stored: tables are small here."""
        found = boto3.client("dynamodb").scan(TableName=self.environment["TABLE"])
        assert "LastEvaluatedKey" not in found
        return sorted((deepcopy(item) for item in found["Items"]), key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def _backend():
    return ses_backends[ACCOUNT][REGION]


def _bytes(raw):
    return raw if isinstance(raw, bytes) else raw.encode()


@contextmanager
def stage():
    with moto_stack("test") as environment:
        yield Stage(environment)
