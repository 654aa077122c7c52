"""The lists of the console: pages of keys from the indexes, then what they name from the table.

Every page costs a number of requests that is known beforehand, whatever the table holds. The indexes follow the table
within moments; what a key names is read from the table itself, so a page shows things as they are.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

import msgspec

from chalicelib.journey.state import Journey, Person, Stage, Todo
from chalicelib.store import index, items
from chalicelib.store.items import Item

#: Counted in one partition: beyond that, "at least". A list of a hundred says what to do as well as one of a thousand,
#: and a count reads what it counts.
COUNTED = 99
#: A table takes a batch of a hundred keys; a page is never longer.
LONGEST_PAGE = 50
#: Behind whatever begins as a text does, in every script: places are sorted by their bytes.
_LAST = "\U0010fffd"
#: Alarms are rung by the reconciler ten minutes late at the latest; later than this, a person should look.
STUCK_AFTER = timedelta(minutes=20)
_MOST_STUCK = 25
KINDS = (
    *("recovery", "urgent", "call_back", "suspect", "mismatch", "undelivered", "reply", "lukewarm", "reach_out"),
    *("lost", "stuck", "other"),
)


class Place(msgspec.Struct, frozen=True):
    """One entry of an index: the key of the item, and where it stands."""

    pk: str
    sk: str
    at: str


class Page(msgspec.Struct, frozen=True):
    """Some entries in their order, and the cursor of the next page: empty on the last one."""

    places: tuple[Place, ...]
    cursor: str = ""


class Count(msgspec.Struct, frozen=True):
    """How many there are; ``exact`` is false where there are at least that many."""

    number: int
    exact: bool = True


class Listed(msgspec.Struct, frozen=True):
    """A to-do with its journey and person, as they are now."""

    todo: Todo
    journey: Journey
    person: Person


class Late(msgspec.Struct, frozen=True):
    """A journey or person whose wake-up or owed effect is long past its time."""

    pk: str
    sk: str


class Lists:
    """Reads the lists. ``client`` is a DynamoDB client; nothing here writes."""

    def __init__(self, client: Any, name: str) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._name = name

    # -- to-dos ------------------------------------------------------------------------------------------

    def todos(self, now: datetime, *, kind: str = "", who: str = "", cursor: str = "", limit: int = 25) -> Page:
        """Return a page of what needs a person, most urgent first: all, of one kind, or of one member of staff.

        What was put off stands in it from the instant on at which it comes back.
        """
        if who and kind:
            return self._of_both(now, kind, who, cursor, limit)
        attribute, open_, snoozed = _partitions(kind, who)
        lists = [self._query(attribute, one, limit + 1, after=cursor) for one in open_]
        lists.append(self._query(attribute, snoozed, limit + 1, after=cursor, until=_end(now)))
        return _page(merge(*lists, key=_at), limit)

    def _of_both(self, now: datetime, kind: str, who: str, cursor: str, limit: int) -> Page:
        """Look through the next of what somebody has for those of one kind.

        A page may be short, or even empty, and yet have a cursor: there is more to look through.
        """
        found, seen = self._of_staff(now, who, cursor)
        page = _page((place for place in found if _kind_of(place) == kind), limit)
        return page if page.cursor else Page(page.places, seen)

    def _of_staff(self, now: datetime, who: str, cursor: str = "") -> tuple[list[Place], str]:
        """Return the next to-dos of a member of staff, and up to which place when that was not all of them."""
        attribute, (open_,), snoozed = _partitions("", who)
        lists = [
            self._query(attribute, open_, COUNTED + 1, after=cursor),
            self._query(attribute, snoozed, COUNTED + 1, after=cursor, until=_end(now)),
        ]
        # Behind the last key that was read of one of them, nobody knows what of it would come next.
        ends = [found[-2].at for found in lists if len(found) > COUNTED]
        seen = min(ends, default="")
        return [place for place in merge(*lists, key=_at) if not seen or place.at <= seen], seen

    def count_todos(self, now: datetime, *, who: str) -> Count:
        """Return how many to-dos a member of staff has: the same partitions as their list, counted up to a bound."""
        attribute, (open_,), snoozed = _partitions("", who)
        return _sum([self._count(attribute, open_), self._count(attribute, snoozed, until=_end(now))])

    def count_kinds(self, now: datetime, *, who: str = "") -> dict[str, Count]:
        """Return how many to-dos of each kind need a person now (of ``who``, if given), and under "" how many in all.

        For everybody: one count for each kind, and one look at what comes back of what was put off. For one member of
        staff: one look at all they have.
        """
        if who:
            found, seen = self._of_staff(now, who)
            counts = {kind: Count(sum(_kind_of(place) == kind for place in found), not seen) for kind in KINDS}
        else:
            snoozed = self._query("in_all", f"TODO{index.SNOOZED}", COUNTED + 1, until=_end(now))
            counts = {kind: _sum([self._count("in_kind", f"TODO#{kind}"), _back(snoozed, kind)]) for kind in KINDS}
        return {"": _sum(list(counts.values())), **counts}

    def listed(self, page: Page) -> list[Listed]:
        """Return the to-dos of a page with their journeys and persons; what was settled meanwhile is left out."""
        found = self._get({(place.pk, items.STATE) for place in page.places})
        journeys = {pk: items.read_journey(item).value for (pk, _), item in found.items()}
        persons = self.persons({journey.person_id for journey in journeys.values() if journey.person_id})
        shown = []
        for place in page.places:
            journey = journeys.get(place.pk)
            todo = index.todo_at(place.sk, journey) if journey is not None else None
            if todo is not None and journey is not None:
                shown.append(Listed(todo, journey, persons.get(journey.person_id) or Person(id="")))
        return shown

    def stuck(self, now: datetime) -> list[Late]:
        """Return wake-ups and owed effects that nobody has seen to, though the reconciler should have."""
        found = []
        for number in range(items.SHARDS):
            answer = self._client.query(
                TableName=self._name,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :late",
                ExpressionAttributeValues={
                    ":shard": {"S": f"DUE#{number}"},
                    ":late": {"S": items.instant(now - STUCK_AFTER)},
                },
                Limit=_MOST_STUCK,
            )
            found += [Late(item["pk"]["S"], item["sk"]["S"]) for item in answer["Items"]]
        return found

    # -- journeys and persons ----------------------------------------------------------------------------

    def journeys(self, *, stage: str = "", cursor: str = "", limit: int = 25) -> Page:
        """Return a page of journeys, the newest first: all, or those in one stage."""
        attribute, name = ("in_kind", f"STAGE#{stage}") if stage else ("in_all", "JOURNEYS")
        partitions = [f"{name}#{number}" for number in range(items.SHARDS)]
        lists = [self._query(attribute, one, limit + 1, before=cursor or "~", newest=True) for one in partitions]
        return _page(merge(*lists, key=_at, reverse=True), limit)

    def of_case(self, case_id: str, limit: int = LONGEST_PAGE) -> Page:
        """Return the journeys of a case id, of whatever source, the newest first."""
        return _page(iter(self._query("in_about", f"CASE#{case_id}", limit, before="~", newest=True)), limit)

    def of_address(self, email: str, limit: int = LONGEST_PAGE) -> Page:
        """Return the persons who have or had exactly that address."""
        return _page(iter(self._query("in_about", items.address(email), limit)), limit)

    def holders(self, email: str) -> list[str]:
        """Return the ids of the persons who have or had exactly that address."""
        return [place.pk.removeprefix("P#") for place in self.of_address(email).places]

    def named(self, beginning: str, cursor: str = "", limit: int = 25) -> Page:
        """Return a page of persons of whose name some part begins so, in the order of names.

        The beginning has two letters or more; one letter finds those of whose name it is a whole part, as in Chinese.
        """
        name = index.normalised(beginning)
        if not name:
            return Page(())
        if len(name) < index.LEAST_LETTERS:
            name += " "
        partition, until = index.name_partition(name), f"{name}{_LAST}"
        return _page(iter(self._query("in_all", partition, limit + 1, after=cursor or name, until=until)), limit)

    def of_person(self, person_id: str, limit: int = LONGEST_PAGE) -> tuple[list[str], bool]:
        """Return up to so many keys of a person's journeys, in an order without meaning, and whether there are more."""
        answer = self._client.query(
            TableName=self._name,
            KeyConditionExpression="pk = :person AND begins_with(sk, :journeys)",
            ExpressionAttributeValues={":person": {"S": f"P#{person_id}"}, ":journeys": {"S": "J#"}},
            ConsistentRead=True,
            Limit=limit + 1,
        )
        found = [item["sk"]["S"] for item in answer["Items"]]
        return found[:limit], len(found) > limit

    def read_journeys(self, pks: Sequence[str]) -> list[Journey]:
        """Return those journeys, in that order."""
        found = self._get({(pk, items.STATE) for pk in pks})
        return [items.read_journey(found[pk, items.STATE]).value for pk in pks if (pk, items.STATE) in found]

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Return those persons by their ids."""
        found = self._get({(f"P#{person_id}", items.STATE) for person_id in person_ids})
        return {pk.removeprefix("P#"): items.read_person(item).value for (pk, _), item in found.items()}

    # -- requests ----------------------------------------------------------------------------------------

    def _request(self, attribute: str, partition: str, *, after: str = "", before: str = "", until: str = "") -> Item:
        """Return a query for one partition between two places, both left out but ``until``."""
        condition, values = f"{attribute} = :partition", {":partition": {"S": partition}}
        if until:
            condition += " AND in_at BETWEEN :after AND :until"
            # The least text that comes after it: nothing in a place is below a space.
            values |= {":after": {"S": f"{after} " if after else " "}, ":until": {"S": until}}
        elif after or before:
            condition += " AND in_at > :bound" if after else " AND in_at < :bound"
            values[":bound"] = {"S": after or before}
        return {
            "TableName": self._name,
            "IndexName": attribute.removeprefix("in_"),
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }

    def _query(self, attribute: str, partition: str, limit: int, *, newest: bool = False, **bounds: str) -> list[Place]:
        """Return the next entries of one partition: none where all until there have been."""
        if bounds.get("until", _LAST) <= bounds.get("after", ""):
            return []
        request = self._request(attribute, partition, **bounds)
        answer = self._client.query(**request, Limit=limit, ScanIndexForward=not newest)
        return [Place(item["pk"]["S"], item["sk"]["S"], item["in_at"]["S"]) for item in answer["Items"]]

    def _count(self, attribute: str, partition: str, *, until: str = "") -> Count:
        request = self._request(attribute, partition, until=until)
        found = self._client.query(**request, Limit=COUNTED + 1, Select="COUNT")["Count"]
        return Count(min(found, COUNTED), found <= COUNTED)

    def _get(self, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        """Return the items of at most a hundred keys."""
        left = [items.key(pk, sk) for pk, sk in sorted(keys)]
        found: dict[tuple[str, str], Item] = {}
        while left:
            asked = {self._name: {"Keys": left[:100], "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=asked)
            found |= {(item["pk"]["S"], item["sk"]["S"]): item for item in answer["Responses"].get(self._name, [])}
            more = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            left = [*more, *left[100:]]
        return found


def is_stage(stage: str) -> bool:
    """Say whether there is such a stage to list journeys by."""
    return stage in set(Stage) - {Stage.UNBORN}


def _partitions(kind: str, who: str) -> tuple[str, list[str], str]:
    """Return the attribute, the partitions of what is open, and the one of what is put off."""
    if who:
        return "in_about", [f"WHO#{who}"], f"WHO#{who}{index.SNOOZED}"
    if kind:
        return "in_kind", [f"TODO#{kind}"], f"TODO#{kind}{index.SNOOZED}"
    return "in_all", [f"TODO#{number}" for number in range(items.SHARDS)], f"TODO{index.SNOOZED}"


def _end(now: datetime) -> str:
    """Return the place after everything that has come back by ``now``."""
    return f"{items.instant(now)}~"


def _at(place: Place) -> str:
    return place.at


def _kind_of(place: Place) -> str:
    return place.sk.split("#")[1]


def _back(snoozed: Sequence[Place], kind: str) -> Count:
    """Return how many of a kind are among what has come back: at least, when those are too many to know all."""
    return Count(sum(_kind_of(place) == kind for place in snoozed[:COUNTED]), len(snoozed) <= COUNTED)


def _sum(counts: Sequence[Count]) -> Count:
    number, exact = sum(count.number for count in counts), all(count.exact for count in counts)
    return Count(number if exact else min(number, COUNTED), exact)


def _page(found: Iterable[Place], limit: int) -> Page:
    places: list[Place] = []
    for place in found:
        if len(places) == limit:
            return Page(tuple(places), places[-1].at)
        places.append(place)
    return Page(tuple(places))
