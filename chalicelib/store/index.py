"""Where things stand in the lists of the console: the index attributes of an item, written with it or not at all.

Three sparse indexes share one sort key, ``in_at``:

==========  ==============================  =============================================  =========================
index       partition (``in_…``)            what stands in it                              sorted by
==========  ==============================  =============================================  =========================
``all``     ``JOURNEYS#<shard>``            every journey that has begun                   its beginning
``all``     ``TODO#<shard>``                every to-do that is not put off                how urgent it is
``all``     ``TODO#snoozed``                to-dos that are put off                        when they come back
``all``     ``NAME#<two letters>``          a person, under each part of their name        the normalised name
``kind``    ``STAGE#<stage>#<shard>``       journeys in that stage                         their beginning
``kind``    ``TODO#<kind>``                 to-dos of that kind that are not put off       how urgent they are
``kind``    ``TODO#<kind>#snoozed``         those that are put off                         when they come back
``about``   ``WHO#<staff>``, ``…#snoozed``  to-dos of one member of staff                  the same two
``about``   ``CASE#<case id>``              journeys of a case id, of any source           their beginning
``about``   ``ADDRESS#<sha256>``            persons who have or had that address           when it was first known
==========  ==============================  =============================================  =========================

A place of a list that is left is written over by the same key without these attributes: HTTP functions may not delete.
"""

import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from chalicelib.journey.state import Journey, Person, Stage, Todo
from chalicelib.store import items
from chalicelib.store.items import Item

#: A graver matter counts as if it were due so much sooner, so that one order holds for all of them.
HEAD_START = {"P1": timedelta(days=14), "P2": timedelta(days=3), "P3": timedelta()}
#: A name of more parts than this is found by its first ones.
MOST_NAMES = 4
#: The partitions of names are named after so many letters: with fewer, nobody knows where to look.
LEAST_LETTERS = 2
SNOOZED = "#snoozed"
_LONGEST_NAME = 80


def urgency(todo: Todo) -> datetime:
    """Return where a to-do stands among the others: its due instant less its head start, or when it comes back."""
    return todo.snoozed_until or todo.due - HEAD_START[todo.severity]


def place(at: str, *, everything: str = "", kind: str = "", about: str = "") -> Item:
    """Return the index attributes of an item that stands in those partitions, sorted by ``at``."""
    given = {"in_all": everything, "in_kind": kind, "in_about": about}
    found = {name: {"S": partition} for name, partition in given.items() if partition}
    return {**found, "in_at": {"S": at}} if found else {}


def of_journey(journey: Journey) -> Item:
    """Return the index attributes of a journey: none before it has begun, none once its person is erased."""
    if journey.born_at is None or journey.stage is Stage.UNBORN or journey.erased_at is not None:
        return {}
    shard = items.number(journey.id)
    return place(
        f"{items.instant(journey.born_at)}#{journey.id}",
        everything=f"JOURNEYS#{shard}",
        kind=f"STAGE#{journey.stage.value}#{shard}",
        about=f"CASE#{journey.case.case_id}" if journey.case and journey.case.case_id else "",
    )


# -- to-dos ----------------------------------------------------------------------------------------------


def todo_key(journey_id: str, todo: Todo) -> Item:
    """Return the key of a to-do's item. Its kind is in it, so that a list of keys can be counted by kind."""
    return items.key(f"J#{journey_id}", f"TODO#{todo.kind}#{todo.key}")


def changed_todos(before: Journey, after: Journey, now: datetime) -> Iterator[Item]:
    """Yield the items of the to-dos that a decision raised, changed or settled."""
    old = {todo.key: todo for todo in before.todos}
    new = {todo.key: todo for todo in after.todos}
    for key, todo in new.items():
        if old.get(key) != todo:
            yield _todo_item(after.id, todo)
    for key, todo in old.items():
        if key not in new:
            yield {**todo_key(after.id, todo), "settled_at": {"S": items.instant(now)}}


def _todo_item(journey_id: str, todo: Todo) -> Item:
    put_off = SNOOZED if todo.snoozed_until else ""
    return {
        **todo_key(journey_id, todo),
        "body": {"B": msgspec.json.encode(todo)},
        **place(
            f"{items.instant(urgency(todo))}#{journey_id}#{todo.key}",
            everything=f"TODO{put_off or f'#{items.number(journey_id)}'}",
            kind=f"TODO#{todo.kind}{put_off}",
            about=f"WHO#{todo.who}{put_off}",
        ),
    }


def todo_at(sk: str, journey: Journey) -> Todo | None:
    """Return the to-do of a journey that stands under that sort key, or None when it is settled."""
    return next((todo for todo in journey.todos if todo_key(journey.id, todo)["sk"]["S"] == sk), None)


# -- persons ---------------------------------------------------------------------------------------------


def normalised(name: str) -> str:
    """Return a name as it is searched for: folded, without accents, its parts one space apart."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter if letter.isalnum() else " " for letter in apart if not unicodedata.combining(letter))
    return " ".join(plain.split())[:_LONGEST_NAME]


def name_partition(name: str) -> str:
    """Return the partition in which a normalised name, or a beginning of one of two letters or more, stands."""
    return f"NAME#{name[:LEAST_LETTERS]}"


def names(person: Person) -> list[str]:
    """Return the name beginning with each of its parts in turn: ada byron, byron ada."""
    known = person.customer
    parts = normalised(f"{known.first_name} {known.last_name}").split() if known else []
    return [" ".join((*parts[i:], *parts[:i])) for i in range(min(len(parts), MOST_NAMES))]


def changed_person(before: Person, after: Person, now: datetime) -> Iterator[Item]:
    """Yield the items by which a person is found, where their name or address changed."""
    pk = f"P#{after.id}"
    old, new = names(before), names(after)
    for number in range(max(len(old), len(new))):
        is_new = new[number] if number < len(new) else ""
        if is_new != (old[number] if number < len(old) else ""):
            found = place(f"{is_new}#{after.id}", everything=name_partition(is_new)) if is_new else {}
            yield {**items.key(pk, f"NAME#{number}"), **found}
    if after.email and after.email.lower() != before.email.lower():
        address = items.address(after.email)
        yield {**items.key(pk, address), **place(items.instant(now), about=address)}
    elif before.email and not after.email:
        yield items.key(pk, items.address(before.email))
