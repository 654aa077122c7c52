"""Rows of files become the messages that a helpdesk or shop would have sent."""

import pytest

from chalicelib.entry import rows
from chalicelib.entry.decode import BadInput

CASE = {
    "case_id": "CFPB-00001",
    "customer_id": "cust-00001",
    "email": "ben.1@example.com",
    "first_name": "Ben",
    "last_name": "Moreau",
    "locale": "en-US",
    "time_zone": "America/New_York",
    "opened_at": "2013-07-29T17:36:00+00:00",
    "resolved_at": "2013-07-31T21:21:00+00:00",
    "channel": "phone",
    "category": "Consumer Loan",
    "issue": "Managing the loan or lease",
    "subject": "Loan",
    "team": "Wells Fargo & Company",
    "outcome": "Closed with explanation",
    "resolved_on_time": "yes",
    "epoch": "2",
    "reopened_at": "",
}
NAMED = {name: CASE[name] for name in ("customer_id", "email", "first_name", "last_name", "locale", "time_zone")}
RESOLVED = {
    "source": "desk",
    "case_id": "CFPB-00001",
    "epoch": 2,
    "customer": NAMED,
    **{name: CASE[name] for name in ("channel", "category", "issue", "subject", "team", "outcome")},
    "opened_at": CASE["opened_at"],
    "resolved_at": CASE["resolved_at"],
    "resolved_on_time": True,
}


def _refusal(row, read=lambda row: rows.case_messages(row, "desk")):
    with pytest.raises(BadInput) as refused:
        read(row)
    return str(refused.value)


def test_a_case_is_a_resolution():
    assert rows.case_messages(CASE, "desk") == [("case.resolved", RESOLVED)]


def test_a_case_that_was_reopened_is_two_messages_of_one_epoch():
    row = CASE | {"reopened_at": "2013-08-02T09:00:00+02:00", "resolved_on_time": "No"}
    reopened = {"source": "desk", "case_id": "CFPB-00001", "epoch": 2, "reopened_at": "2013-08-02T07:00:00+00:00"}
    assert rows.case_messages(row, "desk") == [
        ("case.resolved", RESOLVED | {"resolved_on_time": False}),
        ("case.reopened", reopened),
    ]


def test_what_a_row_leaves_out_its_message_leaves_out():
    row = {"case_id": "1", "customer_id": "", "email": "ada@example.com", "resolved_at": "2026-03-01 10:00"}
    told = {
        "source": "desk",
        "case_id": "1",
        "customer": {"email": "ada@example.com"},
        "resolved_at": "2026-03-01T10:00:00+00:00",
    }
    assert rows.case_messages(row, "desk") == [("case.resolved", told)]


def test_a_purchase_in_either_form():
    told = {"customer": {"customer_id": "00004"}, "purchased_at": "1997-01-01T12:00:00+00:00"}
    music = {"customer_id": "00004", "date": "1997-01-01", "items": "2", "amount_usd": "29.33"}
    assert rows.purchase_message(music) == ("purchase.made", told | {"amount": "29.33", "currency": "USD"})
    shop = {
        "customer_id": "00004",
        "purchased_at": "1997-01-01T13:00:00+01:00",
        "amount": "29.33",
        "currency": "EUR",
        "voucher_only": "true",
    }
    said = told | {"amount": "29.33", "currency": "EUR", "voucher_only": True}
    assert rows.purchase_message(shop) == ("purchase.made", said)


def test_a_failure_that_never_was_a_case():
    row = {
        "remark_id": "r-1",
        "customer_id": "c-1",
        "occurred_at": "2026-03-01T10:00:00Z",
        "words": "It broke,\nentirely.",
        "logged_by": "ana",
    }
    told = {
        "source": "forum",
        "customer": {"customer_id": "c-1"},
        "occurred_at": "2026-03-01T10:00:00+00:00",
        "remark_id": "r-1",
        "words": "It broke,\nentirely.",
        "logged_by": "ana",
    }
    assert rows.failure_message(row, "forum") == ("failure.logged", told)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"case_id": ""}, "case_id: is empty"),
        ({"resolved_at": " "}, "resolved_at: is empty"),
        ({"resolved_at": "31.07.2013"}, "resolved_at: not a time as ISO 8601 writes it: '31.07.2013'"),
        ({"resolved_at": "9999-12-31"}, "resolved_at: a time lies between 1970 and 2199"),
        ({"resolved_at": "0001-01-01T00:00:00+14:00"}, "resolved_at: not a time as ISO 8601 writes it: "),
        ({"opened_at": "2013-02-30"}, "opened_at: not a time as ISO 8601 writes it: '2013-02-30'"),
        ({"reopened_at": "later"}, "reopened_at: not a time as ISO 8601 writes it: 'later'"),
        ({"customer_id": "", "email": ""}, "customer_id: a customer is known by customer_id or by email"),
        ({"email": "ben"}, "email: not a mail address"),
        ({"time_zone": "Mars"}, "time_zone: 'Mars' is not an IANA time zone"),
        ({"resolved_on_time": "maybe"}, "resolved_on_time: neither yes nor no: 'maybe'"),
        ({"epoch": "two"}, "epoch: not a whole number: 'two'"),
        ({"epoch": "9" * 5000}, "epoch: not a whole number: '999"),
        ({"epoch": "0"}, "epoch: Expected `int` >= 1"),
        ({"subject": "x" * 301}, "subject: Expected `str` of length <= 300"),
        ({"case_id": "a|b"}, "case_id: Expected `str` matching regex"),
    ],
)
def test_a_bad_cell_is_named_by_its_column(change, refusal):
    assert _refusal(CASE | change).startswith(refusal)


def test_a_missing_column_is_as_good_as_an_empty_one():
    assert _refusal({"customer_id": "c-1"}, rows.purchase_message) == "purchased_at: is empty"
    none = {"remark_id": None, "customer_id": "c-1", "occurred_at": "2026-03-01", "words": "x"}
    assert _refusal(none, lambda row: rows.failure_message(row, "forum")) == "remark_id: is empty"


def test_money_is_no_formula():
    row = {"customer_id": "c-1", "date": "2026-03-01", "amount_usd": "=1+1"}
    assert _refusal(row, rows.purchase_message).startswith("amount_usd: ")
