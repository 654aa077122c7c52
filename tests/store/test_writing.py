"""What stands together in the table is written together, why it was not is told apart, and journeys are packed."""

import json
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from chalicelib.boundary import straight
from chalicelib.journey.effects import SetAlarm
from chalicelib.store import items
from chalicelib.store.counters import Counters
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import Conflict, Duplicate
from chalicelib.store.items import Owed
from chalicelib.store.table import Table
from chalicelib.store.writing import Unmet, together
from local.aws import Account
from local.provision import provision
from tests.unit.builders import History

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
THROTTLED = ["None", "ThrottlingError"]
ALARM = SetAlarm(key="alarm", journey_id="j1")
OWED = Owed(pk="J#j1", effect=ALARM, status="owed", nonce="1", attempt=0, since=NOW)


class Cancels:
    """A client whose transactions are all cancelled for those reasons, and whose deletions fail with that code."""

    def __init__(self, reasons=(), code=""):
        self.reasons, self.code = reasons, code

    def transact_write_items(self, **_):
        answer = {
            "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
            "CancellationReasons": [{"Code": reason} for reason in self.reasons],
        }
        raise ClientError(answer, "TransactWriteItems")

    def delete_item(self, **_):
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "DeleteItem")


def _fate(act):
    try:
        return act()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Conflict as error:
        return type(error)


@pytest.mark.parametrize(
    ("reasons", "fate"),
    [
        (["ConditionalCheckFailed", "None"], Duplicate),
        (["ConditionalCheckFailed", "ConditionalCheckFailed"], Duplicate),
        (["None", "ConditionalCheckFailed"], Unmet),
        (["None", "TransactionConflict"], Unmet),
        (THROTTLED, ClientError),
        (["ConditionalCheckFailed", "ThrottlingError"], ClientError),
        (["ItemCollectionSizeLimitExceeded", "None"], ClientError),
    ],
)
def test_a_transaction_that_is_cancelled_says_whether_somebody_was_faster_or_the_table_is_in_trouble(reasons, fate):
    with pytest.raises(fate):
        together(straight, "commit", Cancels(reasons), [{}, {}], {0: Duplicate})


def test_which_conditions_failed_is_told_unless_they_have_a_meaning():
    with pytest.raises(Unmet) as caught:
        together(straight, "commit", Cancels(["None", "ConditionalCheckFailed"]), [{}, {}])
    assert caught.value.positions == {1}


@pytest.mark.parametrize("reasons", [THROTTLED, ["ThrottlingError", "None"]])
def test_a_throttled_table_is_taken_neither_for_an_announcement_made_before_nor_for_another_lead(monkeypatch, reasons):
    """Were it, a lead would never hear that mail is held, or be told that somebody else had changed a document."""
    counters = Counters(Cancels(reasons), "t")
    with pytest.raises(ClientError):
        counters.announce("BREAKER", "J#j1", (ALARM,), NOW, NOW + timedelta(days=1))
    account = Account(lambda: NOW)
    client = account.client("dynamodb")
    documents = DocumentStore(client, provision(account, "dev")["TABLE"])
    monkeypatch.setattr(client, "transact_write_items", Cancels(reasons).transact_write_items)
    with pytest.raises(ClientError):
        documents.put("settings", documents.raw("settings", 0), NOW, by="ines", activate=True)


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        ("ConditionalCheckFailedException", None),
        ("TransactionConflictException", Conflict),
        ("ThrottlingException", "ThrottlingException"),
    ],
)
def test_settling_what_was_settled_or_owed_anew_is_done_and_all_else_is_not(code, fate):
    assert _fate(lambda: Table(Cancels(code=code), "t").settle(OWED)) == fate


def _journey():
    history = History()
    history.resolved()
    return history.journey


def test_a_journey_is_stored_packed_and_read_as_it_was():
    journey = _journey()
    item = items.journey_item(journey, 3, None)
    packed, plain = item["body"]["B"], items.journey_body(item)
    assert (len(packed) < len(plain) / 1.5, json.loads(plain)["id"]) == (True, journey.id)
    assert items.read_journey(item) == items.Stored(journey, 3)


def test_a_journey_that_was_written_before_they_were_packed_is_read_too():
    journey = _journey()
    item = items.journey_item(journey, 3, None)
    before = item | {"body": {"B": zlib.decompress(item["body"]["B"])}}
    assert items.read_journey(before) == items.Stored(journey, 3)
