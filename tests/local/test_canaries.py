"""A whole run with marked names, addresses and words: none is in a log, in what a failure says, or in a dead letter.

The marks are in everything that a customer, a helpdesk or a member of staff types. The run has trouble of every kind on
its way: bad requests, messages that nobody can deal with, a table that is away.
"""

import csv
import json
import logging
import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.entry.queues import LAST_TRY
from local import inputs
from local.replay import Replay
from local.stack import STAGE, Stack
from tests.local.rederive import ROOT

HISTORIES = ROOT / "examples" / "histories"
MARK = re.compile(r"canar(?:y|ia)", re.IGNORECASE)
_CASES = 60
#: A link in a mail, and what opens it, wherever it stands.
_TOKEN = re.compile(r"/[apowd]/([\w.-]{20,})")
_TOKEN_ALONE = re.compile(r"[\w.-]{20,}")


def _marked(tmp_path):
    """Return files with the first cases of the histories, in which all that people typed is marked."""
    with (HISTORIES / "cases.csv").open(encoding="utf-8") as file:
        cases = list(csv.DictReader(file))[:_CASES]
    known = {(case["case_id"], case["epoch"]) for case in cases}
    for number, case in enumerate(cases):
        case |= {
            "first_name": f"Canaria{number}",
            "last_name": f"O'Canary-{number}",
            "email": f"canary.{case['customer_id']}@example.com",
            "subject": f"canary subject {number}",
            "issue": f"canary issue {number}",
        }
    rows = {"cases.csv": cases}
    for name, column, text in (("answers.csv", "comment", "canary words"), ("staff.csv", "detail", "canary letter")):
        with (HISTORIES / name).open(encoding="utf-8") as file:
            found = [row for row in csv.DictReader(file) if (row["case_id"], row["epoch"]) in known]
        rows[name] = [
            {**row, column: row[column] if row.get("act") in {"deliver", "debrief"} else text} for row in found
        ]
    for name, lines in rows.items():
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    return tmp_path


class Written(logging.Handler):
    """Everything that was logged by anybody, at any level, with all that was attached to it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        attached = {name: value for name, value in vars(record).items() if name != "args"}
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.lines.append(f"{record.getMessage()} {attached} {trace}")


@pytest.fixture
def written():
    handler, root = Written(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


def _trouble(stack):
    """What goes wrong on a bad day, each time with marked content."""
    customer = {"email": "canary.bad@example.com", "first_name": "Canaria"}
    bad = {"source": "desk", "case_id": "1", "resolved_at": "canary o'clock", "customer": customer}
    assert stack.tell("/cases", "case.resolved", bad).status == 422
    assert stack.tell("/cases", "canary.type", bad).status == 422
    assert stack.signed("PUT", "/documents/settings", b'{"canary": 1}').status == 422
    assert stack.request("GET", "/a/canary-token").status == 404
    bus = {"EventBusName": stack.environment["EVENT_BUS"], "Source": "desk", "DetailType": "case.resolved"}
    stack.account.events.put_events(Entries=[{**bus, "Detail": json.dumps(bad)}])
    sqs = stack.account.client("sqs")
    feedback = sqs.get_queue_url(QueueName=f"aftercare-{STAGE}-feedback")["QueueUrl"]
    sqs.send_message(QueueUrl=feedback, MessageBody=json.dumps({"mail": customer}))


def _text(raw):
    return message_from_bytes(raw, policy=policy.default).get_body(("plain",)).get_content()


def _dead_letters(stack):
    sqs = stack.account.client("sqs")
    found = []
    for queue in sqs.list_queues()["QueueUrls"]:
        while queue.endswith("-dead") and (
            messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        ):
            found += [message["Body"] for message in messages]
    return found


def test_no_name_address_or_word_of_anybody_is_logged_or_buried(tmp_path, written, capfd):
    folder = _marked(tmp_path)
    given = inputs.read(folder / "cases.csv", folder / "answers.csv", folder / "staff.csv")
    stack = Stack(given.messages[0].at, lazy=True)
    replay = Replay(stack, given)
    _trouble(stack)
    _table_away_for_a_while(stack)
    replay.run_until(stack.clock.now + timedelta(days=1))
    buried = _dead_letters(stack)
    replay.run_until(given.last_resolution + timedelta(days=60))
    mails = "".join(_text(mail.raw) for mail in stack.account.ses.sent)
    assert "anaria" in mails, "the marks went through the whole run"
    tokens = set(_TOKEN.findall(mails))
    assert len(tokens) > _CASES, "each mail has links of its own"
    assert len(written) > 500, "and it was logged"
    assert [json.loads(body).keys() for body in buried] == [{"put_aside"}] * 2
    printed = "".join(capfd.readouterr())
    seen = [*written, *stack.failures, *buried, *_dead_letters(stack), printed]
    assert [line for line in seen if MARK.search(line)] == []
    assert {token for line in seen for token in _TOKEN_ALONE.findall(line)} & tokens == set()


def _table_away_for_a_while(stack):
    """The next commits of pages and calls fail: what they hold is kept in the queue, and dealt with later."""
    left = iter(range(LAST_TRY))

    def gone(service, operation, params):
        if stack.running == "api_handler" and operation == "TransactWriteItems" and next(left, None) is not None:
            raise EndpointConnectionError(endpoint_url="https://aws.invalid")

    stack.account.on_call = gone
