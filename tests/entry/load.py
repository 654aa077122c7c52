"""A deployment with so many journeys, and every page and operation that only looks: what they cost, how long they take.

Everything that grows with a service grows here: journeys and persons, two to-dos for each journey (some put off and
back again), wake-ups that nobody saw to, one customer and one case with hundreds of journeys, the audit of one day,
the figures of 93 days. At a thousand journeys every list is longer than a page and every count is beyond its bound, so
what a page costs then is the most that it can cost.
"""

from datetime import timedelta
from secrets import token_hex
from typing import NamedTuple

from chalicelib import wiring
from chalicelib.entry.console import assets
from chalicelib.entry.guard import form_token
from chalicelib.entry.routes import ROUTES, Route
from chalicelib.journey.effects import Decision
from chalicelib.journey.events import AlarmRang, Case, Customer, stable_id
from chalicelib.journey.state import Journey, Person, Stage, Todo, Touch
from chalicelib.journey.tally import Tally
from chalicelib.store import index, items
from chalicelib.store.access import ApiKey, Session
from chalicelib.store.audit import Entry
from chalicelib.store.figures import entry_item
from chalicelib.store.items import Stored
from chalicelib.store.lists import KINDS
from local.stack import Reply, Stack
from tests.entry.staff import Browser

#: An admin: one who may open every page.
WHO = "ines"
_DAYS = 93
#: Two thousand entries are the most that an export of the audit gives at once.
_AUDITED = 2100
_KEYS = 60
#: One customer, and one case, has a tenth of all journeys: a hundred of a thousand, and no more than so many.
_OFTEN = 700
_MAIL = b"Subject: How did we do?\r\nTo: c@example.com\r\nContent-Type: text/plain\r\n\r\nPlease tell us.\r\n"


class Cost(NamedTuple):
    """What one request was answered with, and what it took: requests of AWS services, read units of the table."""

    status: int
    requests: int
    units: float


class Look(NamedTuple):
    """One request that only looks. ``label`` is the same for every load: its path and query before ids stand in it."""

    route: Route
    path: str
    label: str


class Load:
    """One deployment, filled, and a browser in which an admin is signed in."""

    def __init__(self, stack: Stack, journeys: int) -> None:
        self.stack, self.now, self.journeys = stack, stack.clock.now, journeys
        self._client, self._table = stack.account.client("dynamodb"), stack.environment["TABLE"]
        self.often = stable_id("p", "often")
        self.journey_id, self.person_id = _journey_id(journeys - 1), stable_id("p", f"{journeys - 1:06}")
        wiring.install(stack.wiring)
        self._fill()
        self.browser = Browser(stack)
        access, token = stack.wiring.access, f"token-{WHO}"
        access.begin(token, Session(WHO, self.now, access.epoch(WHO)))
        self.browser.cookies["__Host-aftercare"], self.browser.form_token = token, form_token(token)

    # -- what there is -----------------------------------------------------------------------------------

    def _fill(self) -> None:
        for number in range(self.journeys):
            self._put_journey(number)
        self._put_person(self.often, "often@example.com", "Olga", "Often", [_journey_id(n) for n in range(10)])
        self._remember()
        for number in range(_AUDITED + self.journeys // 10):
            about = "search" if number % 2 else f"journey/{_journey_id(number)}"
            entry = Entry(f"{number:016x}{token_hex(3)}", self.now, "samir", "lead", "saw", "people.search", about)
            self.stack.wiring.audit.add(entry)
        for number in range(_KEYS):
            key = ApiKey(f"{number:016x}", f"Key {number}", "viewer", WHO, self.now, "0" * 64)
            self.stack.wiring.access.keep_key(key)
        self._count()

    def _put_journey(self, number: int) -> None:
        comes_often = number < min(self.journeys // 10, _OFTEN)
        person_id = self.often if comes_often else stable_id("p", f"{number:06}")
        journey = Journey(
            id=_journey_id(number),
            stage=Stage.LOYAL if number % 3 == 0 else Stage.ASKED,
            born_at=self.now - timedelta(minutes=number),
            person_id=person_id,
            todos=tuple(self._todo(number, which) for which in range(2)),
            touches=(self._touch(),),
            case=Case(
                "desk", "again" if comes_often else f"c{number:06}", number, subject="A delivery that never came"
            ),
        )
        late = self.now - timedelta(hours=1) if number % 5 == 0 else self.now + timedelta(days=1)
        self._put(
            {**items.journey_item(journey, 1, late), **index.of_journey(journey)},
            items.key(f"P#{person_id}", f"J#{journey.id}"),
            *index.changed_todos(Journey(id=journey.id), journey, self.now),
        )
        if not comes_often:
            name = ("Ada", "Ben", "Chi", "Dora")[number % 4]
            self._put_person(person_id, f"c{number:06}@example.com", name, f"Byron {number:06}", [journey.id])

    def _put_person(self, person_id: str, email: str, first: str, last: str, journeys: list[str]) -> None:
        known = Customer(person_id, email=email, first_name=first, last_name=last)
        person = Person(id=person_id, customer=known, open_journeys=tuple(journeys))
        self._put(items.person_item(person, 1), *index.changed_person(Person(id=person_id), person, self.now))

    def _todo(self, number: int, which: int) -> Todo:
        born = self.now - timedelta(minutes=number)
        return Todo(
            key=f"t{which}-{number:06}",
            kind=KINDS[(2 * number + which + number // 12) % len(KINDS)],
            reason="lukewarm",
            severity="P3",
            who=(WHO, "samir")[number % 2],
            raised_at=born,
            due=born + timedelta(days=2),
            snoozed_until=born if number % 5 == 0 and not which else None,
        )

    def _touch(self) -> Touch:
        day = timedelta(days=1)
        return Touch("survey", "survey", self.now - day, self.now, sent_at=self.now - day, delivered_at=self.now)

    def _remember(self) -> None:
        """Give the journey that is shown some facts, and its mail as it was sent."""
        table = self.stack.wiring.table
        for number in range(5):
            known = table.journey(self.journey_id)
            event = AlarmRang(event_id=f"e{number}", occurred_at=self.now, journey_id=self.journey_id)
            table.commit(event, known, Stored(Person(id=""), 0), Decision(known.value, None), self.now, None)
        self.stack.wiring.mails.keep(self.journey_id, "survey", self.now, _MAIL)

    def _count(self) -> None:
        """Let the figures of 93 days be added up, in three teams."""
        each, stored = max(self.journeys // (3 * _DAYS), 1), self.now - timedelta(hours=1)
        for number in range(_DAYS):
            day = (self.now - timedelta(days=number)).date().isoformat()
            for team in ("north", "south", "east"):
                names = ("begun", "sent/survey", "answered/survey", "score/survey/csat/5", "negative", "recovered")
                counts = dict.fromkeys(names, each)
                tally = Tally(team, "delivery", "mail", {day: counts})
                self._put(entry_item(f"J#{team}{day}", "e", stored, tally))
        while self.stack.wiring.rollup.run(self.now):
            pass

    def _put(self, *stored: dict) -> None:
        for item in stored:
            self._client.put_item(TableName=self._table, Item=item)

    # -- what is looked at -------------------------------------------------------------------------------

    def looks(self) -> list[Look]:
        """Return every page and operation that only looks, each with the queries that make it read something else."""
        named = {
            "journey_id": self.journey_id,
            "person_id": self.person_id,
            "touch_id": "survey",
            "kind": "cadence",
            "version": "0",
            "name": assets.address("style.css"),
            "token": "a-token",
        }
        found = []
        for route in ROUTES:
            if route.method == "GET" and route.kind != "way in":
                path = route.path.format_map(named)
                queries = self._queries().get(route.handler, ("",))
                found += [Look(route, f"{path}{query}", f"{route.path}{query}") for query in queries]
                if route.handler == "people.show":
                    often = route.path.format_map({**named, "person_id": self.often})
                    found.append(Look(route, often, f"{route.path} (often)"))
        return found

    def _queries(self) -> dict[str, tuple[str, ...]]:
        first = (self.now - timedelta(days=_DAYS - 2)).date().isoformat()
        whose = ("", "?who=me", "?kind=suspect", "?who=me&kind=suspect")
        return {
            "todos.listing": (*whose, "?limit=50"),
            "today.show": whose,
            "journeys.listing": ("", "?stage=asked", "?stage=lost"),
            "people.search": ("?q=byron", "?q=b", "?q=c000777@example.com", "?q=c000777", "?q=again", "?q=desk/again"),
            "documents.difference": ("?old=0&new=0",),
            "documents.preview_frame": ("?name=survey&version=0",),
            "preview.show": ("?name=survey",),
            "holidays.days": ("?country=DE",),
            "figures.show": ("", "?by=team", f"?by=team&first={first}"),
            "figures.export": (f"?by=team&first={first}",),
            "audit.entries": ("", "?about=search", "?limit=200"),
            "audit.show": ("", "?about=search"),
        }

    def ask(self, look: Look) -> Reply:
        """Make the request."""
        wiring.install(self.stack.wiring)
        accept = {"accept": "application/json"} if look.route.kind == "operation" else {}
        return self.browser.get(look.path, **accept)

    def cost(self, look: Look) -> Cost:
        """Return what a request costs, with the documents in memory, as in a function that has run before."""
        self.ask(look)
        account = self.stack.account
        calls, units = sum(account.calls.values()), account.units["dynamodb.read"]
        reply = self.ask(look)
        return Cost(reply.status, sum(account.calls.values()) - calls, account.units["dynamodb.read"] - units)


def _journey_id(number: int) -> str:
    return stable_id("j", f"{number:06}")
