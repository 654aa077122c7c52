"""Looks at everything that the local stack holds: what no production code can do, for nothing there scans."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chalicelib.journey.invariants import Mailed, World
from chalicelib.journey.state import Journey, Person
from chalicelib.store import items
from local.stack import Stack


def every_item(stack: Stack) -> Iterator[dict[str, Any]]:
    """Yield every item of the table, page by page."""
    client = stack.account.client("dynamodb")
    request: dict[str, Any] = {"TableName": stack.environment["TABLE"]}
    while True:
        answer = client.scan(**request)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@contextmanager
def uncounted(stack: Stack) -> Iterator[None]:
    """Look without being counted: what only the replay asks for is no cost of the product's."""
    account = stack.account
    calls, units = account.calls.copy(), account.units.copy()
    try:
        yield
    finally:
        for counted, before in ((account.calls, calls), (account.units, units)):
            counted.clear()
            counted.update(before)


def world(stack: Stack, mailed: Sequence[Mailed]) -> World:
    """Return all that the invariants judge, as the table holds it now."""
    journeys: dict[str, Journey] = {}
    persons: dict[str, Person] = {}
    owed: dict[str, list[str]] = {}
    ever_owed: dict[str, list[str]] = {}
    for item in every_item(stack):
        subject, sk = item["pk"]["S"], item["sk"]["S"]
        kind, _, name = subject.partition("#")
        if sk == items.STATE and kind == "J":
            journeys[name] = items.read_journey(item).value
        elif sk == items.STATE and kind == "P":
            persons[name] = items.read_person(item).value
        elif sk.startswith("EFFECT#"):
            owed.setdefault(name, []).append(sk.removeprefix("EFFECT#"))
        elif sk.startswith("FACT#"):
            ever_owed.setdefault(name, []).extend(key["S"] for key in item["owed"]["L"])
    documents = stack.wiring.documents.for_journey(Journey(id=""), stack.clock.now)
    return World(
        now=stack.clock.now,
        journeys=journeys,
        persons=persons,
        documents=documents,
        owed=owed,
        ever_owed=ever_owed,
        mailed=mailed,
    )
