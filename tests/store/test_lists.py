"""The lists of the console: complete, in order, in pages, and at a cost that does not grow with the table."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.journey.effects import Decision
from chalicelib.journey.events import AlarmRang, Case, Customer
from chalicelib.journey.state import Journey, Person, Stage, Todo
from chalicelib.store import index, items
from chalicelib.store.items import Stored
from chalicelib.store.lists import COUNTED, KINDS, Count, Lists
from chalicelib.store.table import Table
from local.aws import Account
from local.provision import provision

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Desk:
    """A table that is written as the pipeline writes it, and the lists over it."""

    def __init__(self) -> None:
        self.account = Account(lambda: NOW)
        client, name = self.account.client("dynamodb"), provision(self.account, "dev")["TABLE"]
        self.client, self.name = client, name
        self.table, self.lists = Table(client, name), Lists(client, name)
        self._count = 0

    def put(self, journey: Journey | None = None, person: Person | None = None) -> None:
        self._count += 1
        event = AlarmRang(event_id=f"e{self._count}", occurred_at=NOW, journey_id=journey.id if journey else "")
        known = self.table.journey(journey.id) if journey else Stored(Journey(id=""), 0)
        before = self.table.person(person.id) if person else Stored(Person(id=""), 0)
        self.table.commit(event, known, before, Decision(journey, person), NOW, None)

    def shown(self, **wanted) -> list[str]:
        page = self.lists.todos(NOW, **wanted)
        return [one.todo.key for one in self.lists.listed(page)]


def todo(key: str, *, kind: str = "reply", days: float = 0, severity: str = "P3", who: str = "ana", **more) -> Todo:
    return Todo(
        key=key, kind=kind, reason=kind, severity=severity, who=who, raised_at=NOW - DAY, due=NOW + days * DAY, **more
    )


def journey(name: str, *todos: Todo, stage: Stage = Stage.ASKED, days: float = 0, case_id: str = "7") -> Journey:
    return Journey(
        id=name, stage=stage, born_at=NOW + days * DAY, todos=todos, person_id="p-ada", case=Case("desk", case_id, 1)
    )


def person(name: str, first: str, last: str, email: str = "") -> Person:
    return Person(id=name, customer=Customer(name, first_name=first, last_name=last, email=email))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_most_urgent_comes_first_and_graver_matters_count_as_due_earlier(desk):
    desk.put(journey("j1", todo("later", days=3), todo("overdue", days=-1)))
    desk.put(journey("j2", todo("grave", days=0.5, severity="P1"), todo("graver", days=-1, severity="P1")))
    assert desk.shown() == ["graver", "grave", "overdue", "later"]


def test_what_is_put_off_is_out_of_sight_until_its_date(desk):
    desk.put(journey("j1", todo("now"), todo("back", snoozed_until=NOW - DAY), todo("away", snoozed_until=NOW + DAY)))
    assert (desk.shown(), desk.lists.count_todos(NOW, who="ana")) == (["back", "now"], Count(2))
    assert [place.sk for place in desk.lists.todos(NOW + DAY).places][-1] == "TODO#reply#away"
    assert (desk.lists.count_todos(NOW + DAY, who="ana"), desk.lists.count_kinds(NOW + DAY)[""]) == (Count(3), Count(3))


def test_by_kind_and_by_who_the_lists_hold_exactly_what_is_counted(desk):
    desk.put(journey("j1", todo("a"), todo("b", kind="suspect", who="mei"), todo("c", kind="suspect")))
    desk.put(journey("j2", todo("d", kind="suspect", snoozed_until=NOW - DAY), todo("e", who="mei")))
    counts = desk.lists.count_kinds(NOW)
    assert {kind: count for kind, count in counts.items() if count.number} == {
        "": Count(5),
        "suspect": Count(3),
        "reply": Count(2),
    }
    assert [len(desk.shown(kind=kind)) for kind in ("", *KINDS)] == [counts[kind].number for kind in ("", *KINDS)]
    assert (desk.shown(who="mei"), desk.lists.count_todos(NOW, who="mei")) == (["b", "e"], Count(2))
    assert desk.shown(who="ana", kind="suspect") == ["d", "c"]
    hers = desk.lists.count_kinds(NOW, who="ana")
    assert {kind: count.number for kind, count in hers.items() if count.number} == {"": 3, "suspect": 2, "reply": 1}
    assert [len(desk.shown(who="ana", kind=kind)) for kind in ("", *KINDS)] == [hers[kind].number for kind in hers]


def test_beyond_ninety_nine_a_count_says_at_least(desk):
    for number in range(COUNTED + 1):
        desk.put(journey(f"j{number}", todo(f"t{number}")))
        if number == COUNTED - 1:
            assert desk.lists.count_kinds(NOW)["reply"] == desk.lists.count_todos(NOW, who="ana") == Count(99)
    desk.put(journey("back", todo("back", kind="suspect", snoozed_until=NOW - DAY)))
    everybodys, hers = desk.lists.count_kinds(NOW), desk.lists.count_kinds(NOW, who="ana")
    assert [everybodys[kind] for kind in ("", "reply", "suspect")] == [Count(99, False), Count(99, False), Count(1)]
    assert [hers[kind] for kind in ("", "suspect")] == [Count(99, False), Count(1, False)]
    assert desk.lists.count_todos(NOW, who="ana") == Count(99, False)


def test_those_of_one_kind_among_very_many_of_one_member_are_all_found_piece_by_piece(desk):
    for number in range(2 * COUNTED + 50):
        put_off = {"snoozed_until": NOW - number * DAY} if number % 7 == 0 else {}
        kind = "lost" if number % 70 in {0, 69} else "reply"
        desk.put(journey(f"j{number}", todo(f"t{number}", kind=kind, days=number % 9, **put_off)))
    for kind, limit in (("lost", 25), ("lost", 1), ("reply", 50), ("suspect", 25)):
        expected = [place for place in _whole(desk, who="ana") if place.sk.split("#")[1] == kind]
        assert _whole(desk, who="ana", kind=kind, limit=limit) == expected
    assert len(_whole(desk, who="ana", kind="lost")) == 7


def _whole(desk: Desk, **wanted) -> list:
    """Every entry of a list, page by page."""
    page = desk.lists.todos(NOW, **wanted)
    found = [*page.places]
    while page.cursor:
        page = desk.lists.todos(NOW, cursor=page.cursor, **wanted)
        found += page.places
    return found


def test_what_is_settled_or_changes_hands_leaves_its_lists(desk):
    desk.put(journey("j1", todo("a"), todo("b")))
    desk.put(journey("j1", todo("a", who="mei")))
    assert (desk.shown(), desk.shown(who="ana"), desk.shown(who="mei")) == (["a"], [], ["a"])


def test_pages_follow_each_other_without_gaps_or_doubles(desk):
    for number in range(40):
        put_off = {"snoozed_until": NOW - number * DAY} if number % 5 == 0 else {}
        desk.put(journey(f"j{number}", todo(f"t{number}", days=number % 7, **put_off)))
    whole = _whole(desk, limit=7)
    assert [place.at for place in whole] == sorted(place.at for place in whole)
    assert len({(place.pk, place.sk) for place in whole}) == len(whole) == 40


def test_journeys_are_listed_newest_first_whole_or_by_stage_and_by_case(desk):
    for number in range(9):
        stage = Stage.LOYAL if number % 3 == 0 else Stage.ASKED
        desk.put(journey(f"j{number}", days=number, stage=stage, case_id=f"c{number % 2}"))
    newest = [journey.id for journey in desk.lists.read_journeys([p.pk for p in desk.lists.journeys(limit=4).places])]
    assert newest == ["j8", "j7", "j6", "j5"]
    second = desk.lists.journeys(cursor=desk.lists.journeys(limit=4).cursor, limit=4)
    assert [place.pk for place in second.places] == ["J#j4", "J#j3", "J#j2", "J#j1"]
    assert [place.pk for place in desk.lists.journeys(stage="loyal").places] == ["J#j6", "J#j3", "J#j0"]
    assert [place.pk for place in desk.lists.of_case("c1").places] == ["J#j7", "J#j5", "J#j3", "J#j1"]


def test_a_person_is_found_by_the_beginning_of_any_part_of_their_name_without_regard_to_accents(desk):
    desk.put(person=person("p1", "Émilie", "du Châtelet"))
    desk.put(person=person("p2", "Emil", "Noether"))
    assert [place.pk for place in desk.lists.named("EMIL").places] == ["P#p2", "P#p1"]
    assert [place.pk for place in desk.lists.named("chat").places] == ["P#p1"]
    assert [place.pk for place in desk.lists.named("émilie  du").places] == ["P#p1"]
    assert [place.pk for place in desk.lists.named("noether e").places] == ["P#p2"]
    assert desk.lists.named("e").places == desk.lists.named("").places == ()


def test_names_are_found_in_every_script_and_a_name_of_one_letter_by_that_letter(desk):
    desk.put(person=person("p1", "Иван", "Петров"))
    desk.put(person=person("p2", "小明", "王"))
    desk.put(person=person("p3", "ليلى", "حداد"))
    beginnings = {"ив": "P#p1", "петр": "P#p1", "王": "P#p2", "小明": "P#p2", "لي": "P#p3", "حداد ل": "P#p3"}
    assert {name: [place.pk for place in desk.lists.named(name).places] for name in beginnings} == {
        name: [pk] for name, pk in beginnings.items()
    }


def test_who_changes_their_name_is_found_by_the_new_one_alone_and_by_either_address(desk):
    desk.put(person=person("p1", "Ada", "Byron", "ada@byron.example.com"))
    desk.put(person=person("p1", "Ada", "King", "ada@king.example.com"))
    assert [len(desk.lists.named(name).places) for name in ("byron", "king", "ada")] == [0, 1, 1]
    addresses = ("ADA@byron.example.com", "ada@king.example.com", "ada@example.com")
    assert [len(desk.lists.of_address(address).places) for address in addresses] == [1, 1, 0]


def test_who_was_erased_is_found_by_nothing(desk):
    desk.put(person=person("p1", "Ada", "Byron", "ada@byron.example.com"))
    desk.put(person=Person(id="p1", erased_at=NOW))
    assert desk.lists.named("ada").places == desk.lists.of_address("ada@byron.example.com").places == ()
    desk.put(journey("j1", todo("a")))
    desk.put(Journey(id="j1", stage=Stage.UNKNOWN, erased_at=NOW))
    assert desk.lists.journeys().places == desk.lists.todos(NOW).places == desk.lists.of_case("7").places == ()


def test_a_wake_up_that_nobody_saw_to_is_stuck(desk):
    late = Journey(id="late", stage=Stage.ASKED, born_at=NOW - DAY, wake_at=NOW - timedelta(hours=1))
    fresh = Journey(id="fresh", stage=Stage.ASKED, born_at=NOW - DAY, wake_at=NOW - timedelta(minutes=12))
    desk.put(late)
    desk.put(fresh)
    assert [(one.pk, one.sk) for one in desk.lists.stuck(NOW)] == [("J#late", "STATE")]


# -- what a page costs -----------------------------------------------------------------------------------

#: Requests of each list, whatever stands in the table; the docs state the same (docs/architecture.md).
COSTS = {
    "today, all": (lambda lists: lists.listed(lists.todos(NOW)), 7),
    "today, mine of a kind": (lambda lists: lists.listed(lists.todos(NOW, who="ana", kind="suspect")), 4),
    "today, of a kind": (lambda lists: lists.listed(lists.todos(NOW, kind="suspect")), 4),
    "today, mine": (lambda lists: lists.listed(lists.todos(NOW, who="ana")), 4),
    "the counts": (lambda lists: lists.count_kinds(NOW), 13),
    "the counts of one": (lambda lists: lists.count_kinds(NOW, who="ana"), 2),
    "mine counted": (lambda lists: lists.count_todos(NOW, who="ana"), 2),
    "stuck": (lambda lists: lists.stuck(NOW), 4),
    "journeys": (lambda lists: lists.read_journeys([p.pk for p in lists.journeys().places]), 5),
    "journeys of a stage": (lambda lists: lists.read_journeys([p.pk for p in lists.journeys(stage="asked").places]), 5),
    "a name": (lambda lists: lists.persons({p.pk[2:].split("#")[0] for p in lists.named("ad").places}), 2),
    "an address": (lambda lists: lists.of_address("ada1@example.com"), 1),
    "a case": (lambda lists: lists.of_case("c1"), 1),
}


def filled(journeys: int) -> Desk:
    """A table of so many journeys and persons; one in five needs somebody: a hundred of each kind at 6,000."""
    desk = Desk()
    for number in range(journeys):
        needs = (todo(f"t{number:06}", days=number % 9, kind=KINDS[number // 5 % 12]),) if number % 5 == 0 else ()
        one = journey(f"j{number:06}", *needs, days=-(number % 300), case_id=f"c{number}")
        who = person(f"p{number:06}", "Ada" if number % 50 == 0 else "Bo", "Byron", f"ada{number}@example.com")
        stored = [
            {**items.journey_item(one, 1, None), **index.of_journey(one)},
            items.person_item(who, 1),
            *index.changed_todos(Journey(id=one.id), one, NOW),
            *index.changed_person(Person(id=who.id), who, NOW),
        ]
        for item in stored:
            desk.client.put_item(TableName=desk.name, Item=item)
    return desk


def cost(desk: Desk, act) -> tuple[int, float]:
    calls, units = sum(desk.account.calls.values()), desk.account.units["dynamodb.read"]
    act(desk.lists)
    return sum(desk.account.calls.values()) - calls, desk.account.units["dynamodb.read"] - units


def test_every_list_costs_the_requests_that_are_stated_at_a_thousand_journeys():
    desk = filled(1_000)
    assert {name: cost(desk, act)[0] for name, (act, _) in COSTS.items()} == {
        name: requests for name, (_, requests) in COSTS.items()
    }


@pytest.mark.slow
def test_at_a_hundred_thousand_journeys_every_list_costs_what_it_costs_at_ten_thousand():
    few, many = filled(10_000), filled(100_000)
    assert {name: cost(many, act) for name, (act, _) in COSTS.items()} == {
        name: cost(few, act) for name, (act, _) in COSTS.items()
    }
