"""The whole life of a journey through the handlers of app.py, on moto."""

import json
import re
from datetime import timedelta

import boto3
import pytest

from chalicelib.journey.events import journey_of_case
from chalicelib.journey.state import Stage as At
from tests.integration.stage import BASE, START, recorded, stage

ADA = {
    "customer_id": "c-1",
    "email": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Byron",
    "time_zone": "Europe/Berlin",
}
CASE = {"source": "desk", "case_id": "7", "subject": "The lamp", "resolved_at": START.isoformat(), "customer": ADA}


@pytest.fixture
def aws():
    with stage() as made:
        yield made


def _resolved(aws, **more):
    status, reply = aws.tell("/cases", "case.resolved", {**CASE, **more})
    assert status == 200, reply
    aws.settle()
    return reply["journey_id"]


def _surveyed(aws):
    """Resolve a case and ask; returns the journey's id and the path of the answer page."""
    journey_id = _resolved(aws)
    return journey_id, aws.path(aws.ring_until(journey_id, "survey"), "a")


def _acts(aws, journey_id, *acts):
    for act in acts:
        aws.now += timedelta(minutes=30)
        told = {"journey_id": journey_id, "by": "ana", "acted_at": aws.now.isoformat(), **act}
        status, reply = aws.tell("/acts", "staff.acted", told)
        assert status == 200, reply
        aws.settle()


def _raw_header(mail, name):
    """Return a header as it goes over the wire, unfolded."""
    return str(mail[name]).replace("\n", "")


# -- a bad answer, put right -----------------------------------------------------------------------------------


def test_a_bad_answer_is_put_right_and_followed_up(aws):
    journey_id, path = _surveyed(aws)

    status, page = aws.request("GET", f"{path}?r=1")
    assert (status, "How do you feel about the way we handled this?" in page) == (200, True)
    view = re.search(r'name="view" value="([^"]+)"', page)[1]
    status, page = aws.press(path, csat="1", words="It arrived broken.", view=view)
    owner = aws.wiring.documents.for_journey(aws.journey(journey_id), aws.now).staff.member(
        aws.journey(journey_id).recovery.owner
    )
    assert (status, owner.name in page) == (200, True), "the page names who will be in touch"
    assert aws.settle() == {"work": 1}

    (acknowledgement,) = aws.mails("acknowledgement")
    assert "It arrived broken." in acknowledgement.get_body(("plain",)).get_content()
    assert acknowledgement["To"] == "Ada Byron <ada@example.com>"
    notice = aws.mails("staff-notice")[0]
    assert notice["To"] == f"{owner.name} <{owner.email}>"
    assert aws.request("GET", aws.path(notice, "w"))[0] == 200

    _acts(aws, journey_id, {"act": "take"}, {"act": "apologise", "text": "I am sorry that it broke."})
    assert "I am sorry that it broke." in aws.mails("apology")[0].get_body(("plain",)).get_content()
    due = (aws.now + timedelta(days=3)).isoformat()
    _acts(aws, journey_id, {"act": "propose", "text": "A new lamp by Friday.", "due": due})
    (proposal,) = aws.mails("proposal")
    assert "A new lamp by Friday." in proposal.get_body(("plain",)).get_content()

    status, _ = aws.press(aws.path(proposal, "p"), choice="meets", comment="Thank you")
    assert status == 200
    aws.settle()
    _acts(
        aws,
        journey_id,
        {"act": "deliver", "detail": "40.00 EUR restitution"},
        {"act": "thank"},
        {"act": "debrief", "detail": "cause: thin packing; improvement: a thicker box"},
        {"act": "close"},
    )
    journey = aws.journey(journey_id)
    assert journey.stage is At.CHECKING_IN
    assert [one.act for one in journey.recoveries[0].done] == [
        *("take", "apologise", "propose", "deliver", "thank", "debrief", "close")
    ]

    check_in = aws.ring_until(journey_id, "check-in")
    assert "Is it sorted?" in check_in.get_body(("plain",)).get_content()
    assert aws.press(aws.path(check_in, "a"), solved="1")[0] == 200
    assert aws.journey(journey_id).stage is At.CHECKING_IN
    assert aws.wiring.worker.reconcile(aws.now) == 0, "nothing is owed, and no alarm was missed"


# -- the mail --------------------------------------------------------------------------------------------------


def test_a_survey_carries_all_that_a_mail_of_ours_must(aws):
    journey_id, _ = _surveyed(aws)
    (mail,) = aws.mails()
    links = re.escape(f"{BASE}/")
    assert {name: _raw_header(mail, name) for name in ("From", "To", "Reply-To", "Auto-Submitted")} == {
        "From": '"Ines Okafor, Northwind Music" <care@example.com>',
        "To": "Ada Byron <ada@example.com>",
        "Reply-To": "people@example.com",
        "Auto-Submitted": "auto-generated",
    }
    # As it goes over the wire: neither encoded nor folded inside the address, for not every program undoes that.
    assert re.search(rb"^List-Unsubscribe: <https://care\.example\.com/api/o/[\w.-]+>\r?$", aws.raw(0), re.MULTILINE)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "The lamp" in mail["Subject"]
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, html):
        assert len(re.findall(rf"{links}a/[\w.-]+\?r=[1-5]", part)) >= 5
        assert re.search(rf"{links}o/[\w.-]+", part)
        assert "12 Harbour Street" in part
    (touch,) = aws.journey(journey_id).touches[:1]
    assert touch.sent_at == aws.now


def test_one_click_on_the_mail_programs_button_opts_out(aws):
    journey_id, _ = _surveyed(aws)
    address = _raw_header(aws.mails()[0], "List-Unsubscribe").strip("<>").removeprefix(BASE)
    assert aws.press(address, **{"List-Unsubscribe": "One-Click"})[0] == 200
    assert aws.journey(journey_id).stage is At.OPTED_OUT
    aws.settle()
    other = _resolved(aws, case_id="8", resolved_at=aws.now.isoformat())
    for _ in range(3):
        if aws.journey(other).wake_at:
            aws.ring(other)
    assert [mail["Feedback-ID"] for mail in aws.mails()] == ["survey:ask:aftercare-test:aftercare"], "no further mail"
    reasons = {touch.reason for touch in aws.journey(other).touches}
    assert reasons == {"opted_out"}


# -- once ------------------------------------------------------------------------------------------------------


def test_whatever_comes_twice_happens_once(aws):
    journey_id, path = _surveyed(aws)
    alarm = json.dumps({"journey_id": journey_id})
    view = aws.view(path)
    aws.press(path, csat="1", words="Broken", view=view)
    aws.settle()
    before, mails = aws.rows(), len(aws.mails())
    assert aws.tell("/cases", "case.resolved", CASE) == (
        200,
        {"journey_id": journey_id, "stage": "recovering", "news": False},
    )
    aws.press(path, csat="1", words="Broken", view=view)
    aws.hand("alarms", alarm)
    aws.hand("work", json.dumps({"owes": f"J#{journey_id}"}))
    aws.report("ses_send", journey_id, "survey")
    aws.reconcile()
    aws.settle()
    assert (aws.rows(), len(aws.mails())) == (before, mails)


def test_the_same_purchase_told_twice_is_one(aws):
    _resolved(aws)
    bought = {"customer": ADA, "purchased_at": START.isoformat(), "amount": "12.50", "currency": "EUR"}
    first, second = (aws.tell("/purchases", "purchase.made", bought) for _ in range(2))
    assert [first[1]["news"], second[1]["news"]] == [True, False]


# -- the bus ---------------------------------------------------------------------------------------------------


def test_the_bus_begins_a_journey_as_the_api_does(aws):
    event = recorded("bus_case_resolved")
    entry = {
        "EventBusName": aws.environment["EVENT_BUS"],
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    }
    assert boto3.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert aws.settle() == {"inbox": 1}
    journey_id = journey_of_case("helpdesk", "B-7", 1)
    assert aws.journey(journey_id).stage is At.WAITING
    status, reply = aws.tell("/cases", "case.resolved", event["detail"])
    assert (status, reply) == (200, {"journey_id": journey_id, "stage": "waiting", "news": False})


def test_what_the_bus_should_not_carry_comes_back_until_it_is_buried(aws):
    event = recorded("bus_case_resolved")
    before = aws.rows()
    for broken in (event | {"detail-type": "case.deleted"}, event | {"detail": {}}, {"detail-type": "x"}, [], "x", 1):
        with pytest.raises(Exception, match=r"no such type|missing required field|neither an event"):
            aws.hand("inbox", json.dumps(broken))
    assert aws.rows() == before


# -- what became of a mail -------------------------------------------------------------------------------------


def test_a_hard_bounce_silences_the_address(aws):
    journey_id, _ = _surveyed(aws)
    aws.report("ses_bounce_permanent", journey_id, "survey")
    assert aws.journey(journey_id).stage is At.UNREACHABLE
    assert aws.wiring.table.is_suppressed("ada@example.com") == "hard_bounce"
    aws.settle()
    aws.reconcile(timedelta(days=2))
    assert len(aws.mails()) == 1


# -- documents -------------------------------------------------------------------------------------------------


def test_a_new_cadence_holds_for_new_journeys_and_running_ones_keep_theirs(aws):
    running = _resolved(aws)
    status, shown = aws.signed("GET", "/documents/cadence")
    assert (status, shown["active"], shown["versions"]) == (200, 0, [])
    shown["document"]["survey"]["after"] = "PT96H"
    status, reply = aws.signed("PUT", "/documents/cadence", json.dumps(shown["document"]).encode())
    assert (status, reply) == (201, {"kind": "cadence", "version": 1, "active": True})
    aws.now += timedelta(minutes=2)
    later = _resolved(aws, case_id="8", customer={"customer_id": "c-2", "email": "grace@example.com"})

    assert [aws.journey(journey_id).cadence for journey_id in (running, later)] == [("rhythm", 0), ("rhythm", 1)]
    due = [aws.journey(journey_id).touches[0].due_at - START for journey_id in (running, later)]
    assert due[0] < timedelta(hours=48) < timedelta(hours=96) <= due[1]

    assert aws.signed("POST", "/documents/cadence/0/activate")[0] == 200
    aws.start()
    last = _resolved(aws, case_id="9", customer={"customer_id": "c-3", "email": "joan@example.com"})
    assert [aws.journey(journey_id).cadence[1] for journey_id in (running, later, last)] == [0, 1, 0]


def test_a_bad_document_is_refused_by_field_and_changes_nothing(aws):
    _, shown = aws.signed("GET", "/documents/cadence")
    shown["document"]["survey"]["after"] = "a day"
    before = aws.rows()
    status, problem = aws.signed("PUT", "/documents/cadence", json.dumps(shown["document"]).encode())
    assert (status, "$.survey.after" in problem["detail"]) == (422, True)
    assert aws.rows() == before


def test_an_alarm_rings_at_the_wake_up_or_after_it_and_never_before(aws):
    """A schedule knows whole seconds only; one that rang early would change nothing, and be gone."""
    journey_id = _resolved(aws, resolved_at=(START - timedelta(microseconds=1)).isoformat())
    wake = aws.journey(journey_id).wake_at
    assert wake.microsecond
    assert len(aws.mails("survey")) == 0
    aws.ring(journey_id)
    assert aws.now - wake < timedelta(seconds=1)
    assert len(aws.mails("survey")) == 1
