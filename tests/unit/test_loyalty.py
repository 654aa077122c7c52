"""Loyal only by attitude and behaviour and no new failure, each with its date. Silence is never loyal."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey import loyalty, people
from chalicelib.journey.effects import Decision, TellOthers
from chalicelib.journey.loyalty import PURCHASES_KEPT
from chalicelib.journey.state import Ending, Person, Purchase, Stage, Standing
from tests.unit.builders import MONDAY, History, customer, days

TUESDAY = MONDAY + days(1)


def content() -> History:
    history = History()
    history.asked()
    history.answers(csat=5)
    return history


def recovered() -> History:
    history = History()
    history.asked()
    history.answers(csat=1)
    history.recovers()
    return history


def test_a_recovered_customer_is_loyal_by_rating_recommendation_and_purchase():
    history = recovered()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=4)
    history.buys(after=days(20))
    assert history.journey.stage == Stage.CHECKING_IN
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=9)
    facts = ("csat 4 on 2026-06-16", "nps 9 on 2026-08-31", "bought on 2026-07-06", "no new failure since 2026-06-02")
    assert history.journey.endings == (Ending(Stage.LOYAL, TUESDAY + days(90), facts),)
    assert history.person.loyalty == Standing("confirmed", TUESDAY + days(90), facts, TUESDAY + days(90 + 365))
    assert (history.person.open_journeys, history.journey.wake_at) == ((), None)


def test_a_content_customer_is_loyal_by_survey_intention_and_purchase():
    history = content()
    history.rings_until(TUESDAY + days(45))
    history.answers("first_return", come_back=4)
    assert history.journey.stage == Stage.CHECKING_IN
    history.buys(after=days(5))
    facts = (
        "csat 5 on 2026-06-02",
        "come_back 4 on 2026-07-17",
        "bought on 2026-07-22",
        "no new failure since 2026-06-02",
    )
    assert history.journey.endings == (Ending(Stage.LOYAL, TUESDAY + days(50), facts),)


@pytest.mark.parametrize(
    ("attitude", "behaviour", "clean"),
    [(a, b, c) for a in (True, False) for b in (True, False) for c in (True, False)],
)
def test_attitude_and_behaviour_and_no_new_failure_all_three(attitude, behaviour, clean):
    history = content()
    if behaviour:
        history.buys(after=days(10))
    if not clean:
        failed = ("another journey", TUESDAY + days(1))
        history.person = replace(history.person, failures=(*history.person.failures, failed))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10 if attitude else 8)
    history.rings_until(TUESDAY + days(120))
    assert history.journey.stage == (Stage.LOYAL if attitude and behaviour and clean else Stage.UNKNOWN)


@pytest.mark.parametrize(
    ("said", "loyal"),
    [
        ({"nps": 9}, True),
        ({"nps": 8}, False),
        ({"come_back": 4}, True),
        ({"come_back": 3}, False),
        ({"nps": 8, "come_back": 5}, True),
        ({"csat": 5}, False),
    ],
)
def test_the_attitude_is_to_recommend_or_to_come_back(said, loyal):
    history = content()
    history.buys(after=days(10))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", **said)
    assert (history.journey.stage == Stage.LOYAL) is loyal


@pytest.mark.parametrize(("csat", "loyal"), [(4, True), (3, False)])
def test_the_attitude_is_to_be_satisfied_with_the_recovery_too(csat, loyal):
    history = recovered()
    history.buys(after=days(1))
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=csat)
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert (history.journey.stage == Stage.LOYAL) is loyal


def test_who_is_recovered_is_not_loyal_by_what_they_said_before():
    history = History()
    history.asked()
    history.answers(csat=5)
    history.answers(csat=1)
    history.recovers()
    history.buys(after=days(1))
    history.rings_until(TUESDAY + days(120))
    history.answers("loyalty", nps=10)
    assert history.journey.stage == Stage.UNKNOWN


def test_the_newest_word_is_the_one_that_counts():
    history = content()
    history.buys(after=days(1))
    history.answers(csat=3)
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert history.journey.stage == Stage.UNKNOWN


def test_a_suspect_answer_makes_nobody_loyal():
    history = content()
    history.buys(after=days(1))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10, suspect="decoy")
    assert history.journey.stage == Stage.CHECKING_IN


def test_an_attitude_of_the_first_fortnight_does_not_count():
    history = recovered()
    history.buys(after=days(1))
    history.rings_until(TUESDAY + days(2))
    history.answers("fix_holds", csat=5, nps=10)
    assert history.journey.stage == Stage.CHECKING_IN
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=5, come_back=5)
    assert history.journey.stage == Stage.LOYAL


def test_what_a_voucher_paid_does_not_count():
    history = content()
    history.buys(paid=False, after=days(10))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert history.journey.stage == Stage.UNKNOWN
    assert history.statuses()["first_return"] == "sent"


def test_what_was_bought_before_or_after_the_watch_does_not_count():
    history = content()
    history.person = replace(history.person, purchases=(Purchase(TUESDAY - days(1)), Purchase(TUESDAY)))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert history.journey.stage == Stage.UNKNOWN
    other = content()
    other.rings_until(TUESDAY + days(90))
    other.buys(after=days(1))
    other.answers("loyalty", nps=10)
    assert other.journey.stage == Stage.UNKNOWN


@pytest.mark.parametrize(("purchases", "loyal"), [(1, False), (2, True)])
def test_who_buys_every_few_weeks_must_come_back_twice(purchases, loyal):
    history = content()
    often = tuple(Purchase(TUESDAY - days(20 * n)) for n in (4, 3, 2, 1))
    history.person = replace(history.person, purchases=often)
    for _ in range(purchases):
        history.buys(after=days(20))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert (history.journey.stage == Stage.LOYAL) is loyal


def test_who_buys_once_a_month_or_less_must_come_back_once():
    history = content()
    seldom = tuple(Purchase(TUESDAY - days(30 * n)) for n in (4, 3, 2, 1))
    history.person = replace(history.person, purchases=seldom)
    history.buys(after=days(30))
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=10)
    assert history.journey.stage == Stage.LOYAL


def test_silence_is_never_loyal():
    """Satisfied once, buys every week, says no more: unknown."""
    history = content()
    for week in range(1, 13):
        history.rings_until(TUESDAY + days(7 * week))
        history.buys()
    history.rings_until(TUESDAY + days(400))
    assert history.journey.stage == Stage.UNKNOWN
    assert history.person.loyalty.state != "confirmed"


def test_a_purchase_that_confirms_nothing_yet_changes_nothing():
    history = content()
    history.waits(days(3))
    before = history.journey
    history.buys()
    last = history.decisions[-1]
    assert (last.journey, last.changed, last.note) == (before, False, "loyalty is not confirmed yet")


# -- the person's standing -------------------------------------------------------------------------------


def test_a_recovered_customer_who_is_satisfied_is_reassured_and_then_returns():
    history = recovered()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=4)
    rated = TUESDAY + days(14)
    assert history.person.loyalty == Standing("reassured", rated, ("csat 4 on 2026-06-16",), rated + days(365))
    history.buys(after=days(1))
    assert history.person.loyalty == Standing("returned", rated + days(1), ("bought on 2026-06-17",))


@pytest.mark.parametrize("csat", [3, 4])
def test_reassured_is_who_is_satisfied_with_the_recovery(csat):
    history = recovered()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=csat)
    assert history.person.loyalty.state == ("reassured" if csat == 4 else "recovering")


@pytest.mark.parametrize("state", ["reassured", "lost", "lapsed", "unknown"])
def test_who_was_away_and_buys_has_returned(state):
    person = Person(id="p-ada", loyalty=Standing(state, MONDAY))
    assert decided(person).person.loyalty == Standing("returned", TUESDAY, ("bought on 2026-06-02",))
    assert decided(person, paid=False).person.loyalty == person.loyalty


@pytest.mark.parametrize("standing", [Standing(), Standing("recovering", MONDAY), Standing("confirmed", MONDAY)])
def test_a_purchase_of_anybody_else_leaves_their_standing(standing):
    assert decided(Person(id="p-ada", loyalty=standing)).person.loyalty == standing


def decided(person: Person, *, paid: bool = True) -> Decision:
    event = e.PurchaseMade(
        event_id="purchase/b1", occurred_at=TUESDAY, customer=customer(), purchase_id="b1", paid=paid
    )
    return people.decide_person(person, event)


def test_a_purchase_is_kept_on_the_person_and_told_to_their_open_journeys():
    person = Person(id="p-ada", open_journeys=("j-1", "j-2"))
    assert decided(person) == Decision(
        journey=None,
        person=replace(person, customer=customer(), details_at=TUESDAY, purchases=(Purchase(TUESDAY),)),
        effects=(
            TellOthers(
                key=f"tell-{e.stable_id('', 'purchase/b1')}",
                person_id="p-ada",
                event=e.PurchaseNoted(event_id="purchase/b1", occurred_at=TUESDAY),
            ),
        ),
    )


def test_a_purchase_of_somebody_new_makes_a_person():
    assert decided(Person(id="")) == Decision(
        journey=None,
        person=Person(id="p-ada", customer=customer(), details_at=TUESDAY, purchases=(Purchase(TUESDAY),)),
    )


def test_purchases_are_kept_in_order_and_the_oldest_forgotten():
    person = Person(id="p")
    for n in (*range(PURCHASES_KEPT + 5), 2.5):
        person = loyalty.add_purchase(person, Purchase(MONDAY + days(n)))
    assert person.purchases == tuple(Purchase(MONDAY + days(n)) for n in range(5, PURCHASES_KEPT + 5))


def test_a_standing_expires():
    confirmed = Standing("confirmed", MONDAY, ("nps 9",), TUESDAY)
    assert confirmed.at(MONDAY) == confirmed
    assert confirmed.at(TUESDAY) == Standing("unknown", TUESDAY, ("confirmed expired",))
    assert Standing("lost", MONDAY).at(TUESDAY + days(9999)) == Standing("lost", MONDAY)
