"""Counters of mail: what the breaker judges by, and what the fuses allow. Never a hot key, and bounded.

Each counter is spread over `PARTITIONS` keys and as many items under each, so that no two mails wait for one another
and no partition takes more than a fraction of the writes. A counter changes only within the transaction of the fact or
claim that it counts: told twice, a fact is counted once. Items expire days after they last mattered.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.journey.breaker import Tally
from chalicelib.journey.documents import LONGEST_WINDOW
from chalicelib.journey.effects import Effect
from chalicelib.journey.events import Event, MailBounced, MailComplained, MailSent
from chalicelib.store import items, writing
from chalicelib.store.errors import Duplicate
from chalicelib.store.items import Item

PARTITIONS = 4
SHARDS = PARTITIONS * PARTITIONS
_KEEP = LONGEST_WINDOW + timedelta(days=2)
_STATE = "MAIL#STATE"


class Limit(msgspec.Struct, frozen=True):
    """One counter of a fuse, as a claim spends from it: at most ``most``. ``what`` is the reason of what it holds."""

    what: str
    pk: str
    sk: str
    most: int
    expires: int

    @property
    def key(self) -> Item:
        """Return the primary key of its item."""
        return items.key(self.pk, self.sk)


# -- what commits and claims add to their transactions ---------------------------------------------------------


def counted(table: str, event: Event) -> list[Item]:
    """Return the action that counts a fact about a mail to a customer, for the transaction that stores the fact."""
    what = _counted_as(event)
    if not what:
        return []
    hour = event.occurred_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first, second = _spread(event.journey_id)
    key = items.key(f"MAIL#{first}", f"HOUR#{items.instant(hour)}#{second}")
    return [_add(table, key, what, 1, int((hour + _KEEP).timestamp()))]


def _counted_as(event: Event) -> str:
    if isinstance(event, MailSent):
        return "sent"
    # News of an address alone is about no mail of ours.
    if isinstance(event, MailComplained):
        return "complained" if event.touch_id else ""
    # The service's own list bounces without a try, which no receiver ever sees.
    bounced = isinstance(event, MailBounced) and event.permanent and event.touch_id and event.reason != "listed"
    return "bounced" if bounced else ""


def _spread(text: str) -> tuple[int, int]:
    digest = sha256(text.encode()).digest()
    return digest[0] % PARTITIONS, digest[1] % PARTITIONS


def _add(table: str, key: Item, what: str, number: int, expires: int) -> Item:
    return {
        "Update": {
            "TableName": table,
            "Key": key,
            "UpdateExpression": "ADD #what :number SET expires_at = :expires",
            "ExpressionAttributeNames": {"#what": what},
            "ExpressionAttributeValues": {":number": {"N": str(number)}, ":expires": {"N": str(expires)}},
        }
    }


def spent(table: str, limit: Limit) -> Item:
    """Return the action that spends one of a limit; its condition fails when the limit is reached."""
    action = _add(table, limit.key, "spent", 1, limit.expires)
    action["Update"]["ConditionExpression"] = "attribute_not_exists(#what) OR #what < :most"
    action["Update"]["ExpressionAttributeValues"][":most"] = {"N": str(limit.most)}
    return action


def given_back(table: str, limit: Limit) -> Item:
    """Return the action that gives one back: what was spent for a mail that the service would not take just now."""
    return _add(table, limit.key, "spent", -1, limit.expires)


# -- limits ----------------------------------------------------------------------------------------------------


def of_address(what: str, email: str, most: int, now: datetime) -> Limit:
    """Return the limit of one address on this day of UTC, whichever journeys and persons share it."""
    day = _day(now)
    return Limit(what=what, pk=items.address(email), sk=f"SPENT#{day:%Y-%m-%d}", most=most, expires=_expiry(day))


def of_deployment(what: str, most: int, now: datetime, shard: int) -> Limit:
    """Return one shard's part of the deployment's limit on this day of UTC; all parts together are the limit."""
    day, number = _day(now), shard % SHARDS
    first, second = divmod(number, PARTITIONS)
    part = most // SHARDS + (number < most % SHARDS)
    return Limit(what=what, pk=f"MAIL#{first}", sk=f"SPENT#{day:%Y-%m-%d}#{second}", most=part, expires=_expiry(day))


def shard_of(journey_id: str) -> int:
    """Return the shard from which a journey's mails spend first."""
    first, second = _spread(journey_id)
    return first * PARTITIONS + second


def _day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _expiry(day: datetime) -> int:
    return int((day + timedelta(days=3)).timestamp())


class Counters:
    """Reads the counters, and keeps what was announced and how far the account's suppression list was read."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def tally(self, since: datetime) -> Tally:
        """Return what was counted from the hour of that instant on."""
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        found = [
            item for each in range(PARTITIONS) for item in self._range(each, f"HOUR#{items.instant(hour)}", "HOUR$")
        ]
        names = ("sent", "bounced", "complained")
        return Tally(**{name: sum(_number(item, name) for item in found) for name in names})

    def room(self, most: int, now: datetime) -> int | None:
        """Return a shard that has something left of the deployment's limit today, or None."""
        day = f"SPENT#{_day(now):%Y-%m-%d}"
        spent_by = {
            (item["pk"]["S"], item["sk"]["S"]): _number(item, "spent")
            for each in range(PARTITIONS)
            for item in self._range(each, day, f"{day}$")
        }
        limits = [(shard, of_deployment("", most, now, shard)) for shard in range(SHARDS)]
        left = [(limit.most - spent_by.get((limit.pk, limit.sk), 0), shard) for shard, limit in limits]
        most_left, shard = max(left)
        return shard if most_left > 0 else None

    def _range(self, partition: int, start: str, end: str) -> Iterator[Item]:
        request: Item = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :start AND :end",
            "ExpressionAttributeValues": {
                ":pk": {"S": f"MAIL#{partition}"},
                ":start": {"S": start},
                ":end": {"S": end},
            },
        }
        while True:
            answer = self._client.query(**request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # -- what was announced ----------------------------------------------------------------------------------

    def announced(self, name: str) -> datetime | None:
        """Return since when that is announced, or None when it is not, or was withdrawn."""
        item = self._client.get_item(TableName=self._table, Key=items.key(_STATE, name)).get("Item")
        return datetime.fromisoformat(item["since"]["S"]) if item else None

    def announce(self, name: str, pk: str, effects: Sequence[Effect], now: datetime, until: datetime) -> bool:
        """Note once that something was announced, and owe its effects with it; says whether this was the first.

        The effects are owed by that journey or person, and found by the reconciler, whoever dies first.
        """
        note = {
            **items.key(_STATE, name),
            "since": {"S": items.instant(now)},
            "expires_at": {"N": str(int(until.timestamp()))},
        }
        owed = [items.effect_item(pk, effect, items.instant(now), now, now) for effect in effects]
        first: Item = {
            "Put": {"TableName": self._table, "Item": note, "ConditionExpression": "attribute_not_exists(pk)"}
        }
        actions = [first, *({"Put": {"TableName": self._table, "Item": item}} for item in owed)]
        try:
            writing.together(self._boundary, "announce", self._client, actions, {0: Duplicate})
        except Duplicate:
            return False
        return True

    def withdraw(self, name: str) -> None:
        """Forget that something was announced: the next time it happens it is news."""
        key = items.key(_STATE, name)
        self._boundary("withdraw", lambda: self._client.delete_item(TableName=self._table, Key=key))

    # -- the account's suppression list ----------------------------------------------------------------------

    def read_until(self) -> datetime | None:
        """Return the instant of the newest entry of the account's suppression list that was read, or None."""
        item = self._client.get_item(TableName=self._table, Key=items.key(_STATE, "SUPPRESSED"), ConsistentRead=True)
        return datetime.fromisoformat(item["Item"]["until"]["S"]) if "Item" in item else None

    def keep_read(self, until: datetime) -> None:
        """Remember how far the list was read."""
        item = {**items.key(_STATE, "SUPPRESSED"), "until": {"S": items.instant(until)}}
        self._boundary("cursor", lambda: self._client.put_item(TableName=self._table, Item=item))


def _number(item: Item, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0
