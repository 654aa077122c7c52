"""Forgetting a person in everything that is stored, but for one anonymous row for each answer.

What happened stays known by its id alone, so that the same fact told again is still old news.
"""

from collections.abc import Iterator
from datetime import datetime
from secrets import token_hex
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.journey import events
from chalicelib.journey.state import Answer, Journey
from chalicelib.store import items
from chalicelib.store.items import Item

_PROGRESS = "ERASURE"


class Progress(msgspec.Struct, frozen=True):
    """How far an erasure has come: when it was asked for, how many journeys are forgotten, when it was finished."""

    asked_at: datetime
    journeys: int = 0
    done_at: datetime | None = None


class ErasureStore:
    """The writes of an erasure. Each may be done again; a crash between two of them loses nothing."""

    def __init__(self, client: Any, name: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._name = name
        self._boundary = boundary

    # -- how far it has come -----------------------------------------------------------------------------

    def progress(self, person_id: str) -> Progress | None:
        """Return how far the last erasure of this person has come, or None when nobody ever asked for one."""
        item = self._get(items.key(f"P#{person_id}", _PROGRESS))
        if item is None:
            return None
        done = item.get("done_at")
        return Progress(
            asked_at=datetime.fromisoformat(item["asked_at"]["S"]),
            journeys=int(item["journeys"]["N"]),
            done_at=datetime.fromisoformat(done["S"]) if done else None,
        )

    def begin(self, person_id: str, asked_at: datetime) -> str:
        """Begin an erasure, or go on with it; returns the salt that keeps its rows of scores from being traced back.

        The salt lives as long as the erasure runs: a row that is written again is the same row.
        """
        key = items.key(f"P#{person_id}", _PROGRESS)
        item = self._get(key)
        if item is not None and item["asked_at"]["S"] == items.instant(asked_at) and "salt" in item:
            return str(item["salt"]["S"])
        salt = token_hex(16)
        fresh = {"asked_at": {"S": items.instant(asked_at)}, "journeys": {"N": "0"}, "salt": {"S": salt}}
        self._put({**key, **fresh})
        return salt

    def count(self, person_id: str) -> None:
        """Note that one more journey is forgotten."""
        self._update(person_id, "ADD journeys :one", {":one": {"N": "1"}})

    def finish(self, person_id: str, now: datetime) -> None:
        """Note that nothing is left, and forget the salt."""
        self._update(person_id, "SET done_at = :now REMOVE salt", {":now": {"S": items.instant(now)}})

    # -- one anonymous row for each answer ---------------------------------------------------------------

    def keep_score(self, journey: Journey, answer: Answer, salt: str) -> None:
        """Keep what was scored on which day about which kind of case: nothing that leads back to who it was."""
        touch = journey.touch(answer.touch_id)
        case = journey.case
        row = {
            "what": {"S": touch.kind if touch else "remark"},
            "scores": {"M": {measure: {"N": str(score)} for measure, score in answer.scores.items()}},
            "negative": {"BOOL": answer.negative},
            "team": {"S": case.team if case else ""},
            "category": {"S": case.category if case else ""},
            "channel": {"S": case.channel if case else ""},
        }
        self._put(
            {**items.key(f"SCORES#{answer.at:%Y-%m-%d}", events.stable_id("s", salt, journey.id, answer.id)), **row}
        )

    # -- forgetting --------------------------------------------------------------------------------------

    def redact_facts(self, pk: str) -> None:
        """Leave of every fact that it happened, and when; who asked for an erasure stays known."""
        for item in self._query(pk, "FACT#"):
            event = events.load(bytes(item["body"]["B"]))
            blank = event if isinstance(event, events.ErasureAsked) else events.redacted(event)
            if blank != event:
                self._put({**item, "body": {"B": events.dump(blank)}})

    def drop(self, pk: str, prefix: str, *, but: str = "") -> None:
        """Delete the items of a key whose sort key begins so, but for one."""
        for item in self._query(pk, prefix):
            if item["sk"]["S"] != but:
                self._delete(item)

    def drop_found_by(self, person_id: str, asked_at: datetime) -> None:
        """Delete by what the person was found until then; what a later case wrote down stays."""
        pk = f"P#{person_id}"
        for prefix in ("NAME#", "ADDRESS#"):
            for item in self._query(pk, prefix):
                known_since = item["in_at"]["S"] if "in_at" in item else ""
                if not known_since or (prefix == "ADDRESS#" and known_since <= items.instant(asked_at)):
                    self._delete(item, known_since)

    def unlink(self, person_id: str, journey_id: str) -> None:
        """Forget that the journey was this person's: it is forgotten whole, and need not be looked at again."""
        self._delete(items.key(f"P#{person_id}", f"J#{journey_id}"))

    # -- requests ----------------------------------------------------------------------------------------

    def _get(self, key: Item) -> Item | None:
        found: Item | None = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        return found

    def _query(self, pk: str, prefix: str) -> Iterator[Item]:
        return items.under(self._client, self._name, pk, prefix)

    def _put(self, item: Item) -> None:
        self._boundary("erase", lambda: self._client.put_item(TableName=self._name, Item=item))

    def _update(self, person_id: str, expression: str, values: Item) -> None:
        request = {
            "TableName": self._name,
            "Key": items.key(f"P#{person_id}", _PROGRESS),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
        }
        self._boundary("erase", lambda: self._client.update_item(**request))

    def _delete(self, item: Item, known_since: str = "") -> None:
        """Delete an item, if it still stands in no list or has stood there since then."""
        request: Item = {"TableName": self._name, "Key": {"pk": item["pk"], "sk": item["sk"]}}
        if known_since:
            request |= {
                "ConditionExpression": "in_at = :since",
                "ExpressionAttributeValues": {":since": {"S": known_since}},
            }
        elif item["sk"]["S"].startswith(("NAME#", "ADDRESS#")):
            request["ConditionExpression"] = "attribute_not_exists(in_at)"
        try:
            self._boundary("erase", lambda: self._client.delete_item(**request))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
