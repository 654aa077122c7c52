"""What comes in becomes events, or is refused with the name of the field."""

import json
from datetime import UTC, datetime

import pytest

from chalicelib.entry import decode
from chalicelib.entry.decode import BadInput
from chalicelib.journey import events
from chalicelib.journey.events import Case, Customer

PERSON = events.person_id_of("c-1", "")
CUSTOMER = {
    "customer_id": "c-1",
    "email": "ada@example.com",
    "first_name": " Ada ",
    "last_name": "Byron",
    "locale": "de",
}
KNOWN = Customer(
    person_id=PERSON, customer_id="c-1", email="ada@example.com", first_name="Ada", last_name="Byron", locale="de"
)
RESOLVED = {"source": "desk", "case_id": "7", "resolved_at": "2026-03-01T12:00:00+02:00", "customer": CUSTOMER}
REOPENED = {"source": "desk", "case_id": "7", "reopened_at": "2026-03-02T12:00:00Z"}
WITHDRAWN = {"source": "desk", "case_id": "7", "withdrawn_at": "2026-03-02T12:00:00Z", "reason": "spam"}
BOUGHT = {"customer": {"email": "Ada@Example.com"}, "purchased_at": "2026-03-03T12:00:00Z"}
FAILED = {
    "source": "forum",
    "remark_id": "r-1",
    "occurred_at": "2026-03-01T12:00:00Z",
    "words": "It broke, und zwar völlig.",
    "customer": CUSTOMER,
}
ACTED = {"act": "take", "acted_at": "2026-03-01T12:00:00Z", "source": "desk", "case_id": "7", "by": "ana"}
GOOD = {
    "case.resolved": RESOLVED,
    "case.reopened": REOPENED,
    "case.withdrawn": WITHDRAWN,
    "purchase.made": BOUGHT,
    "failure.logged": FAILED,
    "staff.acted": ACTED,
}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Epochs:
    """Numbers every resolution 4, and remembers that it was asked."""

    def __init__(self):
        self.asked = []

    def resolved(self, source, case_id, resolved_at, epoch=None):
        self.asked.append((source, case_id, resolved_at))
        return epoch or 4

    def at(self, source, case_id, instant):
        self.asked.append((source, case_id, instant))
        return 4


def _decoded(kind, data, epochs=None):
    raw = json.dumps({"type": kind, "timestamp": "2026-03-01T12:00:00Z", "data": data}).encode()
    return decode.message(raw, epochs or Epochs())


def _refusal(kind, data):
    epochs = Epochs()
    with pytest.raises(BadInput) as refused:
        _decoded(kind, data, epochs)
    assert epochs.asked == [], "something was asked of the table before all was checked"
    return str(refused.value)


# -- every type, whole -----------------------------------------------------------------------------------------


def test_a_resolution_with_nothing_but_what_it_needs():
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert _decoded("case.resolved", RESOLVED) == events.CaseResolved(
        event_id="resolved/4",
        occurred_at=at,
        journey_id=events.journey_of_case("desk", "7", 4),
        case=Case(source="desk", case_id="7", epoch=4, resolved_at=at),
        customer=KNOWN,
    )


def test_a_resolution_with_all_that_it_may_have():
    more = {
        "epoch": 2,
        "opened_at": "2026-02-27T08:00:00Z",
        "subject": "Lamp",
        "category": "Delivery",
        "issue": "Broken",
        "channel": "phone",
        "team": "north",
        "outcome": "replaced",
        "resolved_on_time": False,
        "human_exchange": False,
        "customer": {**CUSTOMER, "time_zone": "Europe/Berlin"},
    }
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    epochs = Epochs()
    assert _decoded("case.resolved", {**RESOLVED, **more}, epochs) == events.CaseResolved(
        event_id="resolved/2",
        occurred_at=at,
        journey_id=events.journey_of_case("desk", "7", 2),
        case=Case(
            source="desk",
            case_id="7",
            epoch=2,
            subject="Lamp",
            category="Delivery",
            issue="Broken",
            channel="phone",
            team="north",
            outcome="replaced",
            on_time=False,
            human_exchange=False,
            opened_at=datetime(2026, 2, 27, 8, tzinfo=UTC),
            resolved_at=at,
        ),
        customer=Customer(
            person_id=PERSON,
            customer_id="c-1",
            email="ada@example.com",
            first_name="Ada",
            last_name="Byron",
            locale="de",
            zone="Europe/Berlin",
        ),
    )
    assert epochs.asked == [("desk", "7", at)], "a source that numbers its resolutions is believed, and remembered"


def test_a_reopening_is_of_the_newest_resolution_unless_it_names_one():
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert _decoded("case.reopened", REOPENED) == events.CaseReopened(
        event_id="reopened/4", occurred_at=at, journey_id=events.journey_of_case("desk", "7", 4)
    )
    assert _decoded("case.reopened", {**REOPENED, "epoch": 1}) == events.CaseReopened(
        event_id="reopened/1", occurred_at=at, journey_id=events.journey_of_case("desk", "7", 1)
    )


def test_a_withdrawal():
    assert _decoded("case.withdrawn", WITHDRAWN) == events.CaseWithdrawn(
        event_id="withdrawn/4",
        occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        journey_id=events.journey_of_case("desk", "7", 4),
        reason="spam",
    )


def test_a_purchase_by_address_alone_is_named_after_what_it_says():
    at = datetime(2026, 3, 3, 12, tzinfo=UTC)
    name = events.stable_id("", at.isoformat(), "12.50", "EUR")
    bought = {**BOUGHT, "amount": "12.50", "currency": "EUR", "voucher_only": True}
    assert _decoded("purchase.made", bought) == events.PurchaseMade(
        event_id=f"purchase/{name}",
        occurred_at=at,
        customer=Customer(person_id=events.person_id_of("", "ada@example.com"), email="Ada@Example.com"),
        purchase_id=name,
        amount="12.50",
        currency="EUR",
        paid=False,
    )
    assert _decoded("purchase.made", {**BOUGHT, "purchase_id": "p-9"}).event_id == "purchase/p-9"


def test_a_failure_that_never_was_a_case():
    assert _decoded("failure.logged", {**FAILED, "logged_by": "ana", "subject": "Lamp"}) == events.FailureLogged(
        event_id="logged/r-1",
        occurred_at=NOON,
        journey_id=events.journey_of_remark("forum", "r-1"),
        case=Case(source="forum", case_id="r-1", epoch=1, kind="remark", subject="Lamp"),
        customer=KNOWN,
        words="It broke, und zwar völlig.",
        logged_by="ana",
    )


def test_an_act_of_staff_names_its_journey_by_case_or_by_id():
    journey_id = events.journey_of_case("desk", "7", 4)
    taken = events.StaffActed(event_id="acted/a-1", occurred_at=NOON, journey_id=journey_id, act="take", by="ana")
    assert _decoded("staff.acted", {**ACTED, "act_id": "a-1"}) == taken
    by_id = {"act": "take", "acted_at": ACTED["acted_at"], "journey_id": journey_id, "by": "ana", "act_id": "a-1"}
    assert _decoded("staff.acted", by_id) == taken


def test_two_lines_of_the_ledger_in_one_second_are_two_acts():
    lines = [
        _decoded("staff.acted", {**ACTED, "act": "deliver", "amount": amount, "currency": "USD"}).event_id
        for amount in ("25.00", "10.00", "25.00")
    ]
    assert (lines[0] == lines[2], lines[0] == lines[1]) == (True, False)


def test_nothing_comes_from_the_future():
    raw = json.dumps({"type": "case.resolved", "data": RESOLVED}).encode()
    epochs = Epochs()
    with pytest.raises(BadInput) as refused:
        decode.message(raw, epochs, now=datetime(2026, 2, 27, tzinfo=UTC))
    assert (str(refused.value), epochs.asked) == ("this time is still to come - at `$.data.resolved_at`", [])


@pytest.mark.parametrize("email", ["josé@example.com", "a..b@example.com", ".a@example.com"])
def test_an_address_that_mail_cannot_carry_is_refused(email):
    assert "$.data.customer.email" in _refusal("case.resolved", {**RESOLVED, "customer": {"email": email}})


def test_a_domain_in_its_own_letters_is_written_as_mail_carries_it():
    told = _decoded("case.resolved", {**RESOLVED, "customer": {"email": "jo@exämple.com"}})
    assert told.customer.email == "jo@xn--exmple-cua.com"


@pytest.mark.parametrize(
    ("act", "detail", "said"),
    [
        ("deliver", "25.00 usd goodwill", {"amount": "25.00", "currency": "USD", "redress": "goodwill"}),
        ("deliver", " 25 USD ", {"amount": "25", "currency": "USD", "redress": "restitution"}),
        (
            "debrief",
            "cause: a loose cable; improvement: clips; and a label",
            {"cause": "a loose cable", "improvement": "clips; and a label"},
        ),
        ("propose", "A new lamp.", {"text": "A new lamp."}),
    ],
)
def test_an_act_may_say_in_short_what_it_did(act, detail, said):
    told = _decoded("staff.acted", {**ACTED, "act": act, "detail": detail})
    assert told == events.StaffActed(
        event_id=told.event_id,
        occurred_at=NOON,
        journey_id=events.journey_of_case("desk", "7", 4),
        act=act,
        by="ana",
        currency=said.pop("currency", ""),
        **said,
    )


# -- the same fact is the same event ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GOOD)
def test_the_same_message_told_twice_is_the_same_event(kind):
    assert _decoded(kind, GOOD[kind]) == _decoded(kind, dict(reversed(GOOD[kind].items())))


@pytest.mark.parametrize("kind", GOOD)
def test_the_bus_says_the_same_as_the_api(kind):
    event = {"version": "0", "id": "1", "source": "shop", "detail-type": kind, "detail": GOOD[kind]}
    raw = json.dumps(event, ensure_ascii=False).encode()
    assert decode.bus_event(raw, Epochs()) == _decoded(kind, GOOD[kind])


# -- refusals name the field -----------------------------------------------------------------------------------

BAD = [
    ("case.resolved", {"source": ""}, "$.data.source"),
    ("case.resolved", {"source": "a|b"}, "$.data.source"),
    ("case.resolved", {"case_id": 7}, "$.data.case_id"),
    ("case.resolved", {"case_id": "7\n"}, "$.data.case_id"),
    ("case.resolved", {"case_id": "x" * 121}, "$.data.case_id"),
    ("case.resolved", {"resolved_at": "yesterday"}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": "2026-03-01T12:00:00"}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": "2026-02-30T12:00:00Z"}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": 1772366400}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": "0001-01-01T00:00:00+14:00"}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": "9999-12-31T23:59:59-14:00"}, "$.data.resolved_at"),
    ("case.resolved", {"resolved_at": "9999-12-31T23:59:59Z"}, "$.data.resolved_at"),
    ("case.resolved", {"opened_at": "2026-03-01T12:00:00"}, "$.data.opened_at"),
    ("case.resolved", {"epoch": 0}, "$.data.epoch"),
    ("case.resolved", {"epoch": 1.5}, "$.data.epoch"),
    ("case.resolved", {"epoch": "1"}, "$.data.epoch"),
    ("case.resolved", {"epoch": True}, "$.data.epoch"),
    ("case.resolved", {"epoch": 10**30}, "$.data.epoch"),
    ("case.resolved", {"resolved_on_time": "yes"}, "$.data.resolved_on_time"),
    ("case.resolved", {"subject": "x" * 301}, "$.data.subject"),
    ("case.resolved", {"subjekt": "x"}, "subjekt"),
    ("case.resolved", {"customer": None}, "$.data.customer"),
    ("case.resolved", {"customer": {}}, "$.data.customer"),
    ("case.resolved", {"customer": {"customer_id": "c\x00"}}, "$.data.customer.customer_id"),
    ("case.resolved", {"customer": {"email": "ada"}}, "$.data.customer.email"),
    ("case.resolved", {"customer": {"email": "a b@example.com"}}, "$.data.customer.email"),
    ("case.resolved", {"customer": {"email": "ada@example.com\r\nBcc: eve@example.com"}}, "$.data.customer.email"),
    ("case.resolved", {"customer": {"email": "ada@example.com\x00"}}, "$.data.customer.email"),
    ("case.resolved", {"customer": {"email": f"{'a' * 300}@example.com"}}, "$.data.customer.email"),
    ("case.resolved", {"customer": {**CUSTOMER, "time_zone": "Mars/Base"}}, "$.data.customer.time_zone"),
    ("case.resolved", {"customer": {**CUSTOMER, "time_zone": "../../etc/passwd"}}, "$.data.customer.time_zone"),
    ("case.resolved", {"customer": {**CUSTOMER, "vip": True}}, "$.data.customer"),
    ("case.reopened", {"reopened_at": "2026-03-02T12:00:00"}, "$.data.reopened_at"),
    ("case.withdrawn", {"withdrawn_at": "2026-03-02T12:00:00"}, "$.data.withdrawn_at"),
    ("case.withdrawn", {"reason": "boring"}, "$.data.reason"),
    ("purchase.made", {"purchased_at": "2026-03-02T12:00:00"}, "$.data.purchased_at"),
    ("purchase.made", {"amount": 12.5}, "$.data.amount"),
    ("purchase.made", {"amount": "-1"}, "$.data.amount"),
    ("purchase.made", {"amount": "1\n"}, "$.data.amount"),
    ("purchase.made", {"amount": "١٢"}, "$.data.amount"),
    ("purchase.made", {"currency": "Euro"}, "$.data.currency"),
    ("purchase.made", {"voucher_only": 1}, "$.data.voucher_only"),
    ("failure.logged", {"words": ""}, "$.data.words"),
    ("failure.logged", {"words": "x" * 8001}, "$.data.words"),
    ("failure.logged", {"occurred_at": "2026-03-02T12:00:00"}, "$.data.occurred_at"),
    ("staff.acted", {"act": "delete"}, "$.data.act"),
    ("staff.acted", {"acted_at": "2026-03-02T12:00:00"}, "$.data.acted_at"),
    ("staff.acted", {"due": "2026-03-02T12:00:00"}, "$.data.due"),
    ("staff.acted", {"journey_id": "J"}, "$.data.journey_id"),
    ("staff.acted", {"case_id": ""}, "$.data.journey_id"),
    ("staff.acted", {"act": "deliver", "detail": "a lot"}, "$.data.detail"),
    ("staff.acted", {"act": "deliver", "detail": "٢٥ USD"}, "$.data.detail"),
    ("staff.acted", {"act": "debrief", "detail": "it broke"}, "$.data.detail"),
    ("staff.acted", {"redress": "bribe"}, "$.data.redress"),
]


@pytest.mark.parametrize(("kind", "change", "path"), BAD)
def test_a_bad_field_is_named_by_its_path(kind, change, path):
    assert path in _refusal(kind, {**GOOD[kind], **change})


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *(("case.resolved", field) for field in RESOLVED),
        *(("case.reopened", field) for field in REOPENED),
        *(("case.withdrawn", field) for field in WITHDRAWN),
        *(("purchase.made", field) for field in BOUGHT),
        *(("failure.logged", field) for field in FAILED),
        *(("staff.acted", field) for field in ("act", "acted_at")),
    ],
)
def test_a_missing_field_is_named(kind, field):
    assert f"`{field}`" in _refusal(kind, {name: value for name, value in GOOD[kind].items() if name != field})


# -- text that is no message -----------------------------------------------------------------------------------

_WHOLE = json.dumps({"type": "case.resolved", "data": RESOLVED}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"null", b"[]", b"1", b'"x"', b"{}", b"{", b"nonsense", b"\xff\xfe", b"\x00", _WHOLE[:-1]),
        *(_WHOLE + b"}", _WHOLE + _WHOLE, b"\xef\xbb\xbf" + _WHOLE, _WHOLE.decode().encode("utf-16")),
        *(_WHOLE.replace(b'"7"', text) for text in (b"NaN", b"Infinity", b"-Infinity", b"01", b"'7'", b'"\\x41"')),
        *(_WHOLE.replace(b'"7"', text) for text in (b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff"', b'"\xed\xa0\x80"')),
        *(_WHOLE.replace(b'"7"', text) for text in (b"9" * 5000, b"1e999", b"-" + b"9" * 5000, b'"\n"', b"{}")),
        *(b"[" * depth for depth in (1_000, 10_000, 100_000)),
        *(_WHOLE.replace(b'"7"', b"[" * depth + b"]" * depth) for depth in (500, 10_000, 100_000)),
        *(_WHOLE.replace(b'"7"', b'{"a":' * depth + b"1" + b"}" * depth) for depth in (500, 10_000)),
        _WHOLE.replace(b'"type"', b'"junk": ' + b"[" * 10_000 + b"]" * 10_000 + b', "type"'),
        _WHOLE.replace(b'"type"', b'"junk": "\xff", "type"'),
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_text_that_is_no_message_is_refused(raw):
    epochs = Epochs()
    with pytest.raises(BadInput):
        decode.message(raw, epochs)
    assert epochs.asked == []


@pytest.mark.parametrize("name", ["type", "data", "source", "customer", "email"])
def test_a_name_that_stands_twice_is_refused_by_name(name):
    raw = _WHOLE.replace(f'"{name}":'.encode(), f'"{name}": null, "{name}":'.encode(), 1)
    with pytest.raises(BadInput, match=f"`{name}` stands twice"):
        decode.message(raw, Epochs())


def test_a_message_may_have_256_kilobytes_and_not_one_more():
    padding = decode.LARGEST - len(_WHOLE)
    assert decode.message(_WHOLE + b" " * padding, Epochs()) == _decoded("case.resolved", RESOLVED)
    with pytest.raises(BadInput, match="larger than 262144 bytes"):
        decode.message(_WHOLE + b" " * (padding + 1), Epochs())


def test_a_type_is_taken_only_where_it_belongs():
    with pytest.raises(BadInput, match=r"\$\.type"):
        decode.message(_WHOLE, Epochs(), ("purchase.made",))
    with pytest.raises(BadInput, match=r"\$\.type"):
        _decoded("case.deleted", RESOLVED)
    with pytest.raises(BadInput, match=r"\$\.detail-type"):
        decode.bus_event(b'{"detail-type": "case.deleted", "detail": {}}', Epochs())
