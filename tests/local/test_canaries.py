"""A whole run with marked names, addresses and words: none is in a log, in what a failure says, or in a dead letter.

The marks are in everything that a customer, a helpdesk or a member of staff types, in a form, at the API or in a mail.
The run has trouble of every kind on its way: bad requests, messages that nobody can deal with, a table that is away.
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
from chalicelib.store.documents import shipped
from local import inputs
from local.replay import Replay
from local.stack import STAGE, Stack
from tests.entry.staff import Browser
from tests.entry.test_inbound import recorded
from tests.local.rederive import ROOT
from tests.local.test_erasure import everything

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


# -- the console and the staff API ---------------------------------------------------------------------------


def test_no_name_address_or_word_that_staff_read_or_type_and_no_reply_is_logged_or_buried(tmp_path, written, capfd):
    folder = _marked(tmp_path)
    given = inputs.read(folder / "cases.csv", folder / "answers.csv", folder / "staff.csv")
    stack = Stack(given.messages[0].at, lazy=True)
    Replay(stack, given).run_until(given.last_resolution - timedelta(days=1))
    browser = Browser(stack).sign_in(_canary_of_staff(stack))
    marked = [
        *_looked_at(browser, stack),
        *_worked(browser, stack),
        *_mailed(stack),
        *_asked_of_the_api(browser),
        *_tests_sent(browser, stack),
    ]
    assert [what for what, shown in marked if not MARK.search(shown)] == [], "the marks went through each of them"
    _while_the_table_is_away(browser, stack)
    stack.run_until(stack.clock.now + timedelta(days=1))
    buried = _dead_letters(stack)
    printed = "".join(capfd.readouterr())
    assert "a page failed" in "".join(written)
    assert [line for line in (*written, *stack.failures, *buried, printed) if MARK.search(line)] == []


def _canary_of_staff(stack):
    """Somebody of staff whose own name and address are marked too; returns the address."""
    staff = json.loads(shipped("staff"))
    member = {**staff["members"][-1], "id": "c1", "name": "Canary Keeper", "email": "canary.keeper@staff.example.com"}
    staff["members"].append(member)
    stack.wiring.documents.put("staff", json.dumps(staff).encode(), stack.clock.now, by="ines", activate=True)
    return member["email"]


def _followed(browser, path):
    """What a page shows, and what it sends on to."""
    reply = browser.get(path)
    while reply.status == 303:
        reply = browser.get(reply.headers["Location"])
    return path, reply.body.decode()


def _looked_at(browser, stack):
    """Today, lists, search by name and by address, each person and journey, mails as sent, an export."""
    yield from (_followed(browser, path) for path in ("/console", "/console/journeys", "/console/search?q=canaria"))
    mail = stack.account.ses.sent[0]
    journey_id = mail.tags["journey"]
    person_id = stack.wiring.table.journey(journey_id).value.person_id
    address = stack.wiring.table.person(person_id).value.email
    yield _followed(browser, f"/console/search?q={address}")
    for path in (f"journeys/{journey_id}", f"people/{person_id}", f"people/{person_id}/export"):
        yield _followed(browser, f"/console/{path}")
    for frame in ("mails", "html"):
        yield _followed(browser, f"/console/journeys/{journey_id}/{frame}/{mail.tags['effect']}")


def _worked(browser, stack):
    """A failure is logged, worked, refused and wrong on the way; then the customer is corrected and erased."""
    typed = {"channel": "counter", "first_name": "Canaryanne", "last_name": "Canaryson", "subject": "canary subject"}
    remark = {**typed, "words": "canary remark at the counter", "email": "canary.anne@example.com"}
    browser.get("/console/failures/new")
    wrong = browser.press("/console/failures", **{**remark, "email": "canary at home", "remark_id": "a" * 32})
    assert wrong.status == 422
    yield "a failure that is wrong", wrong.body.decode()
    page = browser.press("/console/failures", **remark, remark_id="b" * 32).headers["Location"]
    stack.settle()
    yield _followed(browser, page)
    for status, fields in (
        (303, {"act": "take"}),
        (409, {"act": "propose", "text": "canary proposal", "due": "2099-01-01"}),
        (303, {"act": "apologise", "text": "Dear Canaryanne, canary apology"}),
        (422, {"act": "propose", "text": "canary proposal", "due": "canary day"}),
    ):
        shown = browser.press(f"{page}/acts", **fields)
        assert shown.status == status, fields
        stack.settle()
    yield "an act that is wrong", shown.body.decode()
    person = f"/console/people/{stack.wiring.table.journey(page.rpartition('/')[2]).value.person_id}"
    assert browser.press(f"{person}/address", email="canary nowhere").status == 422
    assert browser.press(f"{person}/address", email="canary.right@example.com").status == 303
    yield _followed(browser, person)
    assert browser.press(f"{person}/erase", confirm="canary").status == 422
    assert browser.press(f"{person}/erase", confirm="ERASE").status == 303
    stack.settle()
    assert [
        mark for mark in ("canaryson", "canaryanne", "canary remark", "canary.right") if mark in everything(stack)
    ] == []


def _mailed(stack):
    """A customer writes back: by hand, by a machine, and in a form that nobody can read."""
    survey = next(mail for mail in stack.account.ses.sent if mail.tags["effect"] == "survey")
    to = next(line for line in survey.raw.decode().splitlines() if line.startswith("Reply-To: "))
    for name in ("gmail", "out_of_office_exchange", "delivery_report"):
        raw = recorded(name, to=to.removeprefix("Reply-To: "), sender="canary.back@example.com")
        yield name, raw.decode()
        stack.receive_mail(raw.replace(b"lamp", b"canary lamp"))
    stack.receive_mail(b"From: canary\xff <<canary@>\r\nSubject: =?canary?q?canary?=\r\n\r\ncanary \xff\xfe")
    stack.settle()
    assert stack.wiring.table.journey(survey.tags["journey"]).value.replies


def _asked_of_the_api(browser):
    """What a program asks for, right and wrong."""
    sent = {"content_type": "application/json", "x_form_token": browser.form_token, "origin": "http://localhost"}
    found = browser.send("GET", "/v1/search?q=canaria", **sent)
    yield "search by the API", found.body.decode()
    wrong = {"canary": 1}, {"words": "canary words", "channel": "canary"}, {"words": "canary words", "email": "canary"}
    for body in wrong:
        assert browser.send("POST", "/v1/failures", json.dumps(body).encode(), **sent).status in {400, 422}
    assert browser.send("POST", "/v1/failures", b'{"words": "canary', **sent).status in {400, 422}


def _tests_sent(browser, stack):
    """A document with marked words is wrong; a mail goes to whoever asked for it."""
    page = browser.press("/console/documents/settings", act="text:check", text='{"brand": "canary', based_on="0")
    yield "a document that is wrong", page.body.decode()
    before = len(stack.account.ses.sent)
    reply = browser.press("/console/documents/cadence/preview", version="0", language="en", name="survey")
    assert reply.status == 303
    stack.settle()
    (mail,) = stack.account.ses.sent[before:]
    yield "the test mail", f"{mail}{mail.raw.decode()}"


def _while_the_table_is_away(browser, stack):
    """Pages and operations that can have nothing of the table say so; a fault of ours is noted by kind and place."""
    away = EndpointConnectionError(endpoint_url="https://aws.invalid/?q=canary")
    for fault, status in ((away, 503), (TypeError("canary fault"), 500)):
        stack.account.on_call = _failing(lambda operation, params: operation == "Query" and "canar" in params, fault)
        assert browser.get("/console/search?q=canaria").status == status
    in_api = lambda operation, _: operation == "TransactWriteItems" and stack.running == "api_handler"  # noqa: E731
    stack.account.on_call = _failing(in_api, away)
    browser.get("/console/failures/new")
    remark = {"words": "canary remark", "email": "canary.late@example.com", "channel": "counter", "remark_id": "c" * 32}
    assert browser.press("/console/failures", **remark).status == 503
    stack.account.on_call = lambda service, operation, params: None
    stack.settle()


def _failing(which, fault):
    def call(service, operation, params):
        if which(operation, repr(params)):
            raise fault

    return call
