"""What needs a person: raised where staff are told, settled by what settles it, taken, put off, handed over, done."""

import pytest
from msgspec.structs import replace

from chalicelib.effects import letters
from chalicelib.journey import attention, machine, people, playbook, todos
from chalicelib.journey import events as e
from chalicelib.journey.effects import Decision
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import Journey, Person, Stage
from tests.unit.builders import MONDAY, STEPS, History, days, hours, shipped


def recovering() -> History:
    history = History()
    history.asked()
    history.answers(csat=1, words="It broke.")
    return history


def lukewarm() -> History:
    history = History()
    history.asked()
    history.answers(csat=3)
    return history


def attend(history: History, what: str, **fields) -> Decision:
    fields = {"by": "mei", "todo": history.journey.todos[0].key} | fields
    return history.happens(e.AttentionGiven, what=what, **fields)


def shown(history: History) -> list[tuple]:
    return [(todo.kind, todo.reason, todo.severity, todo.who) for todo in history.journey.todos]


def test_an_open_recovery_is_one_to_do_that_says_what_is_next_and_until_when():
    history = recovering()
    owner = history.journey.recovery.owner
    assert shown(history) == [("recovery", "take", "P2", owner)]
    assert history.journey.todos[0].due > history.now
    history.staff("take", by=owner)
    assert shown(history) == [("recovery", "apologise", "P2", owner)]
    assert history.journey.todos[0].taken_at == history.now


def test_while_the_customers_word_is_awaited_the_to_do_says_so_and_a_no_asks_for_better():
    history = recovering()
    for act in ("take", "apologise", "propose"):
        history.staff(act)
    proposal = history.journey.recovery.proposal
    todo = history.journey.todos[0]
    assert (todo.reason, todo.due) == ("customer_word", proposal.proposed_at + days(3))
    history.says("falls_short")
    assert history.journey.todos[0].reason == "better_proposal"


def test_a_closed_recovery_needs_nobody_any_more():
    history = recovering()
    for act in STEPS:
        history.staff(act)
        if act == "propose":
            history.says("meets")
    assert shown(history) == []


def test_a_lukewarm_answer_stands_until_somebody_has_seen_to_it():
    history = lukewarm()
    assert shown(history) == [("lukewarm", "lukewarm", "P3", "samir")]
    attend(history, "take")
    assert (shown(history), history.journey.todos[0].taken_at) == (
        [("lukewarm", "lukewarm", "P3", "mei")],
        history.now,
    )
    attend(history, "done", note="Rang them: all is well.")
    assert shown(history) == []


def test_a_lukewarm_answer_is_settled_by_a_recovery_that_opens_after_it():
    history = lukewarm()
    history.waits(hours(1))
    history.answers(csat=1)
    assert [todo.kind for todo in history.journey.todos] == ["recovery"]


def test_to_take_a_recovery_is_the_first_step_of_its_playbook():
    history = recovering()
    attend(history, "take", by="jonas")
    recovery = history.journey.recovery
    assert (recovery.owner, recovery.when("take"), shown(history)[0][1:]) == (
        "jonas",
        history.now,
        ("apologise", "P2", "jonas"),
    )


def test_who_presses_on_a_page_that_somebody_else_has_overtaken_is_told_whose_it_is():
    history = lukewarm()
    seen = attention.mark(history.journey.todos[0])
    attend(history, "take", by="mei", seen=seen)
    for what in ("take", "done", "snooze", "hand_over"):
        with pytest.raises(ActRefused, match="Mei Tanaka has taken it") as refused:
            attend(history, what, by="samir", to="samir", until=history.now + days(1), seen=seen)
        assert refused.value.reason == "changed_meanwhile"
    attend(history, "take", by="samir", seen=attention.mark(history.journey.todos[0]))
    assert history.journey.todos[0].who == "samir"


def test_an_act_on_a_page_that_somebody_else_has_overtaken_does_nothing():
    history = recovering()
    for act in ("take", "apologise", "propose"):
        seen = playbook.mark(history.journey.recovery)
        history.staff(act, seen=seen)
        with pytest.raises(ActRefused, match="has changed since you looked"):
            history.staff(act, by="samir", seen=seen)
    assert len(history.journey.recovery.proposals) == 1


def test_what_is_handed_over_is_told_to_who_gets_it_and_is_nobodys_yet():
    history = lukewarm()
    attend(history, "take")
    attend(history, "hand_over", to="ana")
    assert (history.notices(), shown(history)[0][3], history.journey.todos[0].taken_at) == (
        [("ana", "handed_over")],
        "ana",
        None,
    )


def test_what_is_put_off_keeps_its_due_instant_and_comes_back():
    history = lukewarm()
    due = history.journey.todos[0].due
    attend(history, "snooze", until=history.now + days(2))
    todo = history.journey.todos[0]
    assert (todo.snoozed_until, todo.due) == (history.now + days(2), due)


def test_a_recovery_that_was_put_off_is_seen_again_as_soon_as_it_changes():
    history = recovering()
    attend(history, "snooze", until=history.now + days(2))
    assert history.journey.todos[0].snoozed_until == history.now + days(2)
    history.staff("take", by=history.journey.recovery.owner)
    assert history.journey.todos[0].snoozed_until is None


@pytest.mark.parametrize(
    ("what", "fields", "why"),
    [
        ("snooze", {"until": None}, "past_date"),
        ("snooze", {"until": MONDAY - days(1)}, "past_date"),
        ("snooze", {"until": MONDAY + days(365)}, "too_far"),
        ("take", {"by": "nobody"}, "unknown_staff"),
        ("hand_over", {"to": "nobody"}, "unknown_staff"),
        ("done", {"todo": "gone"}, "settled"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(what, fields, why):
    history = lukewarm()
    with pytest.raises(ActRefused) as refused:
        attend(history, what, **fields)
    assert refused.value.reason == why


def test_a_recovery_is_not_done_by_a_press_but_step_by_step():
    with pytest.raises(ActRefused) as refused:
        attend(recovering(), "done")
    assert refused.value.reason == "recovery"


def test_every_reason_of_which_staff_are_told_raises_something_or_is_said_to_need_nothing_more():
    assert set(letters.REASONS) <= set(todos.SORTS) | todos.NOTHING_MORE


def test_of_one_kind_a_journey_holds_no_more_than_its_item_can_bear():
    found = ()
    for number in range(20):
        found = todos.raised(found, f"reply-{number}", "ana", "reply", "", None, MONDAY, shipped())
    assert len(found) == todos.MOST_OF_A_KIND


# -- stop, resume, forget --------------------------------------------------------------------------------


def test_a_stopped_journey_sends_nothing_more_and_goes_on_where_it_was():
    history = History()
    history.resolved()
    planned = history.touch("survey")
    history.happens(e.JourneyStopped, by="samir", why="They rang.")
    assert (history.journey.stage, history.statuses()) == (Stage.UNKNOWN, {"survey": "stopped"})
    assert history.journey.endings[-1].facts == ("stopped by samir on 2026-06-01",)
    history.waits(hours(1))
    history.happens(e.JourneyResumed, by="samir")
    assert (history.journey.stage, history.touch("survey")) == (Stage.WAITING, planned)


def test_while_a_recovery_is_open_a_journey_cannot_be_stopped():
    history = recovering()
    with pytest.raises(ActRefused) as refused:
        history.happens(e.JourneyStopped, by="samir", why="!")
    assert refused.value.reason == "recovery_open"


def test_of_a_forgotten_journey_only_the_outcome_is_left_and_nothing_happens_in_it_any_more():
    history = recovering()
    history.happens(e.PersonErased)
    gone = history.journey
    assert gone == Journey(id=gone.id, stage=Stage.OPTED_OUT, endings=gone.endings, erased_at=history.now)
    assert (gone.endings[0].outcome, gone.endings[0].facts) == (Stage.OPTED_OUT, ("erased on 2026-06-02",))
    history.answers(csat=1, words="Are you there?")
    assert history.journey == gone


def test_an_answer_carried_to_a_forgotten_journey_goes_back_to_where_it_was_given():
    history = recovering()
    history.happens(e.PersonErased)
    gone = history.journey
    carried = {"answer_id": "late", "touch_id": "survey", "scores": {"csat": 1}, "words": "Still broken."}
    [back] = history.happens(e.AnswerGiven, event_id="late/2", from_journey="jearlier", **carried).effects
    back_there = {"event_id": "late/2/returned", "journey_id": "jearlier", "returned": True}
    given = e.AnswerGiven(occurred_at=history.now, **back_there, **carried)
    assert (history.journey, back.event) == (gone, given)


def test_what_waits_for_a_beginning_is_forgotten_and_the_journey_may_still_begin():
    history = History(epoch=2)
    history.happens(e.AnswerGiven, answer_id="late", touch_id="survey", scores={"csat": 1}, from_journey="jearlier")
    history.happens(e.PersonErased)
    assert history.journey == Journey(id=history.journey.id)
    history.resolved()
    assert (history.journey.stage, history.journey.answers) == (Stage.WAITING, ())


def test_who_asks_to_be_forgotten_is_blank_from_that_commit_on():
    history = recovering()
    ask = e.ErasureAsked(event_id="erase", occurred_at=history.now, person_id=history.person.id, by="ines")
    decision = people.decide_person(history.person, ask)
    assert decision.person == Person(id=history.person.id, erased_at=history.now)
    assert [effect.key for effect in decision.effects] == ["erase"]
    assert not people.decide_person(decision.person, ask).changed


def test_a_corrected_address_leaves_the_bounce_of_the_old_one_behind():
    history = History()
    history.asked()
    history.happens(e.MailBounced, touch_id="survey", permanent=True, email=history.person.email)
    assert history.person.suppressed is not None
    right = e.AddressCorrected(
        event_id="right", occurred_at=history.now, person_id=history.person.id, email="ada@right.example.com", by="ana"
    )
    person = people.decide_person(history.person, right).person
    assert (person.email, person.suppressed) == ("ada@right.example.com", None)


@pytest.mark.parametrize("kind", e.ALL)
def test_every_fact_can_be_kept_without_saying_who_it_was_about(kind):
    values = {
        "event_id": "x", "journey_id": "j", "person_id": "p", "occurred_at": MONDAY, "case": e.Case("desk", "4711", 1),
        "customer": e.Customer("p-ada", email="canary@example.com"), "scores": {"csat": 1}, "until": MONDAY,
        "permanent": True, "recovery": 1, "proposal": 1, "word": "meets", "scope": "asks", "act": "take",
        "what": "take", "paid": True, "kept": True, "human": True,
    }  # fmt: skip
    reasons = {e.CaseWithdrawn: "spam", e.PersonSilenced: "opted_out"}
    fields = {
        name: values.get(name, reasons.get(kind, "canary"))
        for name in kind.__struct_fields__
        if name in values or name in kind.__struct_fields__[: -len(kind.__struct_defaults__) or None]
    }
    told = kind(**fields)
    blank = e.redacted(told)
    assert (type(blank), blank.event_id, blank.occurred_at) == (kind, "x", MONDAY)
    assert e.load(e.dump(blank)) == blank
    assert b"canary" not in e.dump(blank).replace(b'"touch_id":"canary"', b"").replace(
        b'"answer_id":"canary"', b""
    ).replace(b'"message_id":"canary"', b"").replace(b'"todo":"canary"', b"").replace(b'"reason":"canary"', b"")


def test_goodwill_on_the_spot_stands_in_the_ledger_at_once_and_above_the_mandate_it_is_refused():
    history = History()
    logged = e.FailureLogged(
        event_id="logged/1", occurred_at=MONDAY, journey_id="jremark", case=e.Case("counter", "1", 1, kind="remark"),
        customer=e.Customer("p-ada", email="ada@example.com"), words="An hour!", logged_by="mei", gesture="20.00",
        currency="EUR",
    )  # fmt: skip
    decision = machine.decide(Journey(id="jremark"), Person(id=""), logged, history.documents)
    line = decision.journey.recoveries[0].redress[0]
    assert (line.kind, line.amount, line.currency, line.by) == ("goodwill", "20.00", "EUR", "mei")
    with pytest.raises(ActRefused, match="up to 250 EUR"):
        machine.decide(Journey(id="jremark"), Person(id=""), replace(logged, gesture="250.01"), history.documents)
