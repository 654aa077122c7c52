"""The cadence after the survey or the recovery: when customers are asked again, and when no more."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import cadence
from chalicelib.journey import events as e
from chalicelib.journey.documents import Step
from chalicelib.journey.loyalty import Rhythm, rhythm
from chalicelib.journey.state import Ending, Person, Purchase, Stage, Touch
from tests.unit.builders import MONDAY, History, days, hours, mails

TUESDAY = MONDAY + days(1)


def content(*, bought_every: float | None = None) -> History:
    """A content customer, who has bought four times before, if at all."""
    history = History()
    history.asked()
    if bought_every is not None:
        bought = tuple(Purchase(TUESDAY - days(n * bought_every)) for n in (4, 3, 2, 1))
        history.person = replace(history.person, purchases=bought)
    history.answers(csat=5)
    return history


def recovered() -> History:
    history = History()
    history.asked()
    history.answers(csat=1)
    history.recovers()
    return history


def planned(history: History) -> dict[str, float]:
    """How many days after the anchor each check-in is due."""
    return {t.id: (t.due_at - TUESDAY) / days(1) for t in history.journey.touches if t.kind == "check-in"}


# -- the plan --------------------------------------------------------------------------------------------


def test_a_recovered_customer_is_asked_four_times_from_the_delivery():
    history = recovered()
    assert planned(history) == {"fix_holds": 2, "recovery_rating": 14, "first_return": 45, "loyalty": 90}
    assert history.touch("recovery_rating") == Touch(
        id="recovery_rating",
        kind="check-in",
        step="recovery_rating",
        due_at=TUESDAY + days(14),
        latest_at=TUESDAY + days(28),
        window=days(14),
        recovery=1,
    )
    assert (history.journey.track, history.journey.anchor) == ("after_recovery", TUESDAY)
    assert history.journey.watch_until == TUESDAY + days(90)


def test_a_content_customer_is_asked_twice_from_their_answer():
    history = content()
    assert planned(history) == {"first_return": 45, "loyalty": 90}
    assert (history.journey.track, history.journey.anchor) == ("after_content_answer", TUESDAY)
    assert history.journey.watch_until == TUESDAY + days(90)


@pytest.mark.parametrize(
    ("every", "first_return", "loyalty", "watched"),
    [
        (None, 45, 90, 90),
        (50, 50, 60, 60),  # never before the lower bound
        (70, 70, 70, 70),
        (10, 30, 60, 60),
        (400, 180, 365, 365),  # never after the upper
    ],
)
def test_who_has_a_rhythm_of_buying_is_asked_by_it_within_bounds(every, first_return, loyalty, watched):
    history = content(bought_every=every)
    assert planned(history) == {"first_return": first_return, "loyalty": loyalty}
    assert history.journey.watch_until == TUESDAY + days(watched)


def test_a_rhythm_is_known_from_the_second_gap_on():
    gaps = (10, 20, 30, 40, 100)
    bought = [Purchase(MONDAY)]
    for gap in gaps:
        bought.append(Purchase(bought[-1].at + days(gap)))
    assert [rhythm(tuple(bought[:n])) for n in range(7)] == [
        None,
        None,
        None,
        Rhythm(median=days(15), p80=days(20)),
        Rhythm(median=days(20), p80=days(30)),
        Rhythm(median=days(25), p80=days(40)),
        Rhythm(median=days(30), p80=days(40)),
    ]
    assert rhythm((*bought[:3], *bought[:3])) == rhythm(tuple(bought[:3]))


def test_a_step_may_follow_the_rhythm_unbounded():
    step = Step(id="x", after="p80_ipt", ask=(), opening="?", latest_useful="P1D", unknown="P77D")
    often = Person(id="p", purchases=tuple(Purchase(MONDAY + days(n)) for n in (0, 1, 5)))
    assert (cadence.delay(step, often), cadence.delay(step, Person(id="p"))) == (days(4), days(77))


def test_a_check_in_is_due_when_the_customer_is_awake():
    history = History()
    history.asked()
    history.waits(hours(12))  # ten in the evening
    history.answers(csat=5)
    assert history.touch("first_return").due_at == TUESDAY + days(45) + hours(23)


# -- asking ----------------------------------------------------------------------------------------------


def test_a_check_in_goes_on_its_day_and_its_answer_is_kept():
    history = recovered()
    history.rings_until(TUESDAY + days(2))
    assert history.touch("fix_holds").sent_at == TUESDAY + days(2)
    history.answers("fix_holds", solved=1)
    assert (history.journey.stage, history.touch("fix_holds").status) == (Stage.CHECKING_IN, "answered")


def test_whether_the_fix_holds_is_asked_before_the_recovery_is_closed_and_the_rest_waits_for_that():
    history = History()
    history.asked()
    history.answers(csat=1)
    history.recovers(until="deliver")
    history.rings_until(TUESDAY + days(20))
    assert history.touch("fix_holds").sent_at == TUESDAY + days(2)
    rating = history.touch("recovery_rating")
    assert (rating.status, rating.held, rating.due_at) == ("planned", "recovery_open", TUESDAY + days(21))


def test_who_has_come_back_is_not_asked_whether_they_will():
    history = content()
    history.buys(after=days(10))
    history.rings_until(TUESDAY + days(50))
    assert history.statuses()["first_return"] == "purchase_seen"


def test_check_ins_stop_two_unanswered_then_a_person_tries_once():
    history = recovered()
    history.rings_until(TUESDAY + days(27))
    assert history.all_notices()[-1] != ("jonas", "human_try")
    history.rings_until(TUESDAY + days(28))
    assert history.all_notices()[-1] == ("jonas", "human_try")
    statuses = history.statuses()
    assert [statuses[step] for step in ("fix_holds", "recovery_rating", "first_return", "loyalty")] == [
        "sent",
        "sent",
        "two_unanswered",
        "two_unanswered",
    ]
    assert history.journey.stage == Stage.CHECKING_IN
    history.rings_until(TUESDAY + days(90))
    assert sum(why == "human_try" for _, why in history.all_notices()) == 1
    fact = "0 of 2 check-ins answered, loyalty not confirmed; purchases watched until 2026-08-31"
    assert history.journey.endings == (Ending(Stage.UNKNOWN, TUESDAY + days(90), (fact,)),)
    assert (history.person.loyalty.state, history.person.loyalty.facts) == ("unknown", (fact,))


def test_a_check_in_that_falls_due_as_the_second_stays_unanswered_is_not_even_owed():
    history = recovered()
    history.rings_until(TUESDAY + days(27))
    late = history.happens(e.AlarmRang, at=TUESDAY + days(45))
    assert (mails(late), history.statuses()["first_return"]) == ([], "two_unanswered")


def test_an_answer_between_two_unanswered_starts_the_count_again():
    history = recovered()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=4)
    history.rings_until(TUESDAY + days(89))
    assert history.statuses()["first_return"] == "sent"
    assert ("jonas", "human_try") not in history.all_notices()
    history.rings_until(TUESDAY + days(120))
    assert history.statuses()["loyalty"] == "sent"
    assert ("jonas", "human_try") in history.all_notices()


def test_everything_asked_and_answered_but_not_bought_is_unknown_when_the_watch_ends():
    history = content()
    history.rings_until(TUESDAY + days(45))
    history.answers("first_return", come_back=5)
    history.rings_until(TUESDAY + days(90))
    assert history.journey.stage == Stage.CHECKING_IN
    history.answers("loyalty", nps=10)
    fact = "2 of 2 check-ins answered, loyalty not confirmed; purchases watched until 2026-08-31"
    assert history.journey.endings == (Ending(Stage.UNKNOWN, TUESDAY + days(90), (fact,)),)


def test_a_check_in_that_is_not_sent_ends_the_journey_when_nothing_else_is_left():
    history = content()
    history.rings_until(TUESDAY + days(45))
    history.answers("first_return", come_back=4)
    history.rings_until(TUESDAY + days(90), mails=False)
    assert history.due() == ["loyalty"]
    history.person = replace(history.person, customer=replace(history.person.customer, email=""))
    history.mails()
    assert (history.journey.stage, history.statuses()["loyalty"]) == (Stage.UNKNOWN, "no_address")


def test_a_lukewarm_check_in_is_a_persons_look_and_no_relapse():
    history = recovered()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=3)
    assert (history.journey.stage, history.notices()) == (Stage.CHECKING_IN, [("samir", "lukewarm")])


def test_a_bad_check_in_of_a_content_customer_is_a_relapse():
    history = content()
    history.rings_until(TUESDAY + days(90))
    history.answers("loyalty", nps=2)
    assert (history.recovery.severity, history.recovery.why) == ("P1", "relapse")


def test_a_late_answer_to_a_check_in_counts_as_one():
    history = recovered()
    history.rings_until(TUESDAY + days(30))
    history.answers("recovery_rating", csat=4)
    assert history.person.loyalty.state == "reassured"
