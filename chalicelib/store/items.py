"""Between values and DynamoDB items: one module that knows the attribute names and the stored forms."""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from chalicelib.journey.effects import Effect
from chalicelib.journey.state import FORM, Journey, Person
from chalicelib.store.errors import NewerForm

Item = dict[str, Any]
T = TypeVar("T")
#: Number of partitions of the sparse index. A busy deployment owes thousands of effects a second; one partition
#: takes a thousand writes a second.
SHARDS = 4
STATE = "STATE"
_encoder = msgspec.json.Encoder()
_journeys: msgspec.json.Decoder[Journey] = msgspec.json.Decoder(Journey)
_persons: msgspec.json.Decoder[Person] = msgspec.json.Decoder(Person)
_effects: msgspec.json.Decoder[Effect] = msgspec.json.Decoder(Effect)


class Stored(msgspec.Struct, frozen=True):
    """A value and the version under which it is stored; version 0 is not stored yet."""

    value: Any
    version: int


class Owed(msgspec.Struct, frozen=True):
    """An effect as the table holds it. ``status`` is owed or claimed; ``nonce`` changes whenever it is owed anew."""

    pk: str
    effect: Effect
    status: str
    nonce: str
    attempt: int
    since: datetime

    @property
    def key(self) -> Item:
        """Return the primary key of its item."""
        return key(self.pk, f"EFFECT#{self.effect.key}")


def key(pk: str, sk: str) -> Item:
    """Return a primary key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def under(client: Any, table: str, pk: str, prefix: str) -> Iterator[Item]:
    """Yield the items under a key whose sort key begins so, as of now, page by page."""
    request: Item = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
        "ConsistentRead": True,
    }
    while True:
        answer = client.query(**request)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def journey_key(journey_id: str) -> Item:
    """Return the key of a journey's state."""
    return key(f"J#{journey_id}", STATE)


def person_key(person_id: str) -> Item:
    """Return the key of a person's state."""
    return key(f"P#{person_id}", STATE)


def suppression_key(email: str) -> Item:
    """Return the key under which an address is suppressed: a hash, so that keys hold no personal data."""
    return key(address(email), "SUPPRESSED")


def address(email: str) -> str:
    """Return what stands for an address in keys."""
    return f"ADDRESS#{sha256(email.strip().lower().encode()).hexdigest()}"


def instant(at: datetime) -> str:
    """Return an instant as sortable text, in UTC to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shard(pk: str) -> str:
    """Return the partition of the sparse index in which this key's due instants stand."""
    return f"DUE#{number(pk)}"


def number(name: str) -> int:
    """Return which of the partitions of an index a name falls into."""
    return sha256(name.encode()).digest()[0] % SHARDS


def due(pk: str, at: datetime | None) -> Item:
    """Return the attributes that put an item into the sparse index, or none."""
    return {} if at is None else {"due_shard": {"S": shard(pk)}, "due_at": {"S": instant(at)}}


def expires(at: datetime) -> Item:
    """Return the attribute by which an item goes by itself, a few days after that instant at the latest."""
    return {"expires_at": {"N": str(int(at.timestamp()))}}


def journey_item(journey: Journey, version: int, look_at: datetime | None) -> Item:
    """Return the item of a journey. ``look_at`` is when a missed alarm would be noticed.

    A journey is written some thirty times, in transactions, which cost two units for each KB: packed, nearly every one
    fits into one KB. Persons, facts and effects do so anyway.
    """
    pk = f"J#{journey.id}"
    return {
        **key(pk, STATE),
        "version": {"N": str(version)},
        "body": {"B": zlib.compress(_encoder.encode(journey))},
        **due(pk, look_at),
    }


def person_item(person: Person, version: int) -> Item:
    """Return the item of a person."""
    return {**person_key(person.id), "version": {"N": str(version)}, "body": {"B": _encoder.encode(person)}}


def effect_item(pk: str, effect: Effect, nonce: str, at: datetime, look_at: datetime) -> Item:
    """Return the item of an owed effect."""
    return {
        **key(pk, f"EFFECT#{effect.key}"),
        "body": {"B": _encoder.encode(effect)},
        "status": {"S": "owed"},
        "nonce": {"S": nonce},
        "attempt": {"N": "0"},
        "since": {"S": instant(at)},
        **due(pk, look_at),
    }


def read_journey(item: Item) -> Stored:
    """Return the journey of an item."""
    return _checked(_journeys.decode(journey_body(item)), item)


def journey_body(item: Item) -> bytes:
    """Return the JSON of a journey's item, also of one that was written before they were packed."""
    body = bytes(item["body"]["B"])
    return body if body.startswith(b"{") else zlib.decompress(body)


def read_person(item: Item) -> Stored:
    """Return the person of an item."""
    return _checked(_persons.decode(bytes(item["body"]["B"])), item)


def _checked(value: Journey | Person, item: Item) -> Stored:
    """Refuse a form that a later version wrote: this one would drop what it does not know."""
    if value.form > FORM:
        message = f"{item['pk']['S']} has form {value.form}; this version reads up to {FORM}"
        raise NewerForm(message)
    return Stored(value, int(item["version"]["N"]))


def read_effect(item: Item) -> Owed:
    """Return the owed effect of an item."""
    return Owed(
        pk=item["pk"]["S"],
        effect=_effects.decode(bytes(item["body"]["B"])),
        status=item["status"]["S"],
        nonce=item["nonce"]["S"],
        attempt=int(item["attempt"]["N"]),
        since=datetime.fromisoformat(item["since"]["S"]),
    )
