"""The person across their journeys: whom a newer source knows better."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey import people
from chalicelib.journey.state import Person
from tests.unit.builders import MONDAY, History, case, customer, days

TUESDAY = MONDAY + days(1)


def known(person: Person, at, **details) -> Person:
    """The person after a case of theirs was resolved at that instant."""
    history = History(case_id=f"case-{at}", person=person)
    history.happens(e.CaseResolved, at=at, case=case(f"case-{at}"), customer=customer(**details))
    return history.person


def test_newer_details_win():
    person = known(known(Person(id=""), MONDAY), TUESDAY, email="ada@new.example.com", zone="Asia/Tokyo")
    assert (person.customer, person.details_at) == (customer(email="ada@new.example.com", zone="Asia/Tokyo"), TUESDAY)


def test_older_details_never_overwrite():
    person = known(Person(id=""), TUESDAY, first_name="Augusta")
    assert replace(known(person, MONDAY, email="old@example.com"), open_journeys=()) == replace(
        person, open_journeys=()
    )


def test_what_a_newer_source_leaves_out_keeps_its_old_value():
    person = known(known(Person(id=""), MONDAY), TUESDAY, email="ada@new.example.com", zone="", locale="", last_name="")
    assert person.customer == customer(email="ada@new.example.com")


def test_an_older_source_fills_what_was_unknown():
    person = known(known(Person(id=""), TUESDAY, zone="", last_name=""), MONDAY, email="old@example.com")
    assert (person.customer, person.details_at) == (customer(), TUESDAY)


def test_details_at_the_same_instant_are_the_later_told():
    person = known(known(Person(id=""), MONDAY), MONDAY, first_name="Augusta")
    assert person.customer == customer(first_name="Augusta")


def test_a_source_without_an_address_does_not_date_the_details():
    person = known(known(Person(id=""), MONDAY), MONDAY + days(9), email="")
    assert (person.customer, person.details_at) == (customer(), MONDAY)
    assert known(person, TUESDAY, email="ada@new.example.com").email == "ada@new.example.com"


def bought(person: Person, at, *, paid: bool = True, **details) -> Person:
    event = e.PurchaseMade(
        event_id=f"purchase/{at}", occurred_at=at, customer=customer(**details), purchase_id=str(at), paid=paid
    )
    return people.decide_person(person, event).person


def test_a_shop_knows_the_customer_too():
    person = bought(known(Person(id=""), MONDAY), TUESDAY, email="ada@shop.example.com")
    assert (person.email, person.details_at) == ("ada@shop.example.com", TUESDAY)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_purchases_are_in_order_of_time_however_they_are_told(order):
    person = Person(id="")
    for number in order:
        person = bought(person, MONDAY + days(number), paid=number != 1)
    assert [(one.at, one.paid) for one in person.purchases] == [
        (MONDAY, True),
        (MONDAY + days(1), False),
        (MONDAY + days(2), True),
    ]


def test_a_second_journey_joins_the_first_on_the_same_person():
    first = History(case_id="1")
    first.resolved()
    second = History(case_id="2", person=first.person)
    second.resolved()
    assert second.person.open_journeys == (first.journey.id, second.journey.id)
    assert second.person.id == first.person.id == "p-ada"


def test_a_journey_pins_the_documents_with_which_it_starts():
    history = History(cadence_version=7, playbook_version=9)
    history.resolved()
    assert (history.journey.cadence, history.journey.playbook) == (("rhythm", 7), ("standard", 9))
