"""A good score with an angry comment: the customer may have pressed the wrong end of the scale, so a person looks.

What can be decided on the words alone is decided here; how angry they sound is weighed by the worker, off every page's
path, and comes back as an event. Both know English only: comments of customers who write another language are not
judged at all.
"""

import re

from msgspec.structs import replace

from chalicelib.journey import clock
from chalicelib.journey.documents import Mismatch
from chalicelib.journey.effects import WeighWords
from chalicelib.journey.events import WordsWeighed
from chalicelib.journey.state import Answer, Person
from chalicelib.journey.turn import Turn, safe_key

#: Items of five points; NPS and CES have bounds of their own.
_OF_FIVE = ("csat", "come_back", "heard", "fair")
_SPACE = re.compile(r"\s+")


def reads_english(person: Person) -> bool:
    """Say whether the customer's language is English, or unknown: then it is tried all the same."""
    locale = person.customer.locale if person.customer else ""
    return locale.replace("_", "-").partition("-")[0].lower() in {"", "en"}


def is_good(scores: dict[str, int], bounds: Mismatch) -> bool:
    """Say whether every item that was answered has a good score, and at least one was."""
    least = {"nps": bounds.nps_min, "ces": bounds.ces_min, "solved": 1} | dict.fromkeys(_OF_FIVE, bounds.score_min)
    return bool(scores) and all(value >= least.get(measure, 0) for measure, value in scores.items())


def has_phrase(words: str, bounds: Mismatch) -> bool:
    """Say whether one of the phrases stands in the words, at the beginning of a word."""
    plain = _SPACE.sub(" ", words.replace("\u2019", "'").replace("-", " ")).lower()
    return any(re.search(rf"\b{re.escape(phrase.lower())}", plain) for phrase in bounds.phrases)


def look_at_words(turn: Turn, answer: Answer) -> None:
    """Put a good answer with a telling phrase before a person; have the words of any other weighed."""
    bounds = turn.documents.cadence.weighing.mismatch
    if not reads_english(turn.person) or not is_good(answer.scores, bounds):
        return
    if has_phrase(answer.words, bounds):
        _put_before_a_person(turn, answer.id)
    else:
        key = safe_key(f"weigh-{answer.id}")
        turn.owe(WeighWords(key=key, journey_id=turn.journey.id, answer_id=answer.id))


def hear(turn: Turn, event: WordsWeighed) -> None:
    """Write on the answer how it sounds; an angry one is put before a person, however the journey stands by now."""
    if all(answer.id != event.answer_id or answer.compound is not None for answer in turn.journey.answers):
        turn.ignore("nothing here waits to be weighed")
        return
    turn.change(
        answers=tuple(
            replace(answer, compound=event.compound) if answer.id == event.answer_id else answer
            for answer in turn.journey.answers
        )
    )
    if event.compound <= turn.documents.cadence.weighing.mismatch.compound_max:
        _put_before_a_person(turn, event.answer_id)


def _put_before_a_person(turn: Turn, answer_id: str) -> None:
    within = clock.span(turn.documents.cadence.weighing.mismatch.within)
    due = turn.documents.settings.calendar.add(turn.now, within)
    turn.notify_rank(f"mismatch-{answer_id}", "lead", "mismatch", about=answer_id, due=due)
