"""What decisions change in the figures."""

from collections import Counter
from zoneinfo import ZoneInfo

from hypothesis import given, settings

from chalicelib.journey import events as e
from chalicelib.journey import tally
from chalicelib.journey.state import Journey
from tests.unit.builders import MONDAY, History, days, hours
from tests.unit.test_histories import HISTORIES, PATIENT
from tests.unit.world import Play, World

NEW_YORK = ZoneInfo("America/New_York")


class Counted(History):
    """A history that adds up what its decisions change."""

    def __init__(self, **changed) -> None:
        super().__init__(**changed)
        self.total: Counter[str] = Counter()
        self.tallies: list[tally.Tally] = []

    def happens(self, kind, **fields):
        before = self.journey
        decision = super().happens(kind, **fields)
        change = tally.of_decision(before, decision.journey, self.documents)
        if change is not None:
            self.tallies.append(change)
            for changes in change.days.values():
                self.total.update(changes)
        return decision

    def figures(self) -> dict[str, int]:
        """Return what is not zero."""
        return {measure: number for measure, number in sorted(self.total.items()) if number}


def asked() -> Counted:
    history = Counted()
    history.asked()
    return history


def test_a_content_answer_counts_as_one_survey_sent_and_answered_and_one_score_of_each_measure():
    history = asked()
    history.answers(csat=5, solved=1)
    assert history.figures() == {
        "answered/survey": 1,
        "begun": 1,
        "delivered/survey": 1,
        "score/survey/csat/5": 1,
        "score/survey/solved/1": 1,
        "sent/survey": 1,
        "unsent/reminder/answered": 1,
    }


def test_a_response_counts_on_the_day_on_which_its_survey_was_sent():
    history = asked()
    sent_on = history.now.astimezone(NEW_YORK).date().isoformat()
    history.waits(days(2))
    history.answers(csat=5)
    answered_on = history.now.astimezone(NEW_YORK).date().isoformat()
    assert history.tallies[-1].days == {
        sent_on: {"answered/survey": 1, "delivered/survey": 1},
        answered_on: {"score/survey/csat/5": 1, "unsent/reminder/answered": 1},
    }


def test_a_day_ends_at_midnight_where_the_staff_work():
    history = Counted()
    history.waits(hours(13.5))  # half past three on Tuesday in UTC, half past eleven on Monday night in New York
    history.resolved()
    assert [*history.tallies[-1].days] == [MONDAY.astimezone(NEW_YORK).date().isoformat()]


def test_a_suspect_answer_counts_in_no_figure_but_that_of_suspects():
    history = asked()
    before = history.figures()
    history.answers(csat=1, suspect="too_fast")
    assert history.figures() == before | {"suspect": 1}


def test_a_suspect_answer_that_a_person_confirms_counts_from_then_on_as_if_it_never_had_been_suspect():
    suspected, plain = asked(), asked()
    suspected.answers(csat=1, suspect="too_fast")
    suspected.judges("a1", person=True)
    plain.answers(csat=1)
    assert suspected.figures() == plain.figures()


def test_of_several_answers_to_one_question_the_first_counts():
    history = asked()
    history.answers(csat=4)
    history.answers(csat=5)
    assert {m: n for m, n in history.figures().items() if "csat" in m} == {"score/survey/csat/4": 1}
    assert history.total["answered/survey"] == 1


def test_a_negative_answer_and_its_recovery_count_once_each_however_grave_it_turns_out():
    history = asked()
    history.answers(csat=2)
    opened = {m: n for m, n in history.figures().items() if m.startswith("opened")}
    history.answers(csat=1, words="My lawyer will hear of this.")
    grave = {m: n for m, n in history.figures().items() if m.startswith("opened")}
    assert (opened, grave) == ({"opened/P3": 1}, {"opened/P1": 1})
    assert (history.total["negative"], history.total["recovered"]) == (2, 2)


def test_a_remark_is_a_negative_with_its_recovery_and_no_score():
    history = Counted()
    history.remarked()
    assert history.figures() == {"begun": 1, "negative": 1, "opened/P3": 1, "recovered": 1}


def test_a_bad_answer_that_is_carried_to_the_next_journey_counts_there():
    first = asked()
    first.reopened()
    first.answers(csat=1)
    counted = ("negative", "answered/survey", "score/survey/csat/1")
    assert [first.total[measure] for measure in counted] == [0, 1, 1]
    second = Counted(epoch=2)
    second.resolved()
    second.answers("survey", csat=1, from_journey=first.journey.id)
    assert (second.total["negative"], second.total["recovered"], second.total["score/survey/csat/1"]) == (1, 1, 0)


def test_steps_done_in_time_and_late_are_counted_and_a_relapse_takes_none_of_them_back():
    history = asked()
    history.answers(csat=2)
    history.staff("take")
    history.waits(days(9))
    history.staff("apologise")
    steps = {m: n for m, n in history.figures().items() if m.startswith("step/")}
    assert steps == {"step/take/on_time": 1, "step/apologise/late": 1}


def test_a_step_that_nobody_does_is_late_once_its_time_is_up_and_not_late_again_when_it_is_done():
    history = asked()
    history.answers(csat=2)
    history.rings_until(history.now + days(9))
    overdue = history.figures()
    history.staff("take")
    steps = {m: n for m, n in history.figures().items() if m.startswith("step/")}
    assert (overdue["step/take/late"], steps) == (1, {"step/take/late": 1})


def test_a_mail_that_came_back_was_sent_and_says_why_it_did_not_arrive():
    history = asked()
    history.happens(e.MailBounced, touch_id="survey", permanent=True, email="ada@example.com")
    assert {m: n for m, n in history.figures().items() if "survey" in m} == {
        "back/survey/hard_bounce": 1,
        "sent/survey": 1,
    }


def test_an_end_is_taken_back_when_the_journey_goes_on():
    history = asked()
    history.rings_until(history.now + days(30))
    assert history.total["outcome/unknown"] == 1
    history.answers(csat=1)
    assert (history.total["outcome/unknown"], history.total["opened/P2"]) == (0, 1)


def test_names_are_cut_and_put_on_one_line_and_what_has_none_says_so():
    history = Counted()
    history.resolved(team=" north \n east ", category="x" * 90)
    (change,) = history.tallies
    assert (change.team, change.category, change.channel) == ("north east", "x" * 60, "(none)")


def test_nothing_is_counted_of_a_journey_that_has_not_begun_nor_of_a_purchase():
    documents = Counted().documents
    assert tally.of_decision(Journey(id="j"), Journey(id="j", born_at=MONDAY), documents) is None
    assert tally.of_decision(Journey(id=""), None, documents) is None


class CountingWorld(World):
    """Adds up what every commit changes in the figures."""

    def __init__(self) -> None:
        super().__init__()
        self.total: Counter[tuple[str, str]] = Counter()
        #: What journeys counted for when their person was erased: it stays, without them.
        self.kept: Counter[tuple[str, str]] = Counter()

    def _commit(self, event, subject, decision):
        name = decision.journey.id if decision.journey else ""
        before = self.journeys.get(name, Journey(id=name))
        stored = super()._commit(event, subject, decision)
        change = tally.of_decision(before, decision.journey, self.documents) if stored else None
        if stored and decision.journey and decision.journey.erased_at and not before.erased_at:
            self.kept.update(tally.counts(before, NEW_YORK))
        for day, changes in (change.days if change else {}).items():
            self.total.update({(day, m): n for m, n in changes.items() if not m.startswith("step/")})
        return stored


@settings(PATIENT, max_examples=100)
@given(HISTORIES)
def test_whatever_happens_the_sum_of_all_changes_is_what_the_journeys_count_for(moves):
    world = CountingWorld()
    history = Play(world)
    for move in moves:
        history.move(*move)
    expected = Counter(world.kept)
    for journey in world.journeys.values():
        expected.update(tally.counts(journey, NEW_YORK))
    assert {k: n for k, n in world.total.items() if n} == dict(expected)
    negatives = sum(n for (_, measure), n in expected.items() if measure == "negative")
    assert sum(n for (_, measure), n in expected.items() if measure == "recovered") == negatives
