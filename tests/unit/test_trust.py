"""Which answers look automatic, and what becomes of them: nobody unhappy is lost, and no machine starts a recovery."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.journey import documents, trust
from chalicelib.journey.documents import Trust
from chalicelib.journey.errors import BadDocument
from chalicelib.journey.events import Evidence
from chalicelib.journey.state import Stage
from tests.unit.builders import History, days, hours, raw

CUSTOMER, SCANNER = "c-customer", "c-scanner"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def asked() -> History:
    """A survey went out an hour ago, and the rules are those that ship."""
    history = History(trust=Trust())
    history.asked()
    history.waits(hours(1))
    return history


def seen(history: History, *, ago: float = 30, client: str = CUSTOMER, **more) -> Evidence:
    return Evidence(shown_at=history.now - seconds(ago), client=client, **more)


def press(history: History, *, ago: float = 30, client: str = CUSTOMER, words: str = "", **scores) -> None:
    history.answers(words=words, evidence=seen(history, ago=ago, client=client), **scores)


def kept(history: History) -> list[tuple[dict[str, int], str, int, int]]:
    return [(a.scores, a.suspect, a.revision, a.recovery) for a in history.journey.answers]


def doubt(history: History) -> list[str]:
    return [answer.suspect for answer in history.journey.answers]


# -- each sign of a machine ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "suspect"), [(0, "too_soon_after_delivery"), (4.9, "too_soon_after_delivery"), (5, "")]
)
def test_sooner_after_its_mail_than_a_person_reads(after, suspect):
    history = History(trust=Trust())
    history.asked()
    history.waits(seconds(after))
    press(history, csat=1)
    assert doubt(history) == [suspect]


@pytest.mark.parametrize(("ago", "suspect"), [(30, ""), (1.5, "too_soon_after_delivery")])
def test_a_reminder_that_arrives_while_the_page_is_open_says_nothing_of_who_opened_it_before(ago, suspect):
    """The survey's mail led there, days ago; but a page that was opened after the reminder arrived came by that one."""
    history = History(trust=Trust())
    history.asked()
    history.rings()
    assert history.mails() == ["reminder"]
    history.waits(seconds(2))
    press(history, ago=ago, csat=1)
    assert doubt(history) == [suspect]


def test_a_delivery_that_becomes_known_later_makes_no_honest_answer_suspect():
    history = asked()
    history.rings()
    history.mails()
    history.answers(csat=1, at=history.now - hours(2), evidence=Evidence(shown_at=history.now - hours(3)))
    assert doubt(history) == [""]


@pytest.mark.parametrize(("after", "suspect"), [(0, "too_soon_after_view"), (0.9, "too_soon_after_view"), (1, "")])
def test_sooner_after_the_page_was_shown_than_a_person_can_press(after, suspect):
    history = asked()
    press(history, ago=after, csat=1)
    assert doubt(history) == [suspect]


@pytest.mark.parametrize(
    ("evidence", "suspect"),
    [
        ({"decoy_at": 119}, "decoy"),
        ({"decoy_at": 121}, ""),
        ({"decoy_at": 86_400, "decoy_same_at": 86_400}, "decoy"),
    ],
    ids=["just before", "by another, long before", "by the same, long before"],
)
def test_a_link_that_no_person_can_see_was_opened(evidence, suspect):
    history = asked()
    instants = {name: history.now - seconds(ago) for name, ago in evidence.items()}
    history.answers(csat=1, evidence=seen(history, **instants))
    assert doubt(history) == [suspect]


def test_different_ratings_within_seconds_are_suspect_from_the_second_on():
    history = asked()
    for csat in (5, 1, 3):
        press(history, csat=csat)
        history.waits(seconds(2))
    assert doubt(history) == ["", "many_ratings", "many_ratings"]
    assert history.journey.recoveries == ()


def test_the_same_rating_within_seconds_is_no_sign():
    history = asked()
    for words in ("Good", "Good!"):
        press(history, csat=5, words=words)
    assert [(a.suspect, a.revision) for a in history.journey.answers] == [("", 0), ("", 1)]


def test_a_scanner_that_comes_back_after_the_customer_changes_nothing():
    """odoo/odoo#262262: a filter opens the link, and 35 seconds after the customer posts another rating."""
    history = asked()
    press(history, csat=5, solved=1)
    before = history.journey
    history.waits(seconds(35))
    press(history, ago=300, client=SCANNER, csat=1)
    assert kept(history) == [({"csat": 5, "solved": 1}, "", 0, 0), ({"csat": 1}, "another_client", 0, 0)]
    assert (history.journey.stage, history.journey.touches) == (before.stage, before.touches)
    assert history.notices() == [("samir", "suspect_negative")]


def test_a_scanner_that_praises_after_a_bad_answer_undoes_nothing():
    history = asked()
    press(history, csat=1)
    history.waits(seconds(35))
    press(history, client=SCANNER, csat=5)
    assert kept(history) == [({"csat": 1}, "", 0, 1), ({"csat": 5}, "another_client", 0, 0)]
    assert (history.journey.stage, history.recovery.is_open) == (Stage.RECOVERING, True)


def test_who_corrects_themselves_a_minute_later_gets_a_recovery():
    history = asked()
    press(history, csat=4)
    history.waits(seconds(60))
    press(history, csat=1, words="I meant one")
    assert kept(history) == [({"csat": 4}, "", 0, 0), ({"csat": 1}, "", 1, 1)]
    assert history.journey.stage == Stage.RECOVERING


def test_a_colleague_to_whom_the_mail_was_forwarded_is_heard_as_a_revision():
    history = asked()
    press(history, csat=5)
    history.waits(hours(20))
    press(history, client="c-colleague", csat=2, words="It does not work for me")
    assert kept(history) == [({"csat": 5}, "", 0, 0), ({"csat": 2}, "", 1, 1)]


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1)], ids=["bad first", "good first"])
def test_who_presses_everything_starts_no_recovery_and_one_person_looks(order):
    history = asked()
    for csat in order:
        press(history, ago=0.2, client=SCANNER, csat=csat)
        history.waits(seconds(0.3))
    assert all(doubt(history))
    assert (history.journey.recoveries, history.journey.stage) == ((), Stage.ASKED)
    assert history.all_notices() == [("samir", "suspect_negative")]
    assert history.journey.touch("survey").answered_at is None, "the customer is still asked, and reminded"


def test_doubtful_words_of_praise_reach_a_person_too():
    history = asked()
    press(history, ago=0, csat=5, words="Never again!")
    assert history.notices() == [("samir", "suspect_words")]


def test_doubtful_praise_without_a_word_needs_nobody():
    history = asked()
    press(history, ago=0, csat=5)
    assert history.notices() == []


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3600),  # seconds since the last press
            st.floats(0, 600),  # seconds since its page was shown
            st.sampled_from((CUSTOMER, SCANNER, "")),
            st.integers(1, 5),
            st.none() | st.floats(0, 600),  # seconds since a decoy was opened
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_is_pressed_each_bad_answer_has_one_recovery_or_a_persons_look(presses):
    history = asked()
    looks = 0
    for wait, shown, client, csat, decoy in presses:
        history.waits(seconds(wait))
        decoy_at = history.now - seconds(decoy) if decoy is not None else None
        history.answers(csat=csat, evidence=seen(history, ago=shown, client=client, decoy_at=decoy_at))
        looks += ("samir", "suspect_negative") in history.notices()
        last = history.journey.answers[-1]
        assert last.suspect in {"", *trust.SUSPICIONS}
        assert bool(last.recovery) == (last.negative and not last.suspect)
    waiting = [a for a in history.journey.answers if a.waits and a.negative]
    assert looks == bool(waiting)
    assert len(history.journey.answers) == len(presses), "nothing is dropped"


# -- a person looks --------------------------------------------------------------------------------------


def suspected(**scores) -> History:
    history = asked()
    press(history, ago=0, words="Broken", **(scores or {"csat": 1}))
    history.waits(hours(2))
    return history


def test_a_person_who_says_that_it_was_one_opens_the_recovery():
    history = suspected()
    history.judges("a1", person=True)
    (answer,) = history.journey.answers
    assert (answer.judged, answer.judged_by, answer.judged_at, answer.counts) == ("person", "samir", history.now, True)
    assert (answer.recovery, history.journey.stage) == (1, Stage.RECOVERING)
    assert history.touch("survey").status == "answered"
    assert history.due() == ["acknowledgement-1"]


def test_a_person_who_says_that_it_was_a_machine_settles_it():
    history = suspected()
    history.judges("a1", person=False)
    (answer,) = history.journey.answers
    assert (answer.judged, answer.counts, answer.waits) == ("machine", False, False)
    assert (history.journey.stage, history.journey.recoveries) == (Stage.ASKED, ())


def test_good_words_that_were_a_persons_count_from_then_on():
    history = suspected(csat=5)
    history.judges("a1", person=True)
    assert (history.journey.stage, history.journey.answers[0].counts) == (Stage.CHECKING_IN, True)


def test_good_words_before_the_news_that_the_survey_was_sent_count_too():
    history = History(trust=Trust())
    history.resolved()
    press(history, ago=0, csat=5, words="Thank you")
    assert history.journey.stage == Stage.WAITING
    history.judges("a1", person=True)
    assert history.journey.stage == Stage.CHECKING_IN


@pytest.mark.parametrize("second", [True, False])
def test_the_first_judgement_stands(second):
    history = suspected()
    history.judges("a1", person=False)
    decision = history.judges("a1", person=second)
    assert (decision.changed, history.journey.answers[0].judged) == (False, "machine")


def test_what_is_not_suspect_cannot_be_judged_away():
    history = asked()
    press(history, csat=1)
    assert not history.judges("a1", person=False).changed
    assert not history.judges("nothing", person=False).changed


def test_a_judgement_after_the_journey_ended_reopens_it():
    history = suspected()
    history.rings_until(history.now + days(30))
    assert history.journey.stage == Stage.UNKNOWN
    history.judges("a1", person=True)
    assert (history.journey.stage, history.journey.answers[0].recovery) == (Stage.RECOVERING, 1)


def test_a_judged_answer_to_a_superseded_survey_goes_to_the_journey_that_followed():
    history = suspected()
    history.reopened()
    decision = history.judges("a1", person=True)
    (told,) = [effect.event for effect in decision.effects if effect.key.startswith("tell-")]
    assert (told.answer_id, told.scores, told.words, told.suspect) == ("a1", {"csat": 1}, "Broken", "")
    assert (told.from_journey, history.journey.stage) == (history.journey.id, Stage.SUPERSEDED)
    following = History(epoch=2, trust=Trust())
    following.resolved()
    following.happens(type(told), event_id=told.event_id, **_fields(told))
    assert following.journey.stage == Stage.RECOVERING


def _fields(event) -> dict:
    return {name: getattr(event, name) for name in ("answer_id", "touch_id", "scores", "words", "from_journey")}


def test_a_judged_answer_about_a_withdrawn_case_has_its_recovery_there():
    history = suspected()
    history.withdrawn()
    history.judges("a1", person=True)
    assert (history.journey.stage, history.journey.answers[0].recovery) == (Stage.RECOVERING, 1)


def test_a_second_machine_after_a_judgement_is_looked_at_again():
    history = suspected()
    history.judges("a1", person=False)
    press(history, ago=0, csat=2)
    assert history.notices() == [("samir", "suspect_negative")]


# -- words without a rating ------------------------------------------------------------------------------


def test_words_alone_are_read_by_a_person_and_leave_the_question_open():
    history = asked()
    history.answers(words="Where is my refund?")
    assert history.notices() == [("samir", "words_alone")]
    assert (history.touch("survey").answered_at, history.journey.stage) == (None, Stage.ASKED)


def test_words_after_the_journey_ended_are_read_by_a_person():
    history = asked()
    history.rings_until(history.now + days(30))
    history.answers(words="I never got it.")
    assert history.notices() == [("samir", "words_alone")]
    assert history.journey.stage == Stage.UNKNOWN


# -- the rules are a document ----------------------------------------------------------------------------


def test_every_threshold_is_the_leads():
    history = History(trust=replace(Trust(), after_view="PT2S"))
    history.asked()
    history.waits(hours(1))
    press(history, ago=1.5, csat=1)
    assert doubt(history) == ["too_soon_after_view"]


@pytest.mark.parametrize("name", Trust.__struct_fields__)
def test_a_threshold_that_is_no_duration_is_refused_by_its_name(name):
    settings = json.loads(raw("settings")) | {"trust": {name: "soon"}}
    with pytest.raises(BadDocument, match=rf"\$\.trust\.{name}"):
        documents.read("settings", json.dumps(settings).encode())
