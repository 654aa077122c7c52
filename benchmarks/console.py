"""What the lists and pages of the console cost at 1,000 and 100,000 journeys: ``python benchmarks/console.py``.

Requests and read units as DynamoDB would count them, and the median time of the processor on the keyed stand-in, from
the request to the finished page (other programs may run beside it). One journey in twenty needs somebody.
"""

import sys
from pathlib import Path
from statistics import median
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from datetime import UTC, datetime, timedelta

from chalicelib import wiring
from chalicelib.entry.guard import form_token
from chalicelib.journey.events import Case, Customer, stable_id
from chalicelib.journey.state import Journey, Person, Stage, Todo
from chalicelib.store import index, items
from chalicelib.store.access import Session
from chalicelib.store.lists import KINDS
from local.stack import Stack
from tests.entry.staff import Browser

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SIZES = (1_000, 100_000)
TIMES = 15


def fill(stack: Stack, journeys: int) -> tuple[str, str]:
    """Write so many journeys and persons; returns the ids of the last of each."""
    client, table = stack.account.client("dynamodb"), stack.environment["TABLE"]
    journey_id = person_id = ""
    for number in range(journeys):
        journey_id, person_id = stable_id("j", str(number)), stable_id("p", str(number))
        born = NOW - timedelta(minutes=number)
        todos = (_todo(number, born),) if number % 20 == 0 else ()
        journey = Journey(
            id=journey_id,
            stage=Stage.ASKED,
            born_at=born,
            person_id=person_id,
            todos=todos,
            case=Case("desk", f"c{number}", 1, subject="A delivery that never came"),
        )
        name = ("Ada", "Ben", "Chi", "Dora")[number % 4]
        known = Customer(person_id, email=f"c{number}@example.com", first_name=name, last_name=f"Byron {number}")
        person = Person(id=person_id, customer=known)
        for item in (
            {**items.journey_item(journey, 1, None), **index.of_journey(journey)},
            items.person_item(person, 1),
            items.key(f"P#{person_id}", f"J#{journey_id}"),
            *index.changed_todos(Journey(id=journey_id), journey, NOW),
            *index.changed_person(Person(id=person_id), person, NOW),
        ):
            client.put_item(TableName=table, Item=item)
    return journey_id, person_id


def _todo(number: int, born: datetime) -> Todo:
    kind = KINDS[number // 20 % len(KINDS)]
    return Todo(
        key=f"t{number}",
        kind=kind,  # type: ignore[arg-type]  # one of them
        reason="lukewarm",
        severity="P3",
        who="samir",
        raised_at=born,
        due=born + timedelta(days=2),
    )


def main() -> None:
    """Print one line for each page and size."""
    print(f"{'page':34}{'journeys':>10}{'requests':>10}{'units':>8}{'ms':>8}")
    for size in SIZES:
        stack = Stack(NOW)
        wiring.install(stack.wiring)
        journey_id, person_id = fill(stack, size)
        access, browser = stack.wiring.access, Browser(stack)
        access.begin("a-token", Session("samir", NOW, access.epoch("samir")))
        browser.cookies["__Host-aftercare"], browser.form_token = "a-token", form_token("a-token")
        for page in (
            "/console",
            "/console?who=me",
            "/console?kind=suspect",
            "/console/journeys",
            "/console/journeys?stage=asked",
            "/console/search?q=byron",
            "/console/search?q=c7@example.com",
            "/console/search?q=c7",
            f"/console/journeys/{journey_id}",
            f"/console/people/{person_id}",
        ):
            _measure(stack, browser, page, size)


def _measure(stack: Stack, browser: Browser, page: str, size: int) -> None:
    browser.get(page)
    took = []
    for _ in range(TIMES):
        calls, units = sum(stack.account.calls.values()), stack.account.units["dynamodb.read"]
        started = process_time()
        reply = browser.get(page)
        took.append((process_time() - started) * 1000)
        if reply.status not in {200, 303}:
            raise SystemExit(f"{page}: {reply.status}")
    requests = sum(stack.account.calls.values()) - calls
    read = stack.account.units["dynamodb.read"] - units
    shown = page.replace("/console", "") or "/"
    print(f"{shown[:33]:34}{size:>10,}{requests:>10}{read:>8.1f}{median(took):>8.1f}")


if __name__ == "__main__":
    main()
