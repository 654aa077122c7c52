from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from chalicelib.journey import budget
from chalicelib.journey import events as e
from chalicelib.journey.budget import Drop, Send, Wait
from chalicelib.journey.state import (
    Answer,
    Contact,
    Journey,
    Person,
    Purchase,
    Stage,
    Suppression,
    Touch,
)
from tests.unit.builders import MONDAY, History, customer, days, hours, shipped

NOW = MONDAY + days(10)  # a Thursday, ten in the morning in New York


def touch(kind: str = "survey", **fields) -> Touch:
    name = fields.pop("id", kind)
    return Touch(**{"id": name, "kind": kind, "due_at": NOW, "latest_at": NOW + days(14), "owed_at": NOW} | fields)


def check_in(step: str = "loyalty", **fields) -> Touch:
    return touch("check-in", id=step, step=step, **fields)


def journey(*touches: Touch, **fields) -> Journey:
    known = {"id": "j-this", "stage": Stage.WAITING, "person_id": "p-ada", "touches": touches}
    return Journey(**known | fields)


def person(**fields) -> Person:
    return Person(**{"id": "p-ada", "customer": customer()} | fields)


def contact(kind: str, ago, *, journey_id: str = "j-other", touch_id: str = "") -> Contact:
    return Contact(at=NOW - ago, kind=kind, journey_id=journey_id, touch_id=touch_id or kind)


def weigh(mail: Touch, who: Person | None = None, of: Journey | None = None, *, at: datetime = NOW, **changed):
    documents = replace(shipped(), settings=changed_settings(**changed))
    return budget.weigh(mail, of or journey(mail), who or person(), documents, at)


def changed_settings(**fatigue):
    settings = shipped().settings
    return replace(settings, fatigue=replace(settings.fatigue, **fatigue))


ASKS = [touch("survey"), touch("reminder"), check_in()]
NEWS = [touch("update"), touch("thank-you")]
RESPONSES = [touch("acknowledgement"), touch("apology"), touch("proposal")]
EVERY = [*ASKS, *NEWS, *RESPONSES]


def named(mail: Touch) -> str:
    return mail.kind


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_what_nothing_speaks_against_is_sent(mail):
    assert weigh(mail) == Send()


# -- what stops a mail for good --------------------------------------------------------------------------


@pytest.mark.parametrize("mail", EVERY, ids=named)
@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (person(customer=None), "no_address"),
        (person(customer=customer(email="")), "no_address"),
        (person(suppression=Suppression("ada@example.com", "hard_bounce", NOW)), "hard_bounce"),
        (person(suppression=Suppression("ada@example.com", "complaint", NOW)), "complaint"),
        (person(suppression=Suppression("Ada@Example.com", "complaint", NOW)), "complaint"),
        (person(suppression=Suppression("ada@example.com", "opted_out", NOW)), "opted_out"),
        (person(no_mail_since=NOW), "opted_out"),
    ],
)
def test_nothing_at_all_goes_where_no_mail_may_go(mail, who, reason):
    assert weigh(mail, who) == Drop(reason)


def test_a_new_address_is_not_silenced_by_the_old_ones_bounce():
    assert weigh(touch(), person(suppression=Suppression("old@example.com", "hard_bounce", NOW))) == Send()


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_who_opted_out_of_asks_still_gets_what_a_person_writes(mail):
    expected = Send() if mail in RESPONSES else Drop("opted_out")
    assert weigh(mail, person(no_asks_since=NOW)) == expected


@pytest.mark.parametrize("mail", EVERY, ids=named)
@pytest.mark.parametrize(
    ("stage", "reason"),
    [(Stage.SUPERSEDED, "case_reopened"), (Stage.UNKNOWN, "journey_over"), (Stage.LOYAL, "journey_over")],
)
def test_an_ended_journey_sends_nothing_but_what_was_promised_in_person(mail, stage, reason):
    expected = Send() if mail in RESPONSES else Drop(reason)
    assert weigh(mail, of=journey(mail, stage=stage)) == expected


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_a_mail_that_was_answered_or_given_up_is_not_sent(mail):
    assert weigh(replace(mail, answered_at=NOW)) == Drop("answered")
    assert weigh(replace(mail, not_sent_at=NOW, reason="relapse")) == Drop("relapse")


def test_a_reminder_of_an_answered_survey_is_not_sent():
    mail = touch("reminder")
    said = Answer(id="a1", touch_id="survey", at=NOW, scores={"csat": 4})
    assert weigh(mail, of=journey(mail, answers=(said,))) == Drop("answered")
    other = replace(said, touch_id="loyalty")
    assert weigh(mail, of=journey(mail, answers=(other,))) == Send()


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_an_open_recovery_drops_surveys_holds_check_ins_and_lets_the_rest_go(mail):
    busy = person(open_recoveries=("j-other",))
    verdicts = {"survey": Drop("recovery_open"), "reminder": Drop("recovery_open")}
    verdicts["check-in"] = Wait(NOW + days(1), "recovery_open")
    assert weigh(mail, busy) == verdicts.get(mail.kind, Send())


@pytest.mark.parametrize(
    ("purchases", "expected"),
    [
        ((), Send()),
        ((Purchase(NOW - days(5)),), Drop("purchase_seen")),
        ((Purchase(NOW - days(5), paid=False),), Send()),
        ((Purchase(NOW - days(40)),), Send()),
    ],
)
def test_who_has_come_back_and_paid_is_not_asked_whether_they_will(purchases, expected):
    mail = check_in("first_return")
    of = journey(mail, stage=Stage.CHECKING_IN, anchor=NOW - days(30))
    assert weigh(mail, person(purchases=purchases), of) == expected
    assert weigh(check_in("loyalty"), person(purchases=purchases), of) == Send()


@pytest.mark.parametrize("sent", [3, 4])
def test_no_failure_has_more_check_ins_than_the_settings_allow(sent):
    mail = check_in("loyalty", recovery=1)
    earlier = [check_in(f"c{n}", recovery=1, sent_at=NOW - days(20)) for n in range(sent)]
    another = check_in("x", recovery=2, sent_at=NOW - days(20))
    planned = check_in("y", recovery=1, owed_at=None)
    of = journey(mail, another, planned, *earlier, stage=Stage.CHECKING_IN)
    assert weigh(mail, of=of) == (Send() if sent < 4 else Drop("checkin_cap"))


# -- the latest useful time ------------------------------------------------------------------------------


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_after_its_latest_useful_time_a_mail_is_given_up_with_what_held_it(mail):
    late = replace(mail, latest_at=NOW)
    assert weigh(late, at=NOW) == Send()
    assert weigh(late, at=NOW + hours(0.01)) == Drop("too_late")
    assert weigh(replace(late, held="contact_gap"), at=NOW + hours(0.01)) == Drop("contact_gap")


@pytest.mark.parametrize("mail", [*ASKS, *NEWS], ids=named)
def test_what_could_only_go_after_its_latest_useful_time_is_given_up_at_once(mail):
    until = NOW + days(3)
    assert weigh(replace(mail, latest_at=until), person(paused_until=until)) == Wait(until, "paused")
    assert weigh(replace(mail, latest_at=until - hours(1)), person(paused_until=until)) == Drop("paused")


# -- what makes a mail wait ------------------------------------------------------------------------------


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_at_night_only_a_response_goes(mail):
    night = datetime(2026, 6, 12, 3, tzinfo=UTC)  # eleven in the evening in New York
    morning = Wait(datetime(2026, 6, 12, 13, tzinfo=UTC), "waking_hours")
    assert weigh(mail, at=night) == (Send() if mail in RESPONSES else morning)
    assert weigh(replace(mail, latest_at=night + hours(1)), at=night) == (
        Send() if mail in RESPONSES else Drop("waking_hours")
    )


def test_the_hours_are_the_customers_own_or_the_deployments_where_theirs_are_unknown():
    evening_in_auckland = datetime(2026, 6, 11, 9, tzinfo=UTC)
    zones = {
        zone: weigh(touch(due_at=evening_in_auckland), person(customer=customer(zone=zone)), at=evening_in_auckland)
        for zone in ("Pacific/Auckland", "Europe/Berlin", "", "Mars/Olympus")
    }
    assert zones == {
        "Pacific/Auckland": Wait(datetime(2026, 6, 11, 21, tzinfo=UTC), "waking_hours"),
        "Europe/Berlin": Send(),
        "": Wait(datetime(2026, 6, 11, 13, tzinfo=UTC), "waking_hours"),
        "Mars/Olympus": Wait(datetime(2026, 6, 11, 13, tzinfo=UTC), "waking_hours"),
    }


@pytest.mark.parametrize("mail", EVERY, ids=named)
def test_a_pause_holds_asks_and_news(mail):
    until = NOW + days(5)
    assert weigh(mail, person(paused_until=until)) == (Send() if mail in RESPONSES else Wait(until, "paused"))
    assert weigh(mail, person(paused_until=NOW)) == Send()


@pytest.mark.parametrize("mail", [*ASKS, *NEWS], ids=named)
def test_a_mail_waits_for_its_own_day(mail):
    until = NOW + days(2)
    assert weigh(replace(mail, due_at=until)) == Wait(until, "waking_hours")
    assert weigh(replace(mail, due_at=until, held="survey_gap")) == Wait(until, "survey_gap")


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (touch("survey"), Wait(NOW + days(9), "survey_gap")),
        (touch("reminder"), Send()),
        (check_in(), Send()),
        (touch("thank-you"), Send()),
        (touch("apology"), Send()),
    ],
    ids=["survey", "reminder", "check-in", "thank-you", "apology"],
)
def test_between_two_surveys_there_are_thirty_days(mail, expected):
    assert weigh(mail, person(contacts=(contact("survey", days(21)),))) == expected


@pytest.mark.parametrize("kind", ["survey", "reminder", "check-in", "update", "thank-you"])
def test_between_two_automatic_mails_there_are_seven_days(kind):
    recent = person(contacts=(contact(kind, days(4)),))
    waits = Wait(NOW + days(3), "checkin_gap" if kind == "check-in" else "contact_gap")
    assert weigh(check_in(), recent) == waits
    assert weigh(touch("survey", latest_at=NOW + days(30)), recent) == (
        Wait(NOW + days(26), "survey_gap") if kind == "survey" else Wait(NOW + days(3), "contact_gap")
    )
    assert [weigh(mail, recent) for mail in (touch("reminder"), *NEWS, *RESPONSES)] == [Send()] * 6


def test_check_ins_have_a_gap_of_their_own():
    recent = person(contacts=(contact("check-in", days(9)),))
    assert weigh(check_in(), recent) == Send()
    assert weigh(check_in(), recent, checkin_gap="P12D") == Wait(NOW + days(3), "checkin_gap")
    assert weigh(touch("survey"), recent, checkin_gap="P12D") == Send()


def test_whether_the_fix_holds_is_asked_whatever_else_was_sent_or_is_open():
    crowded = person(
        open_recoveries=("j-this",),
        contacts=(contact("survey", days(1)), contact("check-in", days(1)), contact("thank-you", hours(2))),
    )
    mail = check_in("fix_holds", recovery=1)
    assert weigh(mail, crowded, journey(mail, stage=Stage.RECOVERING)) == Send()


def test_that_the_fix_holds_was_asked_counts_against_the_next_mail():
    recent = person(contacts=(contact("check-in", days(4), touch_id="fix_holds"),))
    assert weigh(touch("survey"), recent) == Wait(NOW + days(3), "contact_gap")


@pytest.mark.parametrize("kind", ["survey", "reminder"])
def test_six_surveys_and_reminders_a_year_are_enough(kind):
    full = [contact(("survey", "reminder")[n % 2], days(360 - 30 * n), touch_id=f"t{n}") for n in range(6)]
    mail = touch(kind)
    assert weigh(mail, person(contacts=tuple(full))) == Wait(NOW + days(5), "yearly_cap")
    assert weigh(mail, person(contacts=tuple(full[1:]))) == Send()
    assert weigh(check_in(), person(contacts=tuple(full))) == Send()


def test_the_cap_counts_the_last_year_only():
    full = [contact("survey", days(366 - 40 * n), touch_id=f"t{n}") for n in range(6)]
    assert weigh(touch(), person(contacts=tuple(full))) == Send()


def test_of_several_rules_the_one_that_holds_longest_gives_the_reason():
    crowded = person(paused_until=NOW + days(2), contacts=(contact("check-in", days(4)), contact("survey", days(20))))
    assert weigh(touch(), crowded) == Wait(NOW + days(10), "survey_gap")


def test_what_waits_waits_until_the_customer_is_awake():
    night = NOW + hours(14)  # midnight in New York
    assert weigh(touch(), person(paused_until=night)) == Wait(NOW + hours(23), "paused")


def test_a_mails_own_claim_on_the_budget_is_never_held_against_it():
    mine = contact("survey", hours(1), journey_id="j-this")
    assert weigh(touch("survey"), person(contacts=(mine,))) == Send()


# -- the purse -------------------------------------------------------------------------------------------


def test_a_sent_mail_is_counted_once():
    mail, of = touch("survey"), journey()
    once = budget.spend(person(), mail, of, NOW)
    assert once == person(contacts=(Contact(at=NOW, kind="survey", journey_id="j-this", touch_id="survey"),))
    assert budget.spend(once, mail, of, NOW) == once


@pytest.mark.parametrize("mail", RESPONSES, ids=named)
def test_a_response_costs_nothing(mail):
    assert budget.spend(person(), mail, journey(), NOW) == person()


def test_what_did_not_go_is_given_back():
    before = person(contacts=(contact("survey", days(40)),))
    mail, of = check_in(), journey()
    assert budget.refund(budget.spend(before, mail, of, NOW), mail, of) == before


def test_contacts_older_than_a_year_are_forgotten():
    old, recent = contact("survey", days(367)), contact("survey", days(366), touch_id="s2")
    after = budget.spend(person(contacts=(old, recent)), check_in(), journey(), NOW)
    assert [one.touch_id for one in after.contacts] == ["s2", "loyalty"]


# -- every reason ----------------------------------------------------------------------------------------

#: Reasons that decide gives at the event itself: the tests of their subjects show them.
_GIVEN_BY_EVENTS = {
    "stopped",
    *("case_withdrawn", "no_human_exchange", "two_unanswered", "relapse", "refused", "unknown_outcome", "soft_bounce"),
    *("mailbox_full", "content_refused", "breaker", "fuse_contact", "fuse_deployment", "allowlist"),
}


def test_every_reason_is_given_by_some_rule_and_explained_in_a_sentence():
    given = {
        *("answered", "case_reopened", "journey_over", "no_address", "hard_bounce", "complaint", "opted_out", "paused"),
        *("recovery_open", "survey_gap", "contact_gap", "checkin_gap", "yearly_cap", "checkin_cap", "waking_hours"),
        *("too_late", "purchase_seen"),
    }
    assert set(budget.REASONS) == given | _GIVEN_BY_EVENTS
    assert [why for why in budget.REASONS.values() if not (why[0].isupper() and why.endswith("."))] == []


def test_a_second_survey_within_its_latest_useful_time_goes_when_the_gap_is_over():
    first = History(case_id="1")
    first.asked()
    second = History(case_id="2", person=first.person)
    second.waits(days(20))
    second.resolved()
    second.rings()
    assert second.touch("survey") == replace(
        second.touch("survey"), due_at=first.now + days(30), held="survey_gap", owed_at=None, not_sent_at=None
    )
    second.rings()
    assert second.mails() == ["survey"]


def test_a_second_survey_that_could_only_go_too_late_is_given_up():
    first = History(case_id="1")
    first.asked()
    second = History(case_id="2", person=first.person)
    second.waits(days(3))
    second.resolved()
    second.rings()
    assert (second.journey.stage, second.statuses()) == (Stage.UNKNOWN, {"survey": "survey_gap"})


def test_without_gaps_two_surveys_go_on_the_same_day():
    first = History(case_id="1")
    first.asked()
    free = changed_settings(survey_gap="P0D", any_gap="P0D", checkin_gap="P0D")
    second = History(case_id="2", person=first.person, settings=free)
    second.asked()
    assert [one.journey_id for one in second.person.contacts] == [first.journey.id, second.journey.id]


def test_a_customer_is_who_the_helpdesk_says():
    assert e.person_id_of("ada", "x@example.com") == e.person_id_of("ada", "")
    assert e.person_id_of("", "Ada@Example.com") == e.person_id_of("", "ada@example.com")
