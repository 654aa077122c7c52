"""The form of the answer page: what it asks of whom, what it takes, and which of its words are shown to whom.

Three short items at most, from the cadence that the journey pinned, and the customer's own words. A low score is asked
what it cost and offered a call back; a high one is asked for a comment and no more. After the answer window no rating
is asked for: words are, and one tick by which something that is still wrong is put right like any bad answer.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.effects import rendering
from chalicelib.effects.words import N_, Words
from chalicelib.journey import cadence, playbook
from chalicelib.journey.documents import SCALES, Documents, Question
from chalicelib.journey.state import Journey, Person, Touch

_RATING = re.compile(r"[0-9]{1,2}")
_WORDS = 8_000
TOO_LONG = N_(
    "This is longer than the 8,000 characters that we can take at once. Please send the rest in a reply to our mail."
)
_NOTHING = N_("Please choose an answer, or write something.")
_NOTHING_LATE = N_("Please write something, or tick what applies.")
_INTRO = N_("It takes under a minute. Nothing is recorded until you press Send.")
_WRONG = N_("Something is still wrong. Please put it right.")
_CALL_BACK = N_("Please call me back")
#: No number of theirs is known here: a call can only be kept to whoever writes it.
_CALL_BACK_HINT = N_("On which number, and when? Please write it above.")
#: The open question, for a low score, for a high one, and for neither.
_OPEN = {
    "low": N_("What happened, and what did it cost you?"),
    "high": N_("Would you like to add anything?"),
    "mid": N_("What would you like to tell us?"),
}
_OPEN_HINT = {
    "low": N_("In time, money or trouble. Nobody will ask you for it again. You can leave this empty."),
    "high": N_("You can leave this empty."),
    "mid": N_("If something went wrong: what happened, and what did it cost you? You can leave this empty."),
}


def score(measure: str, fields: Mapping[str, str]) -> int | None:
    """Return a rating that is on its scale, or None."""
    low, high = SCALES[measure]
    given = fields.get(measure, "")
    return int(given) if _RATING.fullmatch(given) and low <= int(given) <= high else None


def rated(measures: Iterable[str], fields: Mapping[str, str]) -> dict[str, int]:
    """Return the ratings among those measures that are on their scales."""
    return {measure: given for measure in measures if (given := score(measure, fields)) is not None}


def written(fields: Mapping[str, str], name: str) -> str:
    """Return what somebody wrote in a field; browsers count a line break as one character and send it as two."""
    return fields.get(name, "").replace("\r\n", "\n").strip()


def too_long(fields: Mapping[str, str], name: str) -> bool:
    """Say whether more was written than is kept."""
    return len(written(fields, name)) > _WORDS


class AnswerForm(msgspec.Struct, frozen=True):
    """What one page asks. ``late``: it was shown after the answer window. ``already``: an answer stands."""

    journey: Journey
    person: Person
    documents: Documents
    touch: Touch
    asked: tuple[Question, ...]
    late: bool
    already: bool
    said: Words

    @classmethod
    def of(
        cls, journey: Journey, person: Person, documents: Documents, touch_id: str, shown_at: datetime, said: Words
    ) -> "AnswerForm | None":
        """Return the form behind a link as it was at that instant, or None when the link asks nothing."""
        touch = journey.touch(touch_id)
        if touch is None:
            return None
        asked = () if touch.kind == "reminder" else cadence.asked(touch, journey, documents)
        if not asked:
            return None
        closed = touch.answerable_until
        already = any(a.touch_id == touch_id and a.counts and not a.from_journey for a in journey.answers)
        return cls(journey, person, documents, touch, asked, closed is not None and shown_at > closed, already, said)

    # -- what was sent -----------------------------------------------------------------------------------

    def scores(self, fields: Mapping[str, str]) -> dict[str, int]:
        """Return what was rated. Late, the one thing that can be said is that it is not solved."""
        if self.late:
            return {"solved": 0} if fields.get("wrong") == "yes" else {}
        return rated([question.measure for question in self.asked], fields)

    def faults(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return what keeps the form from being taken, by field. Who has answered may add words alone."""
        found: dict[str, str] = {}
        given = self.scores(fields)
        if not self.late and not self.already:
            missing = [q for q in self.asked if q.required and q.measure not in given]
            found = {
                q.measure: self.said.text("Please choose: %(question)s", question=self.said.said(q.text))
                for q in missing
            }
        if too_long(fields, "words"):
            found["words"] = self.said.text(TOO_LONG)
        if not (found or given or written(fields, "words") or fields.get("call_back") == "yes"):
            where, why = ("words", _NOTHING_LATE) if self.late else (self.asked[0].measure, _NOTHING)
            found = {where: self.said.text(why)}
        return found

    # -- what is shown -----------------------------------------------------------------------------------

    def context(self, fields: Mapping[str, str], faults: Mapping[str, str]) -> dict[str, Any]:
        """Return what the page shows: the questions with what was chosen or written so far."""
        unhappy = self._branch(rated([question.measure for question in self.asked], fields)) == "low"
        questions = [] if self.late else [self._rating(q, fields, faults.get(q.measure)) for q in self.asked]
        if self.late:
            questions.append(_tick("wrong", self.said.text(_WRONG), "yes" if unhappy else fields.get("wrong", "")))
        questions.append(_open_question(fields, faults.get("words"), self.said))
        hint = self.said.text(_CALL_BACK_HINT)
        questions.append(_tick("call_back", self.said.text(_CALL_BACK), fields.get("call_back", ""), hint))
        return {
            "first_name": rendering.first_name(self.person),
            "case": rendering.case(self.journey),
            "intro": "" if self.late else self._intro(),
            "questions": questions,
            "branch": "mid" if self.late else self._branch(rated([q.measure for q in self.asked], fields)),
            "errors": list(faults.values()),
            "already": self.already,
            "closed": self.late,
            "action": "",
            "submit_label": self.said.text("Send"),
        }

    def _rating(self, question: Question, fields: Mapping[str, str], error: str | None) -> dict[str, Any]:
        options = rendering.options(question, fields.get(question.measure, ""), said=self.said)
        return {
            "name": question.measure,
            "text": self.said.said(question.text),
            "kind": rendering.DRAWN_AS[question.measure],
            "options": [{**one, "branch": self._branch({question.measure: one["value"]})} for one in options],
            "value": "",
            "required": question.required and not self.already,
            "hint": None,
            "error": error,
        }

    def _branch(self, scores: dict[str, int]) -> str:
        """Return whom the open question speaks to: ``low`` after a bad rating, ``high`` a good one, else ``mid``."""
        weighing = self.documents.cadence.weighing
        if playbook.crosses(scores, weighing.negative):
            return "low"
        rated_by = {"csat": weighing.look.csat_max, "nps": weighing.look.nps_max, "ces": weighing.negative.ces_max}
        judged = any(measure in scores and bound is not None for measure, bound in rated_by.items())
        return "high" if judged and not playbook.crosses(scores, weighing.look) else "mid"

    def _intro(self) -> str:
        step = self.documents.cadence.step(self.touch.step)
        return self.said.said(step.opening) if step else self.said.text(_INTRO)


def _open_question(fields: Mapping[str, str], error: str | None, said: Words) -> dict[str, Any]:
    texts = {branch: said.text(text) for branch, text in _OPEN.items()}
    hints = {branch: said.text(text) for branch, text in _OPEN_HINT.items()}
    return {
        "name": "words",
        "text": texts["mid"],
        "texts": texts,
        "kind": "text",
        "options": [],
        "value": fields.get("words", ""),
        "required": False,
        "hint": hints["mid"],
        "hints": hints,
        "error": error,
    }


def _tick(name: str, text: str, ticked: str, hint: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "text": text,
        "kind": "checkbox",
        "options": [],
        "value": ticked,
        "required": False,
        "hint": hint,
        "error": None,
    }
