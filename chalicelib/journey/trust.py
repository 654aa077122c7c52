"""Whether a person pressed: judged from what was seen of the press, and from what the journey knows.

Mail scanners open every link, run the scripts of a page and submit its form; some come back half a minute after the
customer and press another button (odoo/odoo#262262). What looks like them is kept, but counts for nothing until a
person has looked.
"""

from collections.abc import Callable
from datetime import datetime

from chalicelib.journey import clock
from chalicelib.journey.documents import Documents, Trust
from chalicelib.journey.events import AnswerGiven
from chalicelib.journey.state import Answer, Journey

#: Why an answer is suspect, in words for the person who looks at it.
SUSPICIONS = {
    "too_soon_after_delivery": "it came sooner after the mail than a person can read one",
    "too_soon_after_view": "it was sent sooner after the page was shown than a person can press",
    "decoy": "a link that no person can see was opened",
    "many_ratings": "another rating had come seconds before",
    "another_client": "another rating came shortly before, from elsewhere",
}


def suspicion(event: AnswerGiven, journey: Journey, documents: Documents) -> str:
    """Return why this answer may not be a person's, one of `SUSPICIONS`, or an empty text.

    What was carried here from another journey was judged there.
    """
    if event.suspect or event.from_journey or event.returned:
        return event.suspect
    rules = documents.settings.trust
    earlier = [a for a in journey.answers if a.touch_id == event.touch_id and not a.from_journey]
    grounds: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("too_soon_after_delivery", lambda: _before_reading(event, journey, rules)),
        ("too_soon_after_view", lambda: _within(event.evidence.shown_at, event.occurred_at, rules.after_view)),
        ("decoy", lambda: _fell_for_decoy(event, rules)),
        ("many_ratings", lambda: _among_others(event, earlier, rules)),
        ("another_client", lambda: _contradicted_from_elsewhere(event, earlier, rules)),
    )
    return next((name for name, holds in grounds if holds()), "")


def _within(one: datetime | None, other: datetime, span: str) -> bool:
    """Say whether less than that lies between the two, in either order: news does not always come in order."""
    return one is not None and abs(other - one) < clock.elapsed(span)


def _before_reading(event: AnswerGiven, journey: Journey, rules: Trust) -> bool:
    """Look at every mail whose links lead to this page: those of reminders lead to that of the survey.

    Whoever had the page open when a reminder arrived came by the mail before it.
    """
    asked = event.touch_id
    mails = [t for t in journey.touches if t.id == asked or (t.kind == "reminder" and asked == "survey")]
    arrived = [since for mail in mails if (since := mail.delivered_at or mail.sent_at or mail.owed_at)]
    shown = event.evidence.shown_at
    if shown is not None and any(since + clock.elapsed(rules.after_delivery) <= shown for since in arrived):
        arrived = [since for since in arrived if since <= shown]
    return any(_within(since, event.occurred_at, rules.after_delivery) for since in arrived)


def _fell_for_decoy(event: AnswerGiven, rules: Trust) -> bool:
    """The same client at any time; anybody only close to the answer: a scanner may come before the customer."""
    seen = event.evidence
    return seen.decoy_same_at is not None or _within(seen.decoy_at, event.occurred_at, rules.decoy_within)


def _among_others(event: AnswerGiven, earlier: list[Answer], rules: Trust) -> bool:
    return any(_differs(event, a) and _within(a.at, event.occurred_at, rules.together) for a in earlier)


def _contradicted_from_elsewhere(event: AnswerGiven, earlier: list[Answer], rules: Trust) -> bool:
    """A first answer and, from another client, another rating soon after: the first was the customer's."""
    known = [a for a in earlier if a.counts and a.client and event.evidence.client not in {"", a.client}]
    return any(_differs(event, a) and _within(a.at, event.occurred_at, rules.another_client_within) for a in known)


def _differs(event: AnswerGiven, answer: Answer) -> bool:
    """Say whether both rated, and not the same: words alone contradict nothing."""
    return bool(event.scores and answer.scores) and event.scores != answer.scores
