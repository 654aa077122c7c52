"""Mail is kept as it was sent, found again by journey and touch, and gone when a customer is forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from chalicelib.store.mails import MOST_READ, Copy, MailArchive
from local.aws import Account

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BUCKET = "mails"


@pytest.fixture
def account():
    account = Account(lambda: NOW)
    account.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": account.region})
    return account


@pytest.fixture
def mails(account):
    return MailArchive(account.s3, BUCKET)


def _keys(account):
    pages = account.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def test_a_mail_is_found_by_its_journey_and_touch(mails):
    key = mails.keep("j1", "survey", NOW, b"From: us")
    assert key == "sent/j1/survey/20260302T090000.000000Z.eml"
    assert mails.get("j1", "survey") == b"From: us"
    assert mails.copies("j1", "survey") == (Copy(NOW, key),)


def test_what_was_never_sent_is_not_there(mails):
    mails.keep("j1", "survey", NOW, b"1")
    assert [mails.get(*named) for named in (("j1", "reminder"), ("j2", "survey"), ("j1", "surv"))] == [None] * 3


def test_of_two_tries_the_newer_is_what_the_customer_has_and_the_older_stays(mails):
    mails.keep("j1", "survey", NOW + timedelta(minutes=20), b"second")
    mails.keep("j1", "survey", NOW, b"first")
    assert mails.get("j1", "survey") == b"second"
    assert [mails.read(copy.key) for copy in mails.copies("j1", "survey")] == [b"first", b"second"]


def test_kept_twice_is_kept_once(mails):
    for _ in range(2):
        mails.keep("j1", "survey", NOW, b"From: us")
    assert len(mails.copies("j1", "survey")) == 1


def test_no_more_is_read_than_memory_allows(mails, account):
    account.s3.put_object(Bucket=BUCKET, Key="inbound/huge", Body=b"x" * (MOST_READ + 5))
    assert len(mails.read("inbound/huge")) == MOST_READ


def test_a_file_that_is_gone_is_said_to_be_gone(mails):
    with pytest.raises(ClientError, match="NoSuchKey"):
        mails.read("inbound/none")


def test_forgetting_a_journey_takes_all_its_mails_page_by_page_and_the_replies_that_are_named(mails, account):
    for number in range(1203):
        mails.keep("j1", f"check-in-{number}", NOW, b"1")
    mails.keep("j12", "survey", NOW, b"another journey, whose name begins alike")
    for key in ("inbound/a", "inbound/b"):
        account.s3.put_object(Bucket=BUCKET, Key=key, Body=b"reply")
    assert mails.delete_for_journey("j1", replies=("inbound/a",)) == 1204
    assert _keys(account) == ["inbound/b", "sent/j12/survey/20260302T090000.000000Z.eml"]


def test_forgetting_twice_is_forgetting_once(mails):
    mails.keep("j1", "survey", NOW, b"1")
    assert [mails.delete_for_journey("j1"), mails.delete_for_journey("j1")] == [1, 0]


def test_what_could_not_be_deleted_is_said(mails, monkeypatch, account):
    mails.keep("j1", "survey", NOW, b"1")
    monkeypatch.setattr(account.s3, "delete_objects", lambda **_: {"Errors": [{"Key": "k", "Code": "InternalError"}]})
    with pytest.raises(OSError, match="1 of the mails of j1 could not be deleted"):
        mails.delete_for_journey("j1")
