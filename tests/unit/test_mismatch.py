"""A good score with angry words is put before a person; nobody else is bothered."""

import importlib.util
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.effects import sentiment
from chalicelib.journey import events as e
from chalicelib.journey import mismatch
from chalicelib.journey.documents import Mismatch
from chalicelib.journey.effects import NotifyStaff, SetAlarm, WeighWords
from chalicelib.journey.state import Answer, Person, Stage
from tests.unit.builders import MONDAY, History, customer, days

TUESDAY = MONDAY + days(1)
ROOT = Path(__file__).parents[2]
ANGRY = "Terrible, rude and useless. I hated every minute."
KIND = "Lovely people, thank you so much!"


def answered(locale: str = "en-GB", **said) -> History:
    history = History()
    history.asked()
    history.person = replace(history.person, customer=customer(locale=locale))
    history.answers(**said)
    return history


def owed(history: History) -> list:
    return [effect for effect in history.decisions[-1].effects if not isinstance(effect, SetAlarm)]


def weighed(history: History, compound: float, answer_id: str = "a1"):
    return history.happens(e.WordsWeighed, answer_id=answer_id, compound=compound, by="test 1")


def test_the_words_beside_a_good_score_are_weighed_by_the_worker():
    history = answered(csat=5, words=ANGRY)
    assert owed(history) == [WeighWords(key="weigh-a1", journey_id=history.journey.id, answer_id="a1")]
    assert history.journey.stage == Stage.CHECKING_IN


def test_angry_words_are_put_before_a_lead_within_one_business_day():
    history = answered(csat=5, words=ANGRY)
    decision = weighed(history, -0.3)
    assert decision.effects == (
        NotifyStaff(
            key="notice-mismatch-a1-samir",
            journey_id=history.journey.id,
            staff_id="samir",
            reason="mismatch",
            about="a1",
            due=TUESDAY + days(1),
        ),
    )
    assert history.journey.answers == (
        Answer(id="a1", touch_id="survey", at=TUESDAY, scores={"csat": 5}, words=ANGRY, compound=-0.3),
    )
    assert history.journey.recoveries == ()


def test_words_that_do_not_sound_angry_wake_nobody_but_are_kept_with_their_weight():
    history = answered(csat=5, words=KIND)
    decision = weighed(history, -0.29)
    assert (decision.effects, history.journey.answers[0].compound, history.notices()) == ((), -0.29, [])


def test_weighed_twice_is_weighed_once():
    history = answered(csat=5, words=ANGRY)
    weighed(history, -0.9)
    again = weighed(history, -0.9)
    assert (again.changed, again.effects) == (False, ())


def test_words_of_an_answer_that_is_not_here_change_nothing():
    assert weighed(answered(csat=5, words=ANGRY), -0.9, answer_id="another").changed is False


def test_a_telling_phrase_needs_no_weighing():
    history = answered(csat=5, words="All fine I suppose, but I will NEVER  again\nshop here.")
    assert [type(effect) for effect in owed(history)] == [NotifyStaff]
    assert history.notices() == [("samir", "mismatch")]


@pytest.mark.parametrize(
    ("said", "locale"),
    [
        ({"csat": 5}, "en"),  # no words
        ({"csat": 5, "words": ANGRY}, "de-DE"),
        ({"csat": 5, "words": "never again"}, "fr"),
        ({"csat": 2, "words": ANGRY}, "en"),  # has its recovery
        ({"csat": 3, "words": ANGRY}, "en"),  # lukewarm: a person looks already
        ({"csat": 5, "solved": 1, "words": "fraud, never again"}, "en"),  # urgent words: a person looks already
        ({"words": ANGRY}, "en"),  # no score that could be good
        ({"csat": 5, "words": ANGRY, "suspect": "too_fast"}, "en"),
    ],
)
def test_nothing_is_weighed_where_a_person_looks_anyway_or_the_language_is_not_english(said, locale):
    history = answered(locale, **said)
    assert [effect for effect in owed(history) if isinstance(effect, WeighWords)] == []
    assert ("samir", "mismatch") not in history.notices()


@pytest.mark.parametrize("locale", ["", "en", "EN", "en-US", "en_GB"])
def test_english_or_unknown_languages_are_read(locale):
    assert mismatch.reads_english(Person(id="p", customer=customer(locale=locale)))


@pytest.mark.parametrize("locale", ["de", "eng", "pt-BR", "ja", "ar"])
def test_other_languages_are_not(locale):
    assert not mismatch.reads_english(Person(id="p", customer=customer(locale=locale)))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("what a rip-off", True),
        ("I’m not happy", True),
        ("unhappy", True),
        ("so happy", False),
        ("nothing to discuss", False),
        ("he was scampering about", True),  # the beginning of a word is enough: a person looks, no more
    ],
)
def test_phrases_stand_at_the_beginning_of_a_word_whatever_the_dashes(words, found):
    assert mismatch.has_phrase(words, Mismatch()) is found


def test_the_shipped_document_says_what_holds_where_a_document_says_nothing():
    assert History().documents.cadence.weighing.mismatch == Mismatch()


def test_the_library_tells_anger_from_thanks():
    assert sentiment.compound(ANGRY) < -0.3 < 0.3 < sentiment.compound(KIND)
    assert sentiment.version() == "nltk-vader-sentiment 1.0.0"


@pytest.mark.parametrize("words", ["", "\x00", "!" * 8000, "a " * 4000, "😡" * 4000, "\ud800", "ひどい"])
def test_any_words_have_a_weight(words):
    assert -1 <= sentiment.compound(words) <= 1


# -- the published figures -------------------------------------------------------------------------------


def _benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_of_sentiment", ROOT / "benchmarks" / "sentiment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_published_figures_are_those_of_the_shipped_rule():
    shipped = next(iter(_benchmark().table()))
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    shown = [f"{shipped[name]:.1%}" for name in ("precision", "recall", "false_alarms")]
    assert (shipped["found"], shipped["right"]) == (231, 225)
    assert [figure for figure in shown if figure not in text] == []


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1)]
)
def test_wilsons_interval_is_as_published(hits, of, low, high):
    """Figures: Newcombe, Statistics in Medicine 17 (1998), method 3, computed to four places."""
    assert _benchmark().wilson(hits, of) == pytest.approx((low, high), abs=1e-4)
