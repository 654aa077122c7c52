"""Journeys, persons, facts and owed effects: every read and every transaction on them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.journey import events
from chalicelib.journey.effects import ALARM_KEY, Decision, Effect
from chalicelib.journey.events import Event
from chalicelib.journey.state import Journey, Person, Suppression
from chalicelib.journey.tally import Tally
from chalicelib.store import counters, figures, index, items, writing
from chalicelib.store.counters import Limit
from chalicelib.store.errors import Conflict, Duplicate, NotOwed, Spent, StoreError
from chalicelib.store.items import Item, Owed, Stored
from chalicelib.store.writing import Meanings, Unmet

#: A performer has this long before the reconciler looks for what it left: longer than a worker may run.
PERFORM_WITHIN = timedelta(minutes=3)
#: EventBridge Scheduler is exact to a minute and retries; only then does the reconciler ring in its place.
ALARM_LATE_AFTER = timedelta(minutes=10)
_NEW = "attribute_not_exists(pk)"
_UNCHANGED = "version = :version"


class Fact(msgspec.Struct, frozen=True):
    """Something that happened, as stored: its number within its journey or person, when, and what came of it."""

    number: int
    form: int
    at: datetime
    stored_at: datetime
    event: Event
    stage: str
    owed: tuple[str, ...]


class Table:
    """The one table. ``client`` is a DynamoDB client; every write passes the boundary."""

    def __init__(self, client: Any, name: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._name = name
        self._boundary = boundary

    # -- reading -----------------------------------------------------------------------------------------

    def journey(self, journey_id: str) -> Stored:
        """Return the journey and its version; an unborn one at version 0 when none is stored."""
        item = self._get(items.journey_key(journey_id))
        return items.read_journey(item) if item else Stored(Journey(id=journey_id), 0)

    def person(self, person_id: str) -> Stored:
        """Return the person and their version; an empty one at version 0 when none is stored."""
        item = self._get(items.person_key(person_id)) if person_id else None
        return items.read_person(item) if item else Stored(Person(id=""), 0)

    def knows(self, pk: str, event_id: str) -> bool:
        """Say whether that fact is stored."""
        return self._get(items.key(pk, f"FACT#{event_id}")) is not None

    def facts(self, pk: str) -> list[Fact]:
        """Return every fact of a journey (``J#…``) or person (``P#…``), in the order in which they were decided."""
        found = [_read_fact(item) for item in self._query(pk, "FACT#")]
        return sorted(found, key=lambda fact: fact.number)

    def owed(self, pk: str) -> list[Owed]:
        """Return the effects that a journey or person owes."""
        return [items.read_effect(item) for item in self._query(pk, "EFFECT#")]

    def effect(self, pk: str, effect_key: str) -> Owed | None:
        """Return one owed effect, or None when it is settled."""
        item = self._get(items.key(pk, f"EFFECT#{effect_key}"))
        return items.read_effect(item) if item else None

    def journeys_of(self, person_id: str) -> list[str]:
        """Return the ids of every journey of a person, open or not."""
        return [item["sk"]["S"].removeprefix("J#") for item in self._query(f"P#{person_id}", "J#")]

    def missed(self, now: datetime, limit: int) -> Iterator[tuple[str, str]]:
        """Yield (pk, sk) of up to ``limit`` states and effects for each shard whose instant to look again has come."""
        for number in range(items.SHARDS):
            answer = self._client.query(
                TableName=self._name,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues={":shard": {"S": f"DUE#{number}"}, ":now": {"S": items.instant(now)}},
                Limit=limit,
            )
            for item in answer["Items"]:
                yield item["pk"]["S"], item["sk"]["S"]

    def _get(self, key: Item) -> Item | None:
        found: Item | None = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        return found

    def _query(self, pk: str, prefix: str) -> Iterator[Item]:
        return items.under(self._client, self._name, pk, prefix)

    # -- committing a decision ---------------------------------------------------------------------------

    def commit(
        self,
        event: Event,
        journey: Stored,
        person: Stored,
        decision: Decision,
        now: datetime,
        settles: Owed | None,
        counted: Tally | None = None,
    ) -> tuple[Owed, ...]:
        """Store new state, the fact and the owed effects in one transaction, conditioned on both versions.

        ``counted`` is what the fact changes in the figures: an entry of its own in their log, on which nobody waits.

        Returns what is owed. Raises Duplicate when the fact is known, NotOwed when the effect that this settles
        is no longer owed, Conflict when a version has moved.
        """
        pk = f"J#{decision.journey.id}" if decision.journey is not None else f"P#{_id_of(decision)}"
        nonce = str((journey if decision.journey is not None else person).version + 1)
        actions: list[Item] = [self._put(_fact_item(pk, event, int(nonce), now, decision), _NEW)]
        if decision.journey is not None:
            actions.append(self._put_state(_journey_item(decision.journey, journey.version), journey.version))
            changed = index.changed_todos(journey.value, decision.journey, now)
            actions += [{"Put": {"TableName": self._name, "Item": item}} for item in changed]
        actions += self._person_actions(decision, person, journey, pk, now)
        effects = [items.effect_item(pk, effect, nonce, now, now + PERFORM_WITHIN) for effect in decision.effects]
        actions += [{"Put": {"TableName": self._name, "Item": item}} for item in effects]
        if settles is not None and settles.effect.key not in {effect.key for effect in decision.effects}:
            actions.append(self._delete_owed(settles))
        actions += [self._put_suppression(suppression) for suppression in decision.suppress]
        if counted is not None:
            entry = figures.entry_item(pk, event.event_id, now, counted)
            actions.append({"Put": {"TableName": self._name, "Item": entry}})
        actions += counters.counted(self._name, event)
        self._transact("commit", actions, {0: Duplicate}, settles)
        return tuple(items.read_effect(item) for item in effects)

    def _person_actions(
        self, decision: Decision, person: Stored, journey: Stored, pk: str, now: datetime
    ) -> list[Item]:
        """Write the person if changed, else hold their version; remember a new journey of theirs."""
        after = decision.person
        if after is None:
            return []
        if after == person.value:
            held: Item = {"ConditionCheck": {**self._versioned(person.version), "Key": items.person_key(after.id)}}
            actions = [held]
        else:
            actions = [self._put_state(items.person_item(after, person.version + 1), person.version)]
            found = index.changed_person(person.value, after, now)
            actions += [{"Put": {"TableName": self._name, "Item": item}} for item in found]
        begins = decision.journey is not None and decision.journey.person_id and not journey.value.person_id
        if begins:
            actions.append({"Put": {"TableName": self._name, "Item": items.key(f"P#{after.id}", pk)}})
        return actions

    def _put(self, item: Item, condition: str) -> Item:
        return {"Put": {"TableName": self._name, "Item": item, "ConditionExpression": condition}}

    def _put_state(self, item: Item, before: int) -> Item:
        if before == 0:
            return self._put(item, _NEW)
        return {"Put": {"Item": item, **self._versioned(before)}}

    def _versioned(self, version: int) -> Item:
        return {
            "TableName": self._name,
            "ConditionExpression": _UNCHANGED,
            "ExpressionAttributeValues": {":version": {"N": str(version)}},
        }

    def _put_suppression(self, suppression: Suppression) -> Item:
        item = {
            **items.suppression_key(suppression.email),
            "reason": {"S": suppression.reason},
            "since": {"S": items.instant(suppression.at)},
        }
        return {"Put": {"TableName": self._name, "Item": item}}

    def _transact(
        self,
        name: str,
        actions: list[Item],
        meanings: Meanings,
        settles: Owed | None = None,
    ) -> None:
        """Write all or nothing. ``meanings`` says which error the failed condition of an action stands for."""
        try:
            writing.together(self._boundary, name, self._client, actions, meanings)
        except Unmet as unmet:
            if settles is not None and any("Delete" in actions[position] for position in unmet.positions):
                raise NotOwed from unmet
            raise

    # -- effects -----------------------------------------------------------------------------------------

    def claim(
        self,
        owed: Owed,
        journey: Stored,
        person: Stored,
        after: Person,
        now: datetime,
        until: datetime,
        limits: Sequence[Limit] = (),
    ) -> Owed:
        """Claim the sending of a mail: nobody else sends it, and the budget and limits are spent, in one transaction.

        Conditioned on the effect being owed, on both versions, on the limits, and on the address not being suppressed
        at this instant. Raises NotOwed, Spent or Conflict; a suppressed address is a Conflict too: read again, decide
        again.
        """
        actions = [
            self._claim_action(owed, now, until),
            {"ConditionCheck": {**self._versioned(journey.version), "Key": items.journey_key(journey.value.id)}},
        ]
        if after == person.value:
            actions.append({"ConditionCheck": {**self._versioned(person.version), "Key": items.person_key(after.id)}})
        else:
            actions.append(self._put_state(items.person_item(after, person.version + 1), person.version))
        check = {"TableName": self._name, "Key": items.suppression_key(after.email), "ConditionExpression": _NEW}
        actions.append({"ConditionCheck": check})
        return self._claimed(owed, actions, limits, now)

    def _claimed(self, owed: Owed, actions: list[Item], limits: Sequence[Limit], now: datetime) -> Owed:
        """Claim by those actions, the first of which is on the effect, and spend from the limits with them."""
        meanings: dict[int, type[StoreError] | StoreError] = {0: NotOwed}
        meanings |= {len(actions) + place: Spent(limit.what) for place, limit in enumerate(limits)}
        self._transact("claim", [*actions, *(counters.spent(self._name, limit) for limit in limits)], meanings)
        return msgspec.structs.replace(owed, status="claimed", since=now)

    def is_suppressed(self, email: str) -> str | None:
        """Return why an address gets no mail, or None. Another person may have had the same address suppressed."""
        item = self._get(items.suppression_key(email))
        return item["reason"]["S"] if item else None

    def owe(self, pk: str, effect: Effect, now: datetime) -> None:
        """Owe an effect that no decision asked for, such as the storing of a mail; owing the same twice is once."""
        item = items.effect_item(pk, effect, effect.key, now, now + PERFORM_WITHIN)
        self._transact("owe", [{"Put": {"TableName": self._name, "Item": item}}], {})

    def suppress(self, suppression: Suppression) -> None:
        """Suppress an address that belongs to nobody known; one that is suppressed already stays as it is."""
        put = self._put_suppression(suppression)
        put["Put"]["ConditionExpression"] = _NEW
        try:
            self._transact("suppress", [put], {0: Duplicate})
        except Duplicate:
            return

    def claim_alone(self, owed: Owed, now: datetime, until: datetime, limits: Sequence[Limit] = ()) -> Owed:
        """Claim an effect that spends no budget, such as a notice to staff; raises NotOwed or Spent."""
        return self._claimed(owed, [self._claim_action(owed, now, until)], limits, now)

    def _claim_action(self, owed: Owed, now: datetime, until: datetime) -> Item:
        values = {
            ":claimed": {"S": "claimed"},
            ":owed": {"S": "owed"},
            ":nonce": {"S": owed.nonce},
            ":now": {"S": items.instant(now)},
            ":until": {"S": items.instant(until)},
        }
        return {
            "Update": {
                "TableName": self._name,
                "Key": owed.key,
                "UpdateExpression": "SET #status = :claimed, since = :now, due_at = :until",
                "ConditionExpression": "#status = :owed AND nonce = :nonce",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": values,
            }
        }

    def release(self, owed: Owed, look_at: datetime, *, attempt: int, limits: Sequence[Limit] = ()) -> None:
        """Owe a claimed effect again, to be looked at from ``look_at``, and give back what its claim spent.

        Raises NotOwed when it is no longer claimed.
        """
        values = {
            ":claimed": {"S": "claimed"},
            ":owed": {"S": "owed"},
            ":before": {"N": str(owed.attempt)},
            ":attempt": {"N": str(attempt)},
            ":look": {"S": items.instant(look_at)},
        }
        update = {
            "TableName": self._name,
            "Key": owed.key,
            "UpdateExpression": "SET #status = :owed, attempt = :attempt, due_at = :look",
            "ConditionExpression": "#status = :claimed AND attempt = :before",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values,
        }
        back = [counters.given_back(self._name, limit) for limit in limits]
        self._transact("release", [{"Update": update}, *back], {0: NotOwed})

    def postpone(self, owed: Owed, look_at: datetime) -> None:
        """Leave an effect owed as it is, to be looked at from ``look_at``; raises NotOwed when it is no longer owed."""
        values = {":owed": {"S": "owed"}, ":nonce": {"S": owed.nonce}, ":look": {"S": items.instant(look_at)}}
        update = {
            "TableName": self._name,
            "Key": owed.key,
            "UpdateExpression": "SET due_at = :look",
            "ConditionExpression": "#status = :owed AND nonce = :nonce",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values,
        }
        self._transact("release", [{"Update": update}], {0: NotOwed})

    def settle(self, owed: Owed) -> None:
        """Take an effect off the books; does nothing when it was owed anew meanwhile or is settled.

        Not a transaction, which would cost twice: whether an earlier try has already deleted it makes no difference.
        """
        request = self._delete_owed(owed)["Delete"]
        try:
            self._boundary("settle", lambda: self._client.delete_item(**request))
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionConflictException":
                raise Conflict from error
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _delete_owed(self, owed: Owed) -> Item:
        return {
            "Delete": {
                "TableName": self._name,
                "Key": owed.key,
                "ConditionExpression": "nonce = :nonce",
                "ExpressionAttributeValues": {":nonce": {"S": owed.nonce}},
            }
        }


def _id_of(decision: Decision) -> str:
    return decision.person.id if decision.person is not None else ""


def _journey_item(journey: Journey, before: int) -> Item:
    """A state stands in the sparse index until its wake-up is late, or not at all when it waits for nothing."""
    late = journey.wake_at + ALARM_LATE_AFTER if journey.wake_at is not None else None
    return {**items.journey_item(journey, before + 1, late), **index.of_journey(journey)}


def _fact_item(pk: str, event: Event, number: int, now: datetime, decision: Decision) -> Item:
    """The fact keeps its number, the form it was written in, when it was decided, and what it owed."""
    owed: list[Effect] = [effect for effect in decision.effects if effect.key != ALARM_KEY]
    return {
        **items.key(pk, f"FACT#{event.event_id}"),
        "number": {"N": str(number)},
        "form": {"N": str(events.FORM)},
        "at": {"S": items.instant(event.occurred_at)},
        "stored_at": {"S": items.instant(now)},
        "body": {"B": events.dump(event)},
        "stage": {"S": decision.journey.stage.value if decision.journey else ""},
        "owed": {"L": [{"S": effect.key} for effect in owed]},
    }


def _read_fact(item: Item) -> Fact:
    return Fact(
        number=int(item["number"]["N"]),
        form=int(item["form"]["N"]),
        at=datetime.fromisoformat(item["at"]["S"]),
        stored_at=datetime.fromisoformat(item["stored_at"]["S"]),
        event=events.load(bytes(item["body"]["B"])),
        stage=item["stage"]["S"],
        owed=tuple(key["S"] for key in item["owed"]["L"]),
    )
