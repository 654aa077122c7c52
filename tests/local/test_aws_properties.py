"""Any sequence of writes leaves the stand-in with what a plain dictionary says, in the table and in its indexes."""

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from local.aws import Account
from local.aws.values import take_item

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TABLE = {
    "TableName": "main",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "SN"[name == "due"]} for name in ("pk", "sk", "lane", "due")
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "due",
            "KeySchema": [{"AttributeName": "lane", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["version"]},
        },
    ],
}

Place = tuple[str, str]
places = st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "10", "2"]))
dues = st.one_of(st.none(), st.integers(-3, 12))
actions = st.one_of(
    st.tuples(st.just("put"), places, dues),
    st.tuples(st.just("insert"), places, dues),
    st.tuples(st.just("bump"), places, st.integers(1, 5)),
    st.tuples(st.just("undue"), places, st.none()),
    st.tuples(st.just("delete"), places, st.none()),
)
histories = st.lists(st.lists(actions, min_size=1, max_size=4, unique_by=lambda action: action[1]), max_size=25)


def stored(place: Place, version: int, due: int | None) -> dict[str, Any]:
    timed = {} if due is None else {"lane": {"S": "0"}, "due": {"N": str(due)}}
    return {"pk": {"S": place[0]}, "sk": {"S": place[1]}, "version": {"N": str(version)}, **timed}


def request(kind: str, place: Place, number: int | None) -> dict[str, dict[str, Any]]:
    """The action as DynamoDB takes it in a transaction."""
    key = {"pk": {"S": place[0]}, "sk": {"S": place[1]}}
    return {
        "put": {"Put": {"Item": stored(place, 0, number)}},
        "insert": {"Put": {"Item": stored(place, 0, number), "ConditionExpression": "attribute_not_exists(pk)"}},
        "bump": {
            "Update": {
                "Key": key,
                "UpdateExpression": "ADD version :n",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": {":n": {"N": str(number)}},
            }
        },
        "undue": {
            "Update": {
                "Key": key,
                "UpdateExpression": "REMOVE lane, due",
                "ConditionExpression": "attribute_exists(#p)",
                "ExpressionAttributeNames": {"#p": "pk"},
            }
        },
        "delete": {"Delete": {"Key": key}},
    }[kind]


class Model:
    """A table as a dictionary: place → (version, due)."""

    def __init__(self) -> None:
        self.rows: dict[Place, tuple[int, int | None]] = {}

    def applies(self, kind: str, place: Place) -> bool:
        return {"insert": place not in self.rows, "bump": place in self.rows, "undue": place in self.rows}.get(
            kind, True
        )

    def apply(self, kind: str, place: Place, number: int | None) -> None:
        if kind in {"put", "insert"}:
            self.rows[place] = (0, number)
        elif kind == "bump":
            self.rows[place] = (self.rows[place][0] + (number or 0), self.rows[place][1])
        elif kind == "undue":
            self.rows[place] = (self.rows[place][0], None)
        else:
            self.rows.pop(place, None)

    def items(self) -> list[dict[str, Any]]:
        return [stored(place, *self.rows[place]) for place in sorted(self.rows)]


@pytest.fixture
def account():
    return new_account()


def new_account() -> Account:
    account = Account(lambda: NOW)
    account.dynamodb.create_table(**TABLE)
    return account


def alone(client: Any, kind: str, place: Place, number: int | None) -> None:
    ((operation, params),) = request(kind, place, number).items()
    getattr(client, f"{operation.lower()}_item")(TableName="main", **params)


def together(client: Any, batch: list[tuple]) -> None:
    actions = [{kind: {"TableName": "main", **params}} for each in batch for kind, params in request(*each).items()]
    client.transact_write_items(TransactItems=actions)


def order(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def paged(client: Any, operation: str, **params: Any) -> list[dict[str, Any]]:
    return [
        item for page in client.get_paginator(operation).paginate(TableName="main", **params) for item in page["Items"]
    ]


def check(account: Account, model: Model) -> None:
    client, items = account.dynamodb, model.items()
    assert sorted(paged(client, "scan", Limit=2), key=order) == items
    for pk in "abc":
        values = {":p": {"S": pk}}
        found = paged(client, "query", KeyConditionExpression="pk = :p", ExpressionAttributeValues=values, Limit=1)
        assert found == [item for item in items if item["pk"]["S"] == pk]
    asked = {"IndexName": "due", "KeyConditionExpression": "lane = :s AND due < :d", "Limit": 2}
    found = paged(client, "query", **asked, ExpressionAttributeValues={":s": {"S": "0"}, ":d": {"N": "5"}})
    due = [item for item in items if int(item.get("due", {"N": "9"})["N"]) < 5]
    assert found == sorted(due, key=lambda item: (int(item["due"]["N"]), order(item)))
    described = client.describe_table(TableName="main")["Table"]
    assert described["ItemCount"] == len(items)
    assert described["TableSizeBytes"] == sum(take_item(item)[1] for item in items)


@settings(max_examples=150)
@given(histories)
def test_single_writes_are_those_of_a_dictionary(history):
    account, model = new_account(), Model()
    for batch in history:
        for each in batch:
            if model.applies(*each[:2]):
                alone(account.dynamodb, *each)
                model.apply(*each)
            else:
                with pytest.raises(account.dynamodb.exceptions.ConditionalCheckFailedException):
                    alone(account.dynamodb, *each)
    check(account, model)


@settings(max_examples=150)
@given(histories)
def test_transactions_apply_whole_or_not_at_all(history):
    account, model = new_account(), Model()
    for batch in history:
        expected = ["None" if model.applies(*each[:2]) else "ConditionalCheckFailed" for each in batch]
        if set(expected) == {"None"}:
            together(account.dynamodb, batch)
            for each in batch:
                model.apply(*each)
            continue
        with pytest.raises(ClientError) as caught:
            together(account.dynamodb, batch)
        assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == expected
    check(account, model)


values = st.recursive(
    st.one_of(
        st.text(max_size=8).map(lambda text: {"S": text}),
        st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(
            lambda n: {"N": str(n)}
        ),
        st.binary(max_size=8).map(lambda data: {"B": data}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.just({"NULL": True}),
        st.sets(st.text(max_size=3), min_size=1, max_size=3).map(lambda members: {"SS": sorted(members)}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda elements: {"L": elements}),
        st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3).map(lambda members: {"M": members}),
    ),
    max_leaves=8,
)


def scramble(value: dict[str, Any]) -> None:
    """Change a value in place, everywhere."""
    ((tag, payload),) = value.items()
    for inner in payload.values() if tag == "M" else payload if tag == "L" else ():
        scramble(inner)
    value[tag] = "changed"


@given(values)
def test_a_stored_value_belongs_to_nobody_else(value):
    value = deepcopy(value)
    client = new_account().dynamodb
    key = {"pk": {"S": "a"}, "sk": {"S": "1"}}
    client.put_item(TableName="main", Item={**key, "v": value})
    before = client.get_item(TableName="main", Key=key)["Item"]
    again = client.get_item(TableName="main", Key=key)["Item"]
    scramble(value)
    scramble(again["v"])
    assert client.get_item(TableName="main", Key=key)["Item"] == before


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000),
        min_size=1,
        max_size=9,
    )
)
def test_numbers_sort_as_numbers(numbers):
    client = new_account().dynamodb
    for at, number in enumerate(numbers):
        item = {"pk": {"S": "a"}, "sk": {"S": str(at)}, "lane": {"S": "0"}, "due": {"N": str(number)}}
        client.put_item(TableName="main", Item=item)
    asked = {"KeyConditionExpression": "lane = :s", "ExpressionAttributeValues": {":s": {"S": "0"}}}
    found = paged(client, "query", IndexName="due", **asked)
    assert [float(item["due"]["N"]) for item in found] == sorted(float(number) for number in numbers)


def test_every_call_is_counted_and_every_unit(account):
    client = account.dynamodb
    client.put_item(TableName="main", Item=stored(("a", "1"), 0, 4) | {"body": {"S": "x" * 1500}})
    client.get_item(TableName="main", Key={"pk": {"S": "a"}, "sk": {"S": "1"}})
    client.get_item(TableName="main", Key={"pk": {"S": "a"}, "sk": {"S": "1"}}, ConsistentRead=True)
    together(client, [("put", ("b", "1"), None), ("delete", ("a", "1"), None)])
    check = {
        "TableName": "main",
        "Key": {"pk": {"S": "b"}, "sk": {"S": "1"}},
        "ConditionExpression": "attribute_exists(pk)",
    }
    client.transact_write_items(TransactItems=[{"ConditionCheck": check}])
    expected = {"CreateTable": 1, "PutItem": 1, "GetItem": 2, "TransactWriteItems": 2}
    assert account.calls == Counter({f"dynamodb.{name}": count for name, count in expected.items()})
    # put: 2 KB in the table, 1 in the index; transaction: twice 1 KB, twice 2 KB, the index entry that goes;
    # a check: twice 1 KB
    assert dict(account.units) == {
        "dynamodb.write": 3 + 2 + 4 + 1 + 2,
        "dynamodb.write.main/due": 1 + 1,
        "dynamodb.read": 0.5 + 1,
    }


def test_an_index_may_lag_behind():
    now = [NOW]
    account = Account(lambda: now[0])
    account.dynamodb.index_lag = timedelta(seconds=2)
    account.dynamodb.create_table(**TABLE)
    alone(account.dynamodb, "put", ("a", "1"), 4)
    asked = {"KeyConditionExpression": "lane = :s", "ExpressionAttributeValues": {":s": {"S": "0"}}, "IndexName": "due"}
    assert paged(account.dynamodb, "query", **asked) == []
    now[0] += timedelta(seconds=2)
    assert paged(account.dynamodb, "query", **asked) == [stored(("a", "1"), 0, 4)]


def test_an_item_expires_only_when_it_is_told_to(account):
    client = account.dynamodb
    client.update_time_to_live(TableName="main", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    for place, ttl in (
        ("a", NOW - timedelta(days=1)),
        ("b", NOW + timedelta(days=1)),
        ("c", NOW - timedelta(days=6 * 365)),
    ):
        client.put_item(
            TableName="main", Item=stored((place, "1"), 0, None) | {"ttl": {"N": str(int(ttl.timestamp()))}}
        )
    assert len(paged(client, "scan")) == 3
    assert client.expire(NOW) == 1
    assert sorted(item["pk"]["S"] for item in paged(client, "scan")) == ["b", "c"]


def test_a_page_ends_at_one_megabyte(account):
    for at in range(4):
        account.dynamodb.put_item(
            TableName="main", Item=stored(("a", str(at)), 0, None) | {"body": {"S": "x" * 390_000}}
        )
    asked = {
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}},
        "ProjectionExpression": "sk",
    }
    pages = list(account.dynamodb.get_paginator("query").paginate(TableName="main", **asked))
    assert [[item["sk"]["S"] for item in page["Items"]] for page in pages] == [["0", "1", "2"], ["3"]]


def test_a_page_that_its_limit_ends_has_a_next_one_even_if_empty(account):
    alone(account.dynamodb, "put", ("a", "1"), None)
    asked = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}, "Limit": 1}
    page = account.dynamodb.query(TableName="main", **asked)
    assert page["LastEvaluatedKey"] == {"pk": {"S": "a"}, "sk": {"S": "1"}}
    assert account.dynamodb.query(TableName="main", **asked, ExclusiveStartKey=page["LastEvaluatedKey"])["Items"] == []


def test_a_token_is_forgotten_after_ten_minutes():
    now = [NOW]
    account = Account(lambda: now[0])
    account.dynamodb.create_table(**TABLE)
    alone(account.dynamodb, "put", ("a", "1"), None)
    bump = {"Update": {"TableName": "main", **request("bump", ("a", "1"), 1)["Update"]}}
    for minutes in (0, 9, 10):
        now[0] = NOW + timedelta(minutes=minutes)
        account.dynamodb.transact_write_items(TransactItems=[bump], ClientRequestToken="t")
    assert paged(account.dynamodb, "scan") == [stored(("a", "1"), 2, None)]


def test_text_may_be_an_enumeration_member(account):
    class Stage(StrEnum):
        ASKED = "asked"

    written = stored(("a", "1"), 0, None) | {"stage": {"S": Stage.ASKED}}
    for _ in range(2):
        put = {"Put": {"TableName": "main", "Item": written}}
        account.dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="t")
    (item,) = paged(account.dynamodb, "scan")
    assert (item["stage"], type(item["stage"]["S"])) == ({"S": "asked"}, str)


def test_a_batch_may_leave_work_undone(account):
    account.dynamodb.leave_unprocessed = 1
    requests = [{"PutRequest": {"Item": stored((pk, "1"), 0, None)}} for pk in "ab"]
    response = account.dynamodb.batch_write_item(RequestItems={"main": requests})
    assert response["UnprocessedItems"] == {"main": requests[1:]}
    assert paged(account.dynamodb, "scan") == [stored(("a", "1"), 0, None)]


@pytest.mark.parametrize(("hook", "left"), [("on_call", []), ("after_call", [stored(("a", "1"), 0, None)])])
def test_a_fault_strikes_before_or_after_the_effect(account, hook, left):
    def fault(service, operation, params):
        if operation == "PutItem":
            raise TimeoutError

    setattr(account, hook, fault)
    with pytest.raises(TimeoutError):
        alone(account.dynamodb, "put", ("a", "1"), None)
    assert paged(account.dynamodb, "scan") == left
    assert account.calls["dynamodb.PutItem"] == 1


def test_a_hook_may_let_another_writer_go_first(account):
    """What a lost race looks like from the inside."""

    def race(service, operation, params):
        account.on_call = None
        alone(account.dynamodb, "put", ("a", "1"), None)

    account.on_call = race
    with pytest.raises(account.dynamodb.exceptions.ConditionalCheckFailedException):
        alone(account.dynamodb, "insert", ("a", "1"), None)
